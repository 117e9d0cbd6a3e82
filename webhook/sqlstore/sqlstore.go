// Package sqlstore keeps endpoints, deliveries and their history in SQLite,
// PostgreSQL, MariaDB or MySQL, over database/sql. The host brings the driver
// and the migrations:
//
//	text := sqlstore.Schema(sqlstore.PostgreSQL) // goes into a migration
//	store, err := sqlstore.Open(ctx, db, sqlstore.Options{Dialect: sqlstore.PostgreSQL})
//	d, err := webhook.New(webhook.Config{Endpoints: store, Queue: store})
//
//	tx, err := db.BeginTx(ctx, nil)
//	... the host's own statements ...
//	_, err = d.DispatchTx(ctx, store.InTx(tx), event, scope)
//	err = tx.Commit()
//	d.Wake()
//
// # What the databases need
//
// SQLite 3.35 or later. Open it in WAL mode, with synchronous=FULL where a
// dispatch must outlast a power failure, with a busy timeout, and so that
// transactions take the write lock when they begin: with a deferred one that
// reads before it writes, SQLITE_BUSY comes at once, whatever the timeout. With
// modernc.org/sqlite that is
//
//	file:app.db?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)
//
// The store's own transactions begin with BEGIN IMMEDIATE in any case, and are
// repeated while the database is locked. A pool of one connection will do: what
// runs in the host's transaction uses nothing else.
//
// PostgreSQL 13 or later, behind PgBouncer too: the store keeps nothing in a
// session. DispatchTx is best called in a transaction at READ COMMITTED, the
// default; at the higher levels it works, and leaves a little more work to the
// claims.
//
// MariaDB 10.6 or later, or MySQL 8.0 or later, with InnoDB and a connection
// that speaks utf8mb4. The store's own transactions run at READ COMMITTED and
// are repeated after a deadlock.
//
// # What is stored
//
// A message with its bodies once, a row for each delivery, and a small one for
// each that is not final yet: claims and settlements do not depend on how long
// the history has grown. Secrets of endpoints are stored in clear, as they must
// be to sign; who reads these tables reads them. Call Purge, or let the
// dispatcher call it, to bound the history.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// Dialect says which database a store runs on.
type Dialect uint8

// The dialects.
const (
	// SQLite is SQLite 3.35 or later.
	SQLite Dialect = iota + 1
	// PostgreSQL is PostgreSQL 13 or later.
	PostgreSQL
	// MySQL is MariaDB 10.6 or later, or MySQL 8.0 or later.
	MySQL
)

// String returns the dialect's name.
func (d Dialect) String() string { return sqlcore.Dialect(d).String() }

// Schema returns the statements that make the tables, each ended by a
// semicolon at the end of a line; empty for an unknown dialect. All names begin
// with "outhook_". The text belongs into the host's own migrations: nothing
// here ever runs it.
func Schema(d Dialect) string { return sqlcore.Schema(sqlcore.Dialect(d)) }

// Options say how to open a Store.
type Options struct {
	// Dialect is the database's; it is required.
	Dialect Dialect
}

// ErrCursor is the error of a page or feed whose cursor the store never gave.
var ErrCursor = sqlcore.ErrCursor

// ErrNoTransaction says that InTx was given a *sql.DB. Its statements would run
// outside the host's transaction.
var ErrNoTransaction = errors.New("sqlstore: InTx needs a *sql.Tx, or a *sql.Conn with a transaction, and was given a *sql.DB")

type core = sqlcore.Store

// Store is a [webhook.Queue], a [webhook.EndpointStore] and all of the optional
// interfaces but [webhook.Listener]: [webhook.EndpointAdmin],
// [webhook.Recaller] (which remembers something on PostgreSQL alone),
// [webhook.BatchOutbox], [webhook.Extender], [webhook.RateLimiter],
// [webhook.History], [webhook.Canceler], [webhook.Counter] and
// [webhook.Purger]. Its methods may be called concurrently, and by any number
// of processes.
//
// The cursor of Finals follows numbers that are given to what is committed, one
// caller at a time: nothing ever ends before a cursor that was handed out.
type Store struct{ *core }

// Open returns the store in db. It checks that the schema is there, in the
// version of this package, and changes nothing. The host keeps db, and closes
// it.
func Open(ctx context.Context, db *sql.DB, o Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: the *sql.DB is nil")
	}
	c, err := sqlcore.Open(ctx, &database{querier: querier{db}, db: db, dialect: o.Dialect, writer: make(chan struct{}, 1)}, sqlcore.Dialect(o.Dialect), "sqlstore")
	if err != nil {
		return nil, err
	}
	return &Store{core: c}, nil
}

// Recall implements webhook.Recaller, on PostgreSQL; elsewhere nothing is
// remembered.
func (s *Store) Recall(queue webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	if queue != webhook.Queue(s) {
		return nil, nil
	}
	return s.core.Recall(q)
}

// Tx is a transaction: a *sql.Tx, a *sql.Conn on which one was begun, or what
// wraps one of them.
type Tx interface {
	// ExecContext runs a statement inside the transaction.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// QueryContext runs a query inside the transaction.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Outbox is the store inside a transaction of the host's, a [webhook.Outbox]
// and a [webhook.Matcher]. It uses the transaction's connection alone. Like the
// transaction it is for one goroutine at a time. After an error, roll back.
type Outbox struct {
	inner *sqlcore.Outbox
	err   error
}

// InTx binds the store to a transaction. With a *sql.DB, every method of the
// result returns ErrNoTransaction.
func (s *Store) InTx(tx Tx) *Outbox {
	switch tx.(type) {
	case nil, *sql.DB:
		return &Outbox{err: ErrNoTransaction}
	}
	return &Outbox{inner: s.core.InTx(querier{tx})}
}

// Enqueue implements webhook.Outbox.
func (o *Outbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.inner.Enqueue(ctx, b)
}

// Match implements webhook.Matcher.
func (o *Outbox) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.inner.Match(ctx, q)
}

var (
	_ webhook.Queue   = (*Store)(nil)
	_ webhook.Matcher = (*Outbox)(nil)
	_ webhook.Outbox  = (*Outbox)(nil)
)
