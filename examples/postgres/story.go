package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// tell plays the host in a schema of its own.
func tell(ctx context.Context, f *flags, out io.Writer) (err error) {
	drop, err := ownSchema(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	pool, err := pgxpool.New(ctx, f.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, ordersTable+pgxstore.Schema(), pgx.QueryExecModeSimpleProtocol); err != nil { // a migration, in real life
		return err
	}
	c := &customer{story: f.Story(out), by: map[string]int{}, orders: map[int64]int{}}
	if f.Standalone {
		server, err := kit.Serve(ctx, c)
		if err != nil {
			return err
		}
		defer server.Close()
		f.To = []string{server.URL}
	}
	d, store, err := newDispatcher(ctx, pool, f, out)
	if err != nil {
		return err
	}
	if err := register(ctx, f, d, store); err != nil {
		return err
	}
	workers, err := startWorkers(ctx, f, out)
	if err == nil {
		err = trade(ctx, f, pool, d, store, c.story)
	}
	for _, w := range workers {
		_ = w.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, w.Wait())
	}
	if err == nil && f.Standalone {
		err = c.compare(f.orders)
	}
	return errors.Join(err, d.Shutdown(context.WithoutCancel(ctx)))
}

// register adds an endpoint for each URL.
func register(ctx context.Context, f *flags, d *webhook.Dispatcher, store *pgxstore.Store) error {
	for i, to := range f.To {
		e := &webhook.Endpoint{ID: fmt.Sprintf("ep_%d", i+1), Name: strconv.Itoa(i + 1), Scope: shop(), URL: to, Encoder: "json"}
		if err := d.Check(e); err != nil {
			return err
		}
		if _, err := store.Set(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// ownSchema lets f.database name a new schema, and returns what drops it.
func ownSchema(ctx context.Context, f *flags) (func() error, error) {
	u, err := url.Parse(f.database)
	if err != nil {
		return nil, errors.New("the -database must be a URL")
	}
	admin, err := pgx.Connect(ctx, f.database)
	if err != nil {
		return nil, err
	}
	name := "outhook_example_" + strings.ToLower(rand.Text())
	if _, err := admin.Exec(ctx, "CREATE SCHEMA "+name); err != nil {
		return nil, errors.Join(err, admin.Close(ctx))
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	f.database = u.String()
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, err := admin.Exec(ctx, "DROP SCHEMA "+name+" CASCADE")
		return errors.Join(err, admin.Close(ctx))
	}, nil
}

// startWorkers starts this program twice more, as the workers.
func startWorkers(ctx context.Context, f *flags, out io.Writer) ([]*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var workers []*exec.Cmd
	for _, name := range []string{"worker-1", "worker-2"} {
		args := []string{"-database", f.database, "-worker", name, "-to", f.To[0]}
		if f.Standalone || f.AllowPrivate {
			args = append(args, "-allow-private")
		}
		if f.Print {
			args = append(args, "-print")
		}
		if f.Fast || f.Standalone {
			args = append(args, "-fast")
		}
		cmd := exec.Command(program, args...) //nolint:gosec,noctx // it is this program, and is told to end below
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			return workers, err
		}
		workers = append(workers, cmd)
	}
	return workers, ctx.Err()
}

// trade places orders, one of them in vain, and waits until all are told of.
func trade(ctx context.Context, f *flags, pool *pgxpool.Pool, d *webhook.Dispatcher, store *pgxstore.Store, story io.Writer) error {
	for i := range f.orders {
		e := OrderPlaced{Customer: fmt.Sprintf("customer-%d", i+1), Cents: int64(100 * (i + 1))}
		if err := placeOrder(ctx, pool, d, store, e); err != nil {
			return err
		}
	}
	err := placeOrder(ctx, pool, d, store, OrderPlaced{Cents: 1})
	fmt.Fprintf(story, "  host: %d orders are placed; one is not, and nobody will hear of it: %v\n", f.orders, err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := store.Counts(ctx)
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

// customer is somebody else's server.
type customer struct {
	story io.Writer

	mu     sync.Mutex
	by     map[string]int // requests by worker
	orders map[int64]int
}

// ServeHTTP implements http.Handler.
func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := kit.ReadBody(w, r)
	if !ok {
		return
	}
	var e OrderPlaced
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "not an order", http.StatusBadRequest)
		return
	}
	time.Sleep(10 * time.Millisecond)
	_, worker, _ := strings.Cut(r.UserAgent(), "/")
	c.mu.Lock()
	c.by[worker]++
	c.orders[e.ID]++
	c.mu.Unlock()
	fmt.Fprintf(c.story, "  receiver: got %s by %s\n", body, worker)
}

func (c *customer) compare(orders int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.story, "%d orders, %d told of: %d requests by worker-1, %d by worker-2\n", orders, len(c.orders), c.by["worker-1"], c.by["worker-2"])
	if len(c.orders) != orders {
		return fmt.Errorf("%d orders were placed, and %d were told of", orders, len(c.orders))
	}
	return nil
}
