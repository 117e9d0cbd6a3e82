package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// fake is a database that knows one answer: the rows of outhook_schema.
type fake struct {
	versions []int64
	err      error
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return f, nil }
func (f *fake) Driver() driver.Driver                        { return nil }
func (f *fake) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not here") }
func (f *fake) Close() error                                 { return nil }
func (f *fake) Begin() (driver.Tx, error)                    { return nil, errors.New("not here") }

func (f *fake) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	if f.err != nil {
		return nil, f.err
	}
	return &fakeRows{values: f.versions}, nil
}

type fakeRows struct{ values []int64 }

func (r *fakeRows) Columns() []string { return []string{"version"} }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	dest[0], r.values = r.values[0], r.values[1:]
	return nil
}

// closeIt closes a fake, which cannot fail.
func closeIt(db io.Closer) { _ = db.Close() }

func TestOpen(t *testing.T) {
	missing := errors.New("no such table: outhook_schema")
	for _, tt := range []struct {
		name    string
		fake    *fake
		dialect sqlstore.Dialect
		want    string // part of the error; empty: none
	}{
		{name: "right version", fake: &fake{versions: []int64{1}}, dialect: sqlstore.SQLite},
		{name: "newer", fake: &fake{versions: []int64{2}}, dialect: sqlstore.SQLite, want: "version 2, this release needs 1"},
		{name: "empty", fake: &fake{}, dialect: sqlstore.MySQL, want: "has 0 rows"},
		{name: "installed twice", fake: &fake{versions: []int64{1, 1}}, dialect: sqlstore.MySQL, want: "has 2 rows"},
		{name: "missing", fake: &fake{err: missing}, dialect: sqlstore.PostgreSQL, want: "Schema(PostgreSQL)"},
		{name: "no dialect", fake: &fake{}, want: "use SQLite, PostgreSQL or MySQL"},
		{name: "unknown dialect", fake: &fake{}, dialect: 9, want: "use SQLite, PostgreSQL or MySQL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := sql.OpenDB(tt.fake)
			defer closeIt(db)
			_, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: tt.dialect})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Open = %v, want nil", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Open = %v, want an error with %q", err, tt.want)
			}
			if tt.fake.err != nil && !errors.Is(err, tt.fake.err) {
				t.Errorf("Open = %v, want it to wrap %v", err, tt.fake.err)
			}
		})
	}
	if _, err := sqlstore.Open(context.Background(), nil, sqlstore.Options{Dialect: sqlstore.SQLite}); err == nil {
		t.Error("Open(nil) = nil, want an error")
	}
}

func TestInTxRefusesDB(t *testing.T) {
	db := sql.OpenDB(&fake{versions: []int64{1}})
	defer closeIt(db)
	s, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: sqlstore.SQLite})
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range []sqlstore.Tx{db, nil} {
		o := s.InTx(tx)
		if _, err := o.Enqueue(context.Background(), &webhook.Batch{}); !errors.Is(err, sqlstore.ErrNoTransaction) {
			t.Errorf("InTx(%T).Enqueue = %v, want ErrNoTransaction", tx, err)
		}
		if _, err := o.Match(context.Background(), webhook.Query{}); !errors.Is(err, sqlstore.ErrNoTransaction) {
			t.Errorf("InTx(%T).Match = %v, want ErrNoTransaction", tx, err)
		}
	}
}

// A dispatch that cannot be stored is refused before anything is written.
func TestEnqueueRefuses(t *testing.T) {
	db := sql.OpenDB(&fake{versions: []int64{1}})
	defer closeIt(db)
	s, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: sqlstore.PostgreSQL})
	if err != nil {
		t.Fatal(err)
	}
	m := &webhook.Message{ID: "msg_1"}
	for _, tt := range []struct {
		name  string
		batch *webhook.Batch
	}{
		{name: "nil"},
		{name: "no message", batch: &webhook.Batch{}},
		{name: "no id", batch: &webhook.Batch{Message: m, Deliveries: []webhook.Delivery{{State: webhook.Pending}}}},
		{name: "running", batch: &webhook.Batch{Message: m, Deliveries: []webhook.Delivery{{ID: "d", State: webhook.Running}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := s.Enqueue(context.Background(), tt.batch); err == nil {
				t.Error("Enqueue = nil, want an error")
			}
		})
	}
}

func TestSchema(t *testing.T) {
	for _, d := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			text := sqlstore.Schema(d)
			if strings.ContainsAny(text, "{}") {
				t.Errorf("Schema(%v) has a word that was not filled in", d)
			}
			if !strings.HasSuffix(text, ";\n") {
				t.Errorf("Schema(%v) does not end with a semicolon and a line", d)
			}
			for stmt := range strings.SplitSeq(strings.TrimSuffix(text, ";\n"), ";\n") {
				if name := strings.Fields(stmt); !strings.Contains(strings.Join(name[:4], " "), "outhook_") {
					t.Errorf("a statement does not begin with a name of ours: %s", stmt)
				}
			}
		})
	}
	if got := sqlstore.Schema(0); got != "" {
		t.Errorf("Schema(0) = %q, want none", got)
	}
}

func ExampleSchema() {
	text := sqlstore.Schema(sqlstore.SQLite)
	fmt.Println(strings.Split(text, "\n")[0])
	// Output: CREATE TABLE outhook_schema (
}

func ExampleOpen() {
	db := sql.OpenDB(&fake{versions: []int64{99}}) // with a driver: sql.Open("sqlite", "file:app.db?...")
	defer closeIt(db)
	_, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: sqlstore.SQLite})
	fmt.Println(err)
	// Output: sqlstore: the schema has version 99, this release needs 1: migrate it first
}

func ExampleStore_InTx() {
	db := sql.OpenDB(&fake{versions: []int64{1}})
	defer closeIt(db)
	store, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: sqlstore.SQLite})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The pool is no transaction; db.BeginTx gives one.
	_, err = store.InTx(db).Enqueue(context.Background(), &webhook.Batch{})
	fmt.Println(err)
	// Output: sqlstore: InTx needs a *sql.Tx, or a *sql.Conn with a transaction, and was given a *sql.DB
}
