// Package pgxstore keeps endpoints, deliveries and their history in PostgreSQL,
// over pgx. It uses the tables of sqlstore, and processes of both kinds can
// share them. What a claim or a settlement has to say travels in fewer round
// trips, which counts where the database is far away; and it hears of new
// deliveries by LISTEN/NOTIFY, at once.
//
//	text := pgxstore.Schema() // goes into a migration
//	store, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
//	d, err := webhook.New(webhook.Config{Endpoints: store, Queue: store})
//
//	tx, err := pool.Begin(ctx)
//	... the host's own statements ...
//	_, err = d.DispatchTx(ctx, store.InTx(tx), event, scope)
//	err = tx.Commit(ctx)
//	d.Wake()
//
// # What the database needs
//
// PostgreSQL 13 or later. DispatchTx is best called in a transaction at READ
// COMMITTED, the default; at the higher levels it works, and leaves a little
// more work to the claims.
//
// # Wake-up
//
// A process that enqueues tells the others by NOTIFY. PostgreSQL takes a lock of
// the whole cluster when such a transaction commits, so a store says it at most
// once every [Options.NotifyEvery], and whoever hears it looks a second time
// after that long. What was enqueued in between is found then. Without a
// transaction of the host's, the notification is one of its own, which waits for
// that lock 100 ms at most, and once more for those who enqueued meanwhile and went
// without; within one, it is sent along with the deliveries and takes no round trip.
// A notification is a hint: where one is lost, the next poll finds the work.
//
// PostgreSQL refuses PREPARE TRANSACTION after a NOTIFY. A host that commits in
// two phases sets NotifyEvery to -1, and its processes poll.
//
// # PgBouncer
//
// In session mode everything works. In transaction mode LISTEN has no effect;
// [Store.Listen] finds that out by a notification to itself, returns
// [ErrDeaf], which the dispatcher reports, and polling goes on. Negative
// NotifyEvery turns all this off. A pooler that keeps no prepared statements
// needs a pool with pgx.QueryExecModeExec or pgx.QueryExecModeCacheDescribe as
// its DefaultQueryExecMode; the store keeps nothing else in a session.
package pgxstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// Schema returns the statements that make the tables, each ended by a
// semicolon at the end of a line. All names begin with "outhook_". The text
// belongs into the host's own migrations: nothing here ever runs it. It is the
// same as sqlstore.Schema(sqlstore.PostgreSQL).
func Schema() string { return sqlcore.Schema(sqlcore.PostgreSQL) }

// Options say how to open a Store.
type Options struct {
	// NotifyEvery is how often a store tells other processes of new deliveries
	// at most, and how long after hearing of some a listener looks again.
	// Negative: the store neither notifies nor listens, and processes poll.
	//
	// Defaults to 10 ms.
	NotifyEvery time.Duration
}

// ErrCursor is the error of a page or feed whose cursor the store never gave.
var ErrCursor = sqlcore.ErrCursor

// ErrNoTransaction says that InTx was given nil.
var ErrNoTransaction = errors.New("pgxstore: InTx needs a transaction, and was given nil")

type core = sqlcore.Store

// Store is a [webhook.Queue], a [webhook.EndpointStore] and all of the optional
// interfaces: [webhook.EndpointAdmin], [webhook.Recaller],
// [webhook.BatchOutbox], [webhook.Extender], [webhook.Listener],
// [webhook.RateLimiter], [webhook.History], [webhook.Canceler],
// [webhook.Counter] and [webhook.Purger]. Its methods may be called
// concurrently, and by any number of processes.
//
// The cursor of Finals follows numbers that are given to what is committed, one
// caller at a time: nothing ever ends before a cursor that was handed out.
type Store struct {
	*core

	pool    *pgxpool.Pool
	channel string
	every   time.Duration

	telling   sync.Mutex  // held by who notifies
	untold    atomic.Bool // somebody else had something to tell meanwhile
	mu        sync.Mutex
	told      time.Time // when a notification was last begun
	deafUntil time.Time // when listening is worth another try
}

// Open returns the store in pool. It checks that the schema is there, in the
// version of this package, and changes nothing. The host keeps pool, and closes
// it.
func Open(ctx context.Context, pool *pgxpool.Pool, o Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgxstore: the *pgxpool.Pool is nil")
	}
	if o.NotifyEvery == 0 {
		o.NotifyEvery = 10 * time.Millisecond
	}
	c, err := sqlcore.Open(ctx, database{pool}, sqlcore.PostgreSQL, "pgxstore")
	if err != nil {
		return nil, err
	}
	s := &Store{core: c, pool: pool, every: o.NotifyEvery}
	// A channel belongs to the database; the tables may be there once a schema.
	var table uint32
	if err := pool.QueryRow(ctx, `SELECT 'outhook_queue'::regclass::oid`).Scan(&table); err != nil {
		return nil, fmt.Errorf("pgxstore: open: finding the table outhook_queue: %w", err)
	}
	s.channel = fmt.Sprintf("outhook_%d", table)
	return s, nil
}

// Recall implements webhook.Recaller.
func (s *Store) Recall(queue webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	if queue != webhook.Queue(s) {
		return nil, nil
	}
	return s.core.Recall(q)
}

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	found, err := s.core.Enqueue(ctx, b)
	if err == nil && sqlcore.Left([]*webhook.Batch{b}) {
		s.notify(ctx)
	}
	return found, err
}

// EnqueueAll implements webhook.BatchOutbox.
func (s *Store) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	found, err := s.core.EnqueueAll(ctx, batches)
	if err == nil && sqlcore.Left(batches) {
		s.notify(ctx)
	}
	return found, err
}

// Outbox is the store inside a transaction of the host's, a [webhook.Outbox]
// and a [webhook.Matcher]. It uses the transaction's connection alone. Like the
// transaction it is for one goroutine at a time. After an error, roll back.
type Outbox struct {
	s     *Store
	tx    pgx.Tx
	inner *sqlcore.Outbox
}

// InTx binds the store to a transaction. With nil, every method of the result
// returns ErrNoTransaction.
func (s *Store) InTx(tx pgx.Tx) *Outbox {
	if tx == nil {
		return &Outbox{}
	}
	return &Outbox{s: s, tx: tx, inner: s.core.InTx(querier{tx})}
}

// Enqueue implements webhook.Outbox. It is one round trip.
func (o *Outbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	if o.inner == nil {
		return nil, ErrNoTransaction
	}
	if b == nil || len(b.Deliveries) == 0 || !o.s.tell() {
		return o.inner.Enqueue(ctx, b)
	}
	p := &pipeline{conn: o.tx}
	p.later(notifyText, o.s.channel)
	return o.s.core.InTx(p).Enqueue(ctx, b)
}

// Match implements webhook.Matcher.
func (o *Outbox) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	if o.inner == nil {
		return nil, ErrNoTransaction
	}
	return o.inner.Match(ctx, q)
}

var (
	_ webhook.Queue         = (*Store)(nil)
	_ webhook.EndpointAdmin = (*Store)(nil)
	_ webhook.Recaller      = (*Store)(nil)
	_ webhook.BatchOutbox   = (*Store)(nil)
	_ webhook.Listener      = (*Store)(nil)
	_ webhook.Matcher       = (*Outbox)(nil)
	_ webhook.Outbox        = (*Outbox)(nil)
)
