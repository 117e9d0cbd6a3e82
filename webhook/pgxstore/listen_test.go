package pgxstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook/pgxstore"
)

// listen runs Listen until the test or stop ends it, and returns once it hears.
func listen(t *testing.T, s *pgxstore.Store, wake func()) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	hears := make(chan struct{}, 1)
	go func() {
		done <- s.Listen(ctx, func() {
			select {
			case hears <- struct{}{}:
			default:
			}
			wake()
		})
	}()
	select {
	case <-hears:
	case err := <-done:
		t.Fatalf("Listen returned %v at once", err)
	case <-time.After(10 * time.Second):
		t.Fatal("Listen never called wake")
	}
	return func() error {
		cancel()
		return <-done
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestListenBurst enqueues faster than notifications may follow each other:
// they stay few, and a wake-up follows the last one all the same.
func TestListenBurst(t *testing.T) {
	dsn := place(t)
	p := pool(t, dsn, nil)
	tables(t, p)
	const every = 50 * time.Millisecond
	from, to := open(t, p, pgxstore.Options{NotifyEvery: every}), open(t, pool(t, dsn, nil), pgxstore.Options{NotifyEvery: every})
	var heard atomic.Int64
	var last atomic.Int64
	stop := listen(t, to, func() {
		heard.Add(1)
		last.Store(time.Now().UnixNano())
	})
	ctx := context.Background()
	start, before := time.Now(), heard.Load()
	const n = 100
	for i := range n {
		if _, err := from.Enqueue(ctx, batch(strconv.Itoa(i), "e")); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now()
	waitFor(t, "a wake-up after the last commit", func() bool { return last.Load() > end.UnixNano() })
	took := end.Sub(start)
	time.Sleep(3 * every)
	// A notification is heard twice at most.
	if got, most := heard.Load()-before, 2*(int64(took/every)+2); got > most {
		t.Errorf("%d dispatches in %v caused %d wake-ups, want at most %d", n, took, got, most)
	}
	if err := stop(); err != nil {
		t.Errorf("Listen = %v at the end of its context, want nil", err)
	}
}

// muffled is what a server says, without its notifications.
type muffled struct {
	from io.Reader
	rest []byte
}

func (m *muffled) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(m.from, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(m.from, body); err != nil {
			return 0, err
		}
		if head[0] != 'A' {
			m.rest = append(head, body...)
		}
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// TestListenDeaf lets no notification through, as a pooler in transaction mode.
func TestListenDeaf(t *testing.T) {
	p := pool(t, place(t), func(c *pgxpool.Config) {
		c.ConnConfig.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
			return pgproto3.NewFrontend(&muffled{from: r}, w)
		}
	})
	tables(t, p)
	s := open(t, p, pgxstore.Options{})
	err := s.Listen(context.Background(), func() { t.Error("wake was called") })
	if !errors.Is(err, pgxstore.ErrDeaf) || !strings.Contains(err.Error(), "polls") {
		t.Errorf("Listen = %v, want ErrDeaf", err)
	}
	// It isn't tried again at once.
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := s.Listen(ctx, func() {}); err != nil || ctx.Err() == nil {
		t.Errorf("the next Listen = %v before its context ended, want it to wait", err)
	}
}

// TestListenBeside has a host whose pool handles notifications itself.
func TestListenBeside(t *testing.T) {
	p := pool(t, place(t), func(c *pgxpool.Config) {
		c.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	})
	tables(t, p)
	s := open(t, p, pgxstore.Options{})
	var heard atomic.Int64
	stop := listen(t, s, func() { heard.Add(1) })
	before := heard.Load()
	if _, err := s.Enqueue(context.Background(), batch("1", "e")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a wake-up", func() bool { return heard.Load() > before })
	if err := stop(); err != nil {
		t.Errorf("Listen = %v at the end of its context, want nil", err)
	}
}

// holdNotifications keeps what a notification needs from all whose search_path has
// pg_catalog behind the schema of the test, until it ends.
func holdNotifications(t *testing.T, dsn string) {
	t.Helper()
	ctx := context.Background()
	admin(t, dsn, "CREATE TABLE needed (); CREATE FUNCTION pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOCK TABLE needed; END $$")
	holder, err := pool(t, dsn, nil).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Rollback(ctx) })
	if _, err := holder.Exec(ctx, "LOCK TABLE needed"); err != nil {
		t.Fatal(err)
	}
}

// TestNotifyWaits has somebody hold what a notification needs: who enqueued waits
// for it a little, and keeps the connection.
func TestNotifyWaits(t *testing.T) {
	dsn := place(t)
	p := pool(t, dsn, func(c *pgxpool.Config) {
		c.MaxConns = 1
		c.ConnConfig.RuntimeParams["search_path"] += ",pg_catalog" // behind the schema of the test
	})
	tables(t, p)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{})
	holdNotifications(t, dsn)
	start := time.Now()
	if _, err := s.Enqueue(ctx, batch("1", "e")); err != nil {
		t.Errorf("Enqueue = %v, want nil: it is stored, and others will poll", err)
	}
	if took := time.Since(start); took < 100*time.Millisecond || took > 900*time.Millisecond {
		t.Errorf("Enqueue took %v, want the 100 ms that a notification may wait for a lock", took)
	}
	if n := p.Stat().NewConnsCount(); n != 1 {
		t.Errorf("the pool opened %d connections, want 1: a notification in vain must not cost one", n)
	}
}

// TestNotifiesOneAtATime holds what a notification needs, too: the others go
// without, and do not take the connections of the pool with them. For them it is
// tried once more.
func TestNotifiesOneAtATime(t *testing.T) {
	dsn := place(t)
	p := pool(t, dsn, func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["search_path"] += ",pg_catalog"
	})
	tables(t, p)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{NotifyEvery: time.Nanosecond})
	holdNotifications(t, dsn)
	others := pool(t, dsn, nil)
	if err := others.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var left atomic.Int64
	const n = 8
	left.Store(n)
	for i := range n {
		wg.Go(func() {
			defer left.Add(-1)
			if _, err := s.Enqueue(ctx, batch(strconv.Itoa(i), "e")); err != nil {
				t.Error(err)
			}
		})
	}
	most, tries := 0, map[string]bool{}
	for left.Load() > 0 {
		var waiting int
		var since string
		err := others.QueryRow(ctx, `SELECT count(*), coalesce(max(query_start)::text, '') FROM pg_stat_activity
			WHERE pid IN (SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'needed'::regclass)`).Scan(&waiting, &since)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, waiting)
		if waiting > 0 {
			tries[since] = true
		}
	}
	wg.Wait()
	if most > 1 {
		t.Errorf("%d notifications waited at a time, want 1", most)
	}
	if len(tries) < 2 {
		t.Errorf("%d Enqueues came to %d notifications in vain, want another one for those that went without", n, len(tries))
	}
}

func TestListenOff(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Listen(ctx, func() { t.Error("wake was called") }); err != nil || ctx.Err() == nil {
		t.Errorf("Listen = %v, want nil at the end of its context", err)
	}
}

// TestListenLost ends the connection that listens, on the server's side.
func TestListenLost(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	s := open(t, p, pgxstore.Options{})
	ctx := context.Background()
	hears := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		done <- s.Listen(ctx, func() {
			select {
			case hears <- struct{}{}:
			default:
			}
		})
	}()
	<-hears
	var channel string
	if err := p.QueryRow(ctx, `SELECT 'outhook_' || 'outhook_queue'::regclass::oid`).Scan(&channel); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
		AND application_name = current_setting('application_name') AND query LIKE '%LISTEN ' || $1 || '%'`, channel); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil {
			t.Error("Listen = nil after its connection was lost, want an error")
		}
	case <-time.After(10 * time.Second):
		t.Error("Listen did not notice in 10 s that its connection was lost")
	}
}
