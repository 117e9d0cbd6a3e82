// Package sqlcore is what sqlstore and pgxstore have in common: the schema,
// the statements, and the store itself over any way to run a statement.
//
// # How it works
//
// A delivery has a row in outhook_delivery from dispatch until it is purged,
// and a small one in outhook_queue until it is final. Bodies are kept once a
// message. What a claim looks at first is outhook_lane: a row for each endpoint
// that has something open, with the time of its next turn. A claim visits the
// lanes whose turn has come, takes some deliveries of each and gives it its
// next turn, behind all that wait already. That is fair, and it costs the same
// whatever waits behind the turns. A parked endpoint's turn is when its park
// ends.
//
// A host's transaction never writes a lane, since all transactions for the
// same endpoint would wait for each other. It adds a row to outhook_mark, which
// the next claim turns into a turn; and it leaves even that out where it sees a
// mark, or a lane whose turn has come, since a claim will look there anyway. But
// that claim may come before the transaction commits, see nothing, and put the
// turn off. For this, whoever takes away what others may have relied upon leaves
// a mark with a level above zero: look again. On PostgreSQL it stays until
// every transaction that was open then has ended (the horizon), on MySQL for
// some minutes. SQLite has one writer and needs none. Behind all this a sweep
// goes slowly around the queue and finds what was forgotten.
//
// Of an ordered lane only the head has a time in ready; those behind it have
// none until the head is final. Here too a transaction relies on the head that
// it sees, and a mark with a lane makes good for one that came too late.
//
// # Locks
//
// The lane's row is the lock of its endpoint, taken before any decision that
// depends on several of its deliveries. Claims skip what is locked; Settle locks
// queue rows by seq, then lanes by name. All times are microseconds by the
// clock of the database.
package sqlcore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Querier runs statements. Arguments are string, int64, []byte or nil.
type Querier interface {
	Exec(ctx context.Context, query string, args ...any) error
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// Rows is the result of a Query. Its Scan takes sql.Scanner.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// DB is a database.
type DB interface {
	Querier
	// Tx calls f in a transaction, READ COMMITTED or on SQLite one that writes
	// from its beginning, and commits if f returns nil.
	Tx(ctx context.Context, f func(Querier) error) error
}

// Repeater is a Querier that runs a statement for n rows at less than the cost
// of n calls. Those of SQLite are, where a row costs more as JSON than alone.
type Repeater interface {
	ExecEach(ctx context.Context, query string, n int, args func(i int) []any) error
}

// Pipeliner is a Querier that can keep a query back, which then has no round trip
// of its own.
type Pipeliner interface {
	// QueryLater runs a query with a later statement, at the latest with the next
	// query or the commit, and calls row for each of its rows before that returns.
	// An error of row's may come when all is committed.
	QueryLater(ctx context.Context, query string, args []any, row func(Rows) error) error
}

func repeat(ctx context.Context, q Querier, query string, n int, args func(i int) []any) error {
	r, ok := q.(Repeater)
	if !ok {
		return fmt.Errorf("%T is no Repeater, as what runs SQLite's statements must be", q)
	}
	return r.ExecEach(ctx, query, n, args)
}

// write runs an update or a removal by rows.
func write[T any](ctx context.Context, s *Store, q Querier, query string, rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	if s.d != SQLite {
		arg, err := list(rows)
		if err != nil {
			return err
		}
		return q.Exec(ctx, query, arg)
	}
	args := make([]any, len(rows))
	for i, r := range rows {
		switch v := any(r).(type) {
		case int64, string:
			args[i] = v
		default:
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			args[i] = string(text)
		}
	}
	return repeat(ctx, q, query, len(args), func(i int) []any { return args[i : i+1] })
}

// Version is the version of the schema.
const Version = 1

// Store implements the interfaces of package webhook. See sqlstore.Store.
type Store struct {
	db   DB
	d    Dialect
	name string // of the package that its user knows
	st   *statements

	busy     atomic.Bool // the last claim found something
	expected atomic.Bool // the next one will: something was stored since
	grown    atomic.Bool // a table, since the plans were made; see planAnew
	matches  matches

	mu        sync.Mutex
	swept     time.Time // when a claim last called sweep
	looked    time.Time // when somebody last looked for growth
	sweepSeq  int64     // the row of the queue that sweep looked at last
	keepUntil int64     // finals up to this id are beyond keepOf
	keepOf    int
}

// Open checks the version of the schema. Errors begin with name, the package
// that the host calls.
func Open(ctx context.Context, db DB, d Dialect, name string) (*Store, error) {
	if !d.valid() {
		return nil, fmt.Errorf("%s: the dialect %d is unknown: use SQLite, PostgreSQL or MySQL", name, d)
	}
	s := &Store{db: db, d: d, name: name, st: build(d)}
	var found []int64
	err := each(ctx, db, s.st.version, nil, func(r Rows) error {
		var v number
		if err := r.Scan(&v); err != nil {
			return err
		}
		found = append(found, v.v)
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: reading the version of the schema: %w", name, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("%s: the version of the schema cannot be read: run the text of Schema(%v) in your migrations: %w", name, d, err)
	case len(found) != 1:
		return nil, fmt.Errorf("%s: outhook_schema has %d rows and must have one: run the text of Schema(%v) on a database without outhook tables", name, len(found), d)
	case found[0] != Version:
		return nil, fmt.Errorf("%s: the schema has version %d, this release needs %d: migrate it first", name, found[0], Version)
	}
	return s, nil
}

// maxTries bounds how often a transaction is repeated that lost a deadlock or
// found the database locked.
const maxTries = 12

// update runs f in a transaction, again where another one was in its way. f
// must begin anew each time.
func (s *Store) update(ctx context.Context, f func(q Querier) error) error {
	wait := 2 * time.Millisecond
	for try := 1; ; try++ {
		err := s.db.Tx(ctx, func(q Querier) error {
			if s.d == PostgreSQL {
				if err := s.begin(ctx, q); err != nil {
					return err
				}
			}
			return f(q)
		})
		if err == nil || try == maxTries || !s.d.transient(err) {
			return err
		}
		if gone := pause(ctx, wait); gone != nil {
			return errors.Join(gone, err)
		}
		wait = min(2*wait, 200*time.Millisecond)
	}
}

// begin is what a transaction on PostgreSQL begins with.
func (s *Store) begin(ctx context.Context, q Querier) error {
	err := q.Exec(ctx, s.st.begin)
	if err == nil && s.grown.Load() {
		err = q.Exec(ctx, s.st.planAnew)
	}
	return err
}

// manyRows is from how many rows on a statement is planned for each call: that
// costs less than one row does then.
const manyRows = 32

// planAnew has PostgreSQL plan what follows in a transaction for the tables as they
// are, where it concerns many rows. A plan that it keeps may be of a time when a
// table, by its statistics, had one row: then to read all of it costs no more than
// to find one, and it does so until the table is analyzed. While one has grown so
// since, whatever waits in it, all transactions but the host's are planned anew; see
// lookForGrowth.
func (s *Store) planAnew(ctx context.Context, q Querier, rows int) error {
	if s.d != PostgreSQL || rows < manyRows {
		return nil
	}
	return q.Exec(ctx, s.st.planAnew)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// transient reports whether the same transaction may succeed if repeated.
func (d Dialect) transient(err error) bool {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		code := state.SQLState()
		return code == "40001" || code == "40P01"
	}
	text := err.Error()
	switch d {
	case SQLite:
		return strings.Contains(text, "SQLITE_BUSY") || strings.Contains(text, "database is locked")
	case PostgreSQL:
		return strings.Contains(text, "SQLSTATE 40001") || strings.Contains(text, "SQLSTATE 40P01")
	case MySQL:
		return strings.Contains(text, "Error 1213") || strings.Contains(text, "Error 1205") || strings.Contains(text, "Error 1020")
	}
	return false
}

// each calls f for each row of a query.
func each(ctx context.Context, q Querier, query string, args []any, f func(r Rows) error) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := f(rows); err != nil {
			_ = rows.Close()
			return err
		}
	}
	if err := rows.Err(); err != nil {
		_ = rows.Close()
		return err
	}
	return rows.Close()
}

// eachLater is each for a query whose rows nobody needs before the next query or
// the commit has returned.
func eachLater(ctx context.Context, q Querier, query string, args []any, f func(r Rows) error) error {
	if p, ok := q.(Pipeliner); ok {
		return p.QueryLater(ctx, query, args, f)
	}
	return each(ctx, q, query, args, f)
}

// wrap names the package and the operation in an error.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", s.name, op, err)
}
