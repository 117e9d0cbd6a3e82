// Command ownstore is a host that had a table of webhooks before it had
// outhook, and keeps it: integer ids, columns of its own, matched by a query of
// its own. The queue and the history are sqlstore's, in the same database.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// ProductSold is an event: the host's own struct, which says its type.
type ProductSold struct {
	Product string `json:"product" webhook:"required"`
	Count   int    `json:"count"`
}

// EventType implements webhook.Event.
func (ProductSold) EventType() string { return "product.sold" }

// ProductReturned is another one.
type ProductReturned struct {
	Product string `json:"product" webhook:"required"`
}

// EventType implements webhook.Event.
func (ProductReturned) EventType() string { return "product.returned" }

func main() { kit.Main(run) }

// host is the application.
type host struct {
	db    *sql.DB
	hooks *hooks
	queue *sqlstore.Store
	out   *webhook.Dispatcher
	story io.Writer
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := kit.Parse(flag.NewFlagSet("ownstore", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "outhook-ownstore-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "host.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	h, err := open(ctx, db, &o, out)
	if err != nil {
		return err
	}
	if o.Standalone {
		server, err := kit.Serve(ctx, receiver(h.story))
		if err != nil {
			return err
		}
		defer server.Close()
		o.To = []string{server.URL + "/all", server.URL + "/returns", server.URL + "/gone"}
	}
	return h.serve(ctx, o.To)
}

// receiver plays the shop's servers; one of them is no more.
func receiver(story io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := kit.ReadBody(w, r)
		if !ok {
			return
		}
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
			return
		}
		fmt.Fprintf(story, "  receiver %s: got %s\n", r.URL.Path, body)
	})
}

// open makes the tables, and a dispatcher whose two stores are not the same.
func open(ctx context.Context, db *sql.DB, o *kit.Options, out io.Writer) (*host, error) {
	// In an application both are part of its migrations.
	if _, err := db.ExecContext(ctx, hooksTable+"CREATE TABLE sales (product TEXT NOT NULL, count INTEGER NOT NULL);\n"+
		sqlstore.Schema(sqlstore.SQLite)); err != nil {
		return nil, err
	}
	queue, err := sqlstore.Open(ctx, db, sqlstore.Options{Dialect: sqlstore.SQLite})
	if err != nil {
		return nil, err
	}
	h := &host{db: db, hooks: &hooks{db: db}, queue: queue, story: o.Story(out)}
	policy := retry.AtLeastOnce()
	policy.Schedule = o.Schedule(policy.Schedule)
	h.out, err = webhook.New(webhook.Config{
		Endpoints:  h.hooks, // the host's own table
		Queue:      queue,   // sqlstore's tables
		Policies:   []retry.Policy{policy},
		Transports: []webhook.Transport{o.Transport(out)},
		Hooks: webhook.Hooks{
			EndpointDisabled: func(_ context.Context, id, reason string) {
				fmt.Fprintf(h.story, "  host: hook %s is off: %s\n", id, reason)
			},
		},
	})
	return h, err
}

// sell writes a sale and its webhooks in one transaction.
func (h *host) sell(ctx context.Context, shop int64, e webhook.Event, product string, count int) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit there is nothing to undo
	if _, err := tx.ExecContext(ctx, "INSERT INTO sales (product, count) VALUES (?, ?)", product, count); err != nil {
		return err
	}
	receipt, err := h.out.DispatchTx(ctx, outbox{Outbox: h.queue.InTx(tx), tx: tx}, e, inShop(shop))
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	h.out.Wake()
	fmt.Fprintf(h.story, "  host: %s in shop %d concerns %d hooks\n", e.EventType(), shop, len(receipt.Deliveries))
	for _, d := range receipt.Deliveries {
		if d.State == webhook.Cancelled { // recorded all the same, so that a replay finds it
			fmt.Fprintf(h.story, "  host: hook %s is not told: %s\n", d.EndpointID, d.Reason)
		}
	}
	return nil
}

// serve registers a hook for each URL, sells something, and waits until all of
// it is told of.
func (h *host) serve(ctx context.Context, urls []string) error {
	const shop, other = 7, 8
	for _, url := range urls {
		topics := ""
		if strings.HasSuffix(url, "/returns") {
			topics = "product.returned"
		}
		if err := h.hooks.add(ctx, h.out, shop, "ada", url, topics); err != nil {
			return err
		}
	}
	ran := make(chan error, 1)
	go func() { ran <- h.out.Run(ctx) }()
	err := h.sell(ctx, shop, ProductSold{Product: "teapot", Count: 2}, "teapot", 2)
	if err == nil {
		err = h.settled(ctx)
	}
	if err == nil {
		err = h.sell(ctx, shop, ProductReturned{Product: "teapot"}, "teapot", -1)
	}
	if err == nil {
		err = h.sell(ctx, other, ProductSold{Product: "kettle", Count: 1}, "kettle", 1)
	}
	if err == nil {
		err = h.settled(ctx)
	}
	return errors.Join(err, h.out.Shutdown(context.WithoutCancel(ctx)), <-ran)
}

// settled waits until every delivery is over.
func (h *host) settled(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := h.queue.Counts(ctx)
		if err != nil || counts.Pending+counts.Running == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // interrupted
		case <-tick.C:
		}
	}
}
