package sqltest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// taped is a driver that writes down what runs on its connections.
type taped struct {
	driver.Driver
	tape *tape
}

type tape struct {
	mu   sync.Mutex
	runs []taping
}

type taping struct {
	query string
	args  []any
}

func (d *taped) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &tapedConn{Conn: c, tape: d.tape}, nil
}

type tapedConn struct {
	driver.Conn
	tape *tape
}

func (c *tapedConn) note(query string, args []driver.NamedValue) {
	c.tape.mu.Lock()
	defer c.tape.mu.Unlock()
	r := taping{query: query}
	for _, a := range args {
		r.args = append(r.args, a.Value)
	}
	c.tape.runs = append(c.tape.runs, r)
}

func (c *tapedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note(query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

// Prepare implements driver.Conn.
func (c *tapedConn) Prepare(query string) (driver.Stmt, error) {
	s, err := c.Conn.Prepare(query)
	return &tapedStmt{Stmt: s, conn: c, query: query}, err
}

type tapedStmt struct {
	driver.Stmt
	conn  *tapedConn
	query string
}

func (s *tapedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.conn.note(s.query, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *tapedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note(query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

type connector struct {
	d   driver.Driver
	dsn string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.d }

// On SQLite no statement of the queue's daily work may read a whole table: the
// plan of each says SEARCH, by an index and with a bound.
func TestPlansOnSQLite(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, sqlstore.SQLite)
	plain := p.open(t)
	run(t, plain, sqlstore.Schema(sqlstore.SQLite))
	record := &tape{}
	db := sql.OpenDB(connector{d: &taped{Driver: plain.Driver(), tape: record}, dsn: p.dsn})
	defer func() { _ = db.Close() }()
	s := bind(t, db, sqlstore.SQLite)
	work(t, ctx, s)
	t.Run("without statistics", func(t *testing.T) { record.explain(t, p.open(t)) })
	// A host ran ANALYZE, or PRAGMA optimize, when there were three rows of each.
	run(t, plain, "ANALYZE;\nDELETE FROM sqlite_stat1;\n"+
		"INSERT INTO sqlite_stat1 SELECT tbl_name, name, '3 1 1 1' FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'outhook_%'")
	t.Run("with those of small tables", func(t *testing.T) { record.explain(t, p.open(t)) })
}

func (record *tape) explain(t *testing.T, plain *sql.DB) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range record.runs {
		if seen[r.query] || !strings.Contains(r.query, "outhook_") {
			continue
		}
		seen[r.query] = true
		for _, line := range explain(t, plain, r) {
			if scansTable(line, r.query) {
				t.Errorf("%q in the plan of\n%s", line, r.query)
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("%d statements were seen, want 25 at least", len(seen))
	}
}

// scansTable reports a line of a plan that reads all of one of our tables. The
// one row of outhook_schema is no table to speak of; a scan along an index, or
// in the order of the key, ends at a LIMIT; x and z are what a subquery left over.
func scansTable(line, query string) bool {
	if !strings.HasPrefix(line, "SCAN ") || strings.Contains(line, "VIRTUAL TABLE") || strings.Contains(line, "outhook_schema") {
		return false
	}
	name := strings.Fields(line)[1]
	ours := strings.HasPrefix(name, "outhook_") || len(name) == 1 && name != "j" && name != "x" && name != "z"
	// The lanes beside the history: as many as there are endpoints with open work.
	beside := strings.HasPrefix(line, "SCAN l LEFT-JOIN") && strings.Contains(query, "FROM outhook_delivery d LEFT JOIN")
	inOrder := strings.Contains(query, "FROM outhook_final ORDER BY id") && strings.Contains(query, "LIMIT")
	return ours && !strings.Contains(line, "USING") && !inOrder && !beside
}

func explain(t *testing.T, db *sql.DB, r taping) []string {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+r.query, r.args...)
	if err != nil {
		t.Fatalf("%s: %v", r.query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		out = append(out, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// work does everything that a queue sees in a day.
func work(t *testing.T, ctx context.Context, s *sqlstore.Store) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := batch("1", "event", "a", "b", "c")
	b.Deliveries[1].Ordered = true
	_, err := s.Enqueue(ctx, b)
	check(err)
	_, err = s.Enqueue(ctx, b)
	check(err)
	again := batch("2", "event", "a", "d")
	again.Deliveries[1].Ordered, again.Deliveries[1].State = true, webhook.Cancelled
	_, err = s.Enqueue(ctx, again)
	check(err)
	got, err := s.Claim(ctx, webhook.Claim{Limit: 10, PerEndpoint: 5, Lease: time.Hour, Skip: []string{"x"}})
	check(err)
	if len(got) != 3 {
		t.Fatalf("Claim = %d deliveries, want 3", len(got))
	}
	_, err = s.Extend(ctx, []webhook.Lease{{ID: got[0].Delivery.ID, Token: got[0].Token}}, time.Hour)
	check(err)
	items := settlements(got)
	items[0].State, items[0].Health = webhook.Pending, webhook.Failing
	items[1].Attempt = &webhook.Attempt{Number: 1}
	_, err = s.Settle(ctx, items)
	check(err)
	check(s.Park(ctx, []webhook.Park{{EndpointID: "a", For: time.Hour}}))
	check(s.Cancel(ctx, got[0].Delivery.ID, "enough"))
	_, _, err = s.Take(ctx, "a", 1, webhook.Rate{Limit: 1, Per: time.Second})
	check(err)
	_, _, err = s.Delivery(ctx, got[1].Delivery.ID)
	check(err)
	_, _, err = s.Deliveries(ctx, webhook.HistoryQuery{EndpointID: "a"})
	check(err)
	_, _, err = s.Deliveries(ctx, webhook.HistoryQuery{MessageID: "msg_1"})
	check(err)
	_, _, err = s.Deliveries(ctx, webhook.HistoryQuery{})
	check(err)
	_, err = s.Attempts(ctx, got[1].Delivery.ID)
	check(err)
	_, _, err = s.Finals(ctx, "", 10)
	check(err)
	_, err = s.Purge(ctx, webhook.Purge{Keep: 1})
	check(err)
	_, err = s.Set(ctx, &webhook.Endpoint{ID: "a", Scope: webhook.In("link", "1"), URL: "https://example.com/"})
	check(err)
	_, err = s.Match(ctx, webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "x"})
	check(err)
}
