package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// auditTable has PostgreSQL itself write down who had which delivery when.
const auditTable = `
CREATE TABLE audit (seq bigint, gone boolean, old_state int, new_state int, old_token bigint, new_token bigint, ready bigint);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF TG_OP = 'DELETE' THEN
  INSERT INTO audit VALUES (OLD.seq, true, OLD.state, NULL, OLD.token, NULL, NULL);
 ELSE
  INSERT INTO audit VALUES (NEW.seq, false, OLD.state, NEW.state, OLD.token, NEW.token, NEW.ready);
 END IF;
 RETURN NULL; END $$;
CREATE TRIGGER audit AFTER UPDATE OR DELETE ON outhook_queue FOR EACH ROW EXECUTE FUNCTION audit();`

// TestCluster lets three processes share a PostgreSQL of their own while they
// are stopped for longer than their leases, killed and started at random, and
// the server crashes once.
func TestCluster(t *testing.T) {
	t.Parallel()
	events := 1000 // for two endpoints each
	pace := 80 * time.Millisecond
	if full() {
		events, pace = 10_000, 120*time.Millisecond // two minutes at least
	}
	s := newServer(t)
	run(t, s.dsn("test"), pgxstore.Schema()+auditTable)
	c := &cluster{server: s, to: newReceiver(t), settled: map[claim]bool{}}
	c.run(t, events, pace)
	c.judge(t, events)
}

// claim is a delivery in the hands of one process.
type claim struct {
	id    string
	token int64
}

type cluster struct {
	server *server
	to     *receiver

	stops, kills atomic.Int64

	mu      sync.Mutex
	settled map[claim]bool // what processes say that the store took of them
	stale   int
	errors  int
}

func (c *cluster) heard(verb, rest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch verb {
	case "settled":
		id, token, _ := strings.Cut(rest, " ")
		n, _ := strconv.ParseInt(token, 10, 64)
		c.settled[claim{id: id, token: n}] = true
	case "stale":
		c.stale++
	case "store":
		c.errors++
	}
}

// worker starts one; the third is of the other kind.
func (c *cluster) worker(t *testing.T, i int) *process {
	t.Helper()
	kind := "pgxstore"
	if i == 2 {
		kind = "sqlstore"
	}
	return start(t, "worker", map[string]string{"KIND": kind, "DSN": c.server.dsn(fmt.Sprint("worker", i))}, c.heard)
}

func (c *cluster) run(t *testing.T, events int, pace time.Duration) {
	t.Helper()
	ctx := t.Context()
	pool, err := pgxpool.New(ctx, c.server.dsn("host"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	store, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ordered-a", "ordered-b"} {
		_, err := store.Set(ctx, &webhook.Endpoint{
			ID: name, Name: name, Scope: scope(), URL: c.to.URL + "/" + name, Encoder: "json", Ordered: true, Status: webhook.Active,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := webhook.New(config(store, store))
	if err != nil {
		t.Fatal(err)
	}
	var wg, hosts sync.WaitGroup
	calm := make(chan struct{})
	workers := make([]*process, 3)
	for i := range workers {
		workers[i] = c.worker(t, i)
		wg.Go(func() { workers[i] = c.torment(t, i, workers[i], calm) })
	}
	var half atomic.Int64
	const hands = 10
	for hand := range hands {
		hosts.Go(func() { dispatchKey(ctx, d, hand, events/hands, pace, &half) })
	}
	until(ctx, 10*time.Minute, func() bool { return half.Load() >= int64(events/2) })
	c.server.stop(t, "immediate") // as a crash does
	time.Sleep(300 * time.Millisecond)
	c.server.start(t)
	hosts.Wait()
	close(calm)
	wg.Wait()
	drained(t, store)
	for i, p := range workers {
		if err := p.end(); err != nil {
			t.Errorf("worker %d ended with %v", i, err)
		}
	}
}

// dispatchKey dispatches the events of one hand, each again until it is known
// to be stored. Their ids make that harmless.
func dispatchKey(ctx context.Context, d *webhook.Dispatcher, hand, n int, pace time.Duration, done *atomic.Int64) {
	for i := range n {
		e := numbered{event{N: int64(hand*1_000_000 + i), Kind: "plain", Key: fmt.Sprint("key-", hand, "-", i%3)}}
		for ctx.Err() == nil {
			if _, err := d.Dispatch(ctx, e, scope()); err == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		done.Add(1)
		time.Sleep(pace)
	}
}

// numbered is an event with an id.
type numbered struct{ event }

func (e numbered) EventID() string { return fmt.Sprint("event-", e.N) }

// torment does harm to a worker until calm, and returns one that is at work.
func (c *cluster) torment(t *testing.T, i int, p *process, calm chan struct{}) *process {
	t.Helper()
	for turn := i; ; turn += 1 + rand.IntN(2) {
		select {
		case <-calm:
			return p
		case <-time.After(time.Duration(200+rand.IntN(2000)) * time.Millisecond):
		}
		if turn%2 == 0 {
			c.stops.Add(1)
			_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(lease + time.Duration(500+rand.IntN(1000))*time.Millisecond)
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
		} else {
			c.kills.Add(1)
			p.kill()
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			p = c.restart(t, i)
		}
	}
}

// restart starts a worker, more than once where the server is away.
func (c *cluster) restart(t *testing.T, i int) *process {
	t.Helper()
	for {
		p := c.worker(t, i)
		select {
		case <-p.ready:
			return p
		case <-p.read:
			_ = p.cmd.Wait()
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// possession is what the server wrote down of a claim.
type possession struct {
	until time.Time // the end of its lease
	ended bool      // settled
}

func (c *cluster) audit(t *testing.T) (map[claim]*possession, map[string]string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, c.server.dsn("audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	all, ids := map[claim]*possession{}, map[string]string{}
	rows, _ := conn.Query(ctx, `SELECT d.id, d.message_id || '/' || d.endpoint_id, a.gone, a.old_state, coalesce(a.new_state, 0),
		coalesce(a.old_token, 0), coalesce(a.new_token, 0), coalesce(a.ready, 0) FROM audit a JOIN outhook_delivery d ON d.seq = a.seq`)
	var id, name string
	var gone bool
	var was, is int
	var before, after, ready int64
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &gone, &was, &is, &before, &after, &ready}, func() error {
		ids[name] = id
		if was == int(webhook.Running) && (gone || is == int(webhook.Pending)) {
			possessionOf(all, claim{id: id, token: before}).ended = true
		}
		if is == int(webhook.Running) {
			p := possessionOf(all, claim{id: id, token: after})
			if end := time.UnixMicro(ready); end.After(p.until) {
				p.until = end
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, ids
}

func possessionOf(all map[claim]*possession, c claim) *possession {
	if all[c] == nil {
		all[c] = new(possession)
	}
	return all[c]
}

func (c *cluster) judge(t *testing.T, events int) {
	t.Helper()
	c.done(t, 2*events)
	all, ids := c.audit(t)
	arrivals := c.to.all()
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })

	// Nothing is settled but by the claim that the server knows as the last.
	for s := range c.settled {
		if p := all[s]; p == nil || !p.ended {
			t.Errorf("delivery %s was settled by the claim %d, which was not the latest", s.id, s.token)
		}
	}
	posted := map[claim]int{}
	acked := map[string]int{}
	order := map[string]int64{}
	first := map[string]bool{}
	for _, a := range arrivals {
		cl := claim{id: ids[a.delivery], token: a.token}
		p := all[cl]
		switch {
		case p == nil:
			t.Errorf("delivery %s was posted under a claim that is none", a.delivery)
		case a.at.After(p.until):
			t.Errorf("delivery %s was posted %v after its lease", a.delivery, a.at.Sub(p.until))
		}
		if posted[cl]++; posted[cl] > 1 {
			t.Errorf("delivery %s was posted %d times under one claim", a.delivery, posted[cl])
		}
		if a.acked {
			acked[a.delivery]++
		}
		if lane := a.endpoint + "/" + a.event.Key; !first[a.delivery] {
			first[a.delivery] = true
			if a.event.N < order[lane] {
				t.Errorf("event %d came to %s after event %d", a.event.N, lane, order[lane])
			}
			order[lane] = max(order[lane], a.event.N)
		}
	}
	repeats := 0
	for _, n := range acked {
		repeats += n - 1
	}
	if len(acked) != 2*events {
		t.Errorf("%d deliveries were acknowledged, want %d: %d lost", len(acked), 2*events, 2*events-len(acked))
	}
	t.Logf("%d deliveries, %d requests, %d acknowledged again; processes were stopped %d times and killed %d times, the server crashed once; "+
		"%d settlements were taken, %d refused as stale; %d calls of the store failed",
		2*events, len(arrivals), repeats, c.stops.Load(), c.kills.Load(), len(c.settled), c.stale, c.errors)
	if c.stops.Load() == 0 || c.kills.Load() == 0 {
		t.Error("no process was stopped, or none killed: the test tests nothing")
	}
}

// done wants each delivery Delivered.
func (c *cluster) done(t *testing.T, want int) {
	t.Helper()
	ctx := t.Context()
	b, err := openPostgres(ctx, c.server.dsn("audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	counts := map[webhook.State]int{}
	for q := (webhook.HistoryQuery{Limit: 1000}); ; {
		page, next, err := b.store.Deliveries(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			counts[page[i].State]++
		}
		if next == "" {
			break
		}
		q.Cursor = next
	}
	if len(counts) != 1 || counts[webhook.Delivered] != want {
		t.Errorf("the deliveries are %v, want %d delivered", counts, want)
	}
}
