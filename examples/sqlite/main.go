// Command sqlite is a durable host in a single binary: its users, endpoints,
// deliveries and their history are in one SQLite file. Kill it at any time and
// start it again: it goes on where it was.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// UserSignedUp is an event: the host's own struct, which says its type.
type UserSignedUp struct {
	ID    int64  `json:"id" webhook:"required"`
	Email string `json:"email"`
}

// EventType implements webhook.Event.
func (UserSignedUp) EventType() string { return "user.signed_up" }

func everyone() webhook.Scope { return webhook.In("app", "main") }

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("sqlite", flag.ContinueOnError)
	file := fs.String("db", "sqlite-example.db", "keep everything in this `file`")
	add := fs.Int("add", 5, "let this many users sign up")
	stay := fs.Bool("stay", false, "run until interrupted, instead of until everything is delivered")
	o, err := kit.Parse(fs, args)
	if err != nil {
		return err
	}
	if o.Standalone {
		return tell(ctx, o.Story(out))
	}
	if o.Print {
		dir, err := os.MkdirTemp("", "outhook-sqlite-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
		*file = filepath.Join(dir, "print.db")
	}
	h, err := open(ctx, *file, &o, out)
	if err != nil {
		return err
	}
	defer func() { _ = h.db.Close() }()
	return h.serve(ctx, *add, *stay)
}

// host is the application.
type host struct {
	db    *sql.DB
	store *sqlstore.Store
	hooks *webhook.Dispatcher
	story io.Writer
}

// open opens the file, and makes it if it is not there.
func open(ctx context.Context, file string, o *kit.Options, out io.Writer) (*host, error) {
	// WAL and FULL: a commit outlives a power failure. Transactions take the
	// write lock when they begin, and wait for it up to 10 s.
	db, err := sql.Open("sqlite", "file:"+file+
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	h := &host{db: db, story: o.Story(out)}
	if err := h.prepare(ctx, o, out); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return h, nil
}

func (h *host) prepare(ctx context.Context, o *kit.Options, out io.Writer) error {
	if err := migrate(ctx, h.db); err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, h.db, sqlstore.Options{Dialect: sqlstore.SQLite})
	if err != nil {
		return err
	}
	h.store = store
	policy := retry.AtLeastOnce()
	policy.Schedule = o.Schedule(policy.Schedule)
	config := webhook.Config{
		Endpoints:  store,
		Queue:      store,
		Policies:   []retry.Policy{policy},
		Transports: []webhook.Transport{o.Transport(out)},
		Hooks: webhook.Hooks{
			Ended: func(_ context.Context, d webhook.Delivery) {
				fmt.Fprintf(h.story, "  host: %s is %v after %d attempts\n", d.MessageID, d.State, d.Attempts)
			},
		},
	}
	if o.Fast { // what a killed process had in hand waits for the end of its lease
		config.Policies[0].Timeout, config.Lease = time.Second, 12*time.Second
	}
	if h.hooks, err = webhook.New(config); err != nil {
		return err
	}
	for i, url := range o.To {
		e := &webhook.Endpoint{ID: fmt.Sprintf("ep_%d", i+1), Name: strconv.Itoa(i + 1), Scope: everyone(), URL: url, Encoder: "json"}
		if err := h.hooks.Check(e); err != nil {
			return err
		}
		if _, err := store.Set(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// migrate stands for the host's own migrations, which the store's tables are
// a part of.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit there is nothing to undo
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version == 1 {
		return err
	}
	const own = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);\nPRAGMA user_version = 1;\n"
	if _, err := tx.ExecContext(ctx, own+sqlstore.Schema(sqlstore.SQLite)); err != nil {
		return err
	}
	return tx.Commit()
}

// signUp adds a user and tells of it in one transaction: both are there after
// it, or neither.
func (h *host) signUp(ctx context.Context) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit there is nothing to undo
	var e UserSignedUp
	err = tx.QueryRowContext(ctx, `INSERT INTO users (email)
		SELECT 'user' || (COALESCE(MAX(id), 0) + 1) || '@example.com' FROM users RETURNING id, email`).Scan(&e.ID, &e.Email)
	if err != nil {
		return err
	}
	receipt, err := h.hooks.DispatchTx(ctx, h.store.InTx(tx), e, everyone())
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	h.hooks.Wake()
	fmt.Fprintf(h.story, "  host: %s signed up, told as %s\n", e.Email, receipt.MessageID)
	return nil
}

// serve delivers while users sign up.
func (h *host) serve(ctx context.Context, users int, stay bool) error {
	counts, err := h.store.Counts(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(h.story, "  host: started, with %d deliveries from before to bring to their end\n", counts.Pending+counts.Running)
	ran := make(chan error, 1)
	go func() { ran <- h.hooks.Run(ctx) }()
	err = h.work(ctx, users, stay)
	if ctx.Err() != nil {
		err = nil // interrupted: Run ends by itself
	}
	return errors.Join(err, h.hooks.Shutdown(context.WithoutCancel(ctx)), <-ran)
}

// work lets users sign up and, unless it is to stay, waits until everything is
// delivered or has failed.
func (h *host) work(ctx context.Context, users int, stay bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if users > 0 {
			users--
			if err := h.signUp(ctx); err != nil {
				return err
			}
			continue
		}
		if stay {
			continue
		}
		if counts, err := h.store.Counts(ctx); err != nil || counts.Pending+counts.Running == 0 {
			return err
		}
	}
}
