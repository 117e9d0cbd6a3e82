package crash_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// TestServerAway takes the database away from a host at work. A server that
// crashed refuses connections; one that is frozen accepts them and says
// nothing, so that only deadlines help.
func TestServerAway(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name       string
		take, give func(*testing.T, *server)
		// causes are what an error may name as the reason.
		causes []string
	}{
		{
			name:   "crashed",
			take:   func(t *testing.T, s *server) { t.Helper(); s.stop(t, "immediate") },
			give:   func(t *testing.T, s *server) { t.Helper(); s.start(t) },
			causes: []string{"connection refused", "unexpected EOF", "connection reset", "SQLSTATE 57P0", "broken pipe", "bad connection", "deadline exceeded", "i/o timeout"},
		},
		{
			name: "frozen",
			take: func(t *testing.T, s *server) { t.Helper(); s.freeze(t) },
			give: func(t *testing.T, s *server) { t.Helper(); s.thaw(t) },
			// database/sql calls a connection bad whose ping before use does not return in time.
			causes: []string{"deadline exceeded", "i/o timeout", "bad connection"},
		},
	} {
		for _, kind := range []string{"pgxstore", "sqlstore"} {
			t.Run(way.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				o := newOutage(t, kind, way.causes)
				o.run(t, func() { way.take(t, o.server) }, func() { way.give(t, o.server) })
			})
		}
	}
}

// outage is one test: a host with 16 callers of Dispatch, every other one with
// a deadline of its own.
type outage struct {
	server  *server
	to      *receiver
	store   allOf
	d       *webhook.Dispatcher
	causes  []string
	away    time.Duration // how long the server is
	patient time.Duration // Config.StoreTimeout
	gone    atomic.Bool   // the server is away, or was a moment ago

	mu       sync.Mutex
	accepted map[string]bool
	refused  map[string]int // errors by their texts
	odd      []string
	// Of calls without a deadline, and of those with one:
	longest [2]time.Duration
	failed  [2]int
}

const (
	callers  = 16
	deadline = 400 * time.Millisecond
	// slack is what a busy machine may add to a deadline.
	slack = 3 * time.Second
	// heapRoom is how much more memory an outage of any length may take.
	heapRoom = 8 << 20
)

func newOutage(t *testing.T, kind string, causes []string) *outage {
	t.Helper()
	o := &outage{
		server: newServer(t), to: newReceiver(t), causes: causes, away: 3 * time.Second, patient: time.Second,
		accepted: map[string]bool{}, refused: map[string]int{},
	}
	if full() {
		o.away, o.patient = time.Minute, 10*time.Second
	}
	run(t, o.server.dsn("test"), pgxstore.Schema())
	o.open(t, kind)
	if err := setEndpoints(t.Context(), o.store, o.to.URL); err != nil {
		t.Fatal(err)
	}
	c := config(o.store, o.store)
	c.StoreTimeout = o.patient
	c.Hooks.StoreFailed = nil // it would be said to the test's output
	d, err := webhook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	o.d = d
	return o
}

func (o *outage) open(t *testing.T, kind string) {
	t.Helper()
	ctx := t.Context()
	if kind == "sqlstore" {
		db, err := sql.Open("pgx", o.server.dsn(kind))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(8)
		if o.store, err = sqlstore.Open(ctx, db, sqlstore.Options{Dialect: sqlstore.PostgreSQL}); err != nil {
			t.Fatal(err)
		}
		return
	}
	pool, err := pgxpool.New(ctx, o.server.dsn(kind)+"&pool_max_conns=8")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if o.store, err = pgxstore.Open(ctx, pool, pgxstore.Options{}); err != nil {
		t.Fatal(err)
	}
}

func (o *outage) run(t *testing.T, take, give func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- o.d.Run(ctx) }()
	var wg sync.WaitGroup
	calling, quiet := context.WithCancel(t.Context())
	defer quiet()
	for i := range callers {
		wg.Go(func() { o.call(calling, i) })
	}
	if !until(ctx, 20*time.Second, func() bool { return o.to.count() > 200 }) {
		t.Fatal("the host never came to work")
	}
	heap, goroutines := usage()
	o.gone.Store(true)
	take()
	most, crowd := o.watch(o.away)
	start := time.Now()
	give()
	back, sent := time.Now(), o.to.count()
	t.Logf("the return took %v", back.Sub(start))
	// A call under way may take its time, and then the next one, to settle or
	// to claim, is up to two seconds off.
	if !until(ctx, o.patient+4*time.Second+slack, func() bool { return o.to.count() > sent }) {
		t.Errorf("%v after the server's return nothing is sent", time.Since(back))
	}
	resumed := time.Since(back)
	time.Sleep(2*o.patient + slack) // calls that saw the outage have returned
	o.gone.Store(false)
	time.Sleep(time.Second)
	quiet()
	wg.Wait()
	drained(t, o.store)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	o.judge(t)
	t.Logf("away %v: %d deliveries accepted; sending again %v after the return; longest Dispatch %v without a deadline (StoreTimeout %v), %v with %v; "+
		"heap %d KiB before, %d at most; goroutines %d and %d",
		o.away, len(o.accepted), resumed.Round(time.Millisecond), o.longest[0].Round(time.Millisecond), o.patient,
		o.longest[1].Round(time.Millisecond), deadline, heap>>10, most>>10, goroutines, crowd)
	if most > heap+heapRoom {
		t.Errorf("the heap grew from %d to %d KiB, want at most %d more", heap>>10, most>>10, heapRoom>>10)
	}
}

// usage returns how much is in use.
func usage() (heap uint64, goroutines int) {
	runtime.GC() // what can be collected does not count
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

// watch returns how much was in use at most within d.
func (o *outage) watch(d time.Duration) (heap uint64, goroutines int) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		h, n := usage()
		heap, goroutines = max(heap, h), max(goroutines, n)
	}
	return heap, goroutines
}

// call dispatches until ctx ends. What was refused is not tried again.
func (o *outage) call(ctx context.Context, i int) {
	limited := i % 2
	for n := int64(i * 1_000_000); ctx.Err() == nil; n++ {
		own, cancel := context.WithoutCancel(ctx), context.CancelFunc(func() {})
		if limited == 1 {
			own, cancel = context.WithTimeout(own, deadline)
		}
		start := time.Now()
		receipt, err := o.d.Dispatch(own, event{N: n, Kind: "plain", Key: fmt.Sprint("k", i)}, scope())
		took := time.Since(start)
		cancel()
		o.note(receipt, err, took, limited)
		time.Sleep(10 * time.Millisecond)
	}
}

func (o *outage) note(receipt webhook.Receipt, err error, took time.Duration, limited int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.longest[limited] = max(o.longest[limited], took)
	if err == nil {
		for _, r := range receipt.Deliveries {
			o.accepted[receipt.MessageID+"/"+r.EndpointID] = true
		}
		return
	}
	text := err.Error()
	o.failed[limited]++
	o.refused[text]++
	located := strings.HasPrefix(text, "webhook: match: ") || strings.HasPrefix(text, "webhook: enqueue: ") ||
		text == context.DeadlineExceeded.Error() // the caller's own was over before anything was asked
	named := false
	for _, c := range o.causes {
		named = named || strings.Contains(text, c)
	}
	late := errors.Is(err, context.DeadlineExceeded) && took >= [...]time.Duration{o.patient, deadline}[limited] // on a busy machine
	if !located || !named || !o.gone.Load() && !late {
		o.odd = append(o.odd, text)
	}
}

func (o *outage) judge(t *testing.T) {
	t.Helper()
	acked := o.to.acked()
	lost, repeated, refused := 0, 0, 0
	for d := range o.accepted {
		if acked[d] == 0 {
			lost++
		}
	}
	for _, n := range acked {
		repeated += n - 1
	}
	for text, n := range o.refused {
		refused += n
		t.Logf("%d calls: %s", n, text)
	}
	t.Logf("%d deliveries accepted, %d lost, %d repeated of at most %d; %d calls refused", len(o.accepted), lost, repeated, bound, refused)
	if lost > 0 {
		t.Errorf("%d accepted deliveries were never acknowledged", lost)
	}
	if repeated > bound {
		t.Errorf("%d deliveries were repeated, want at most %d", repeated, bound)
	}
	if len(o.odd) > 0 {
		t.Errorf("%d errors name no call or no cause, or came when the server was there, as %q", len(o.odd), o.odd[0])
	}
	if o.failed[0] == 0 || o.failed[1] == 0 {
		t.Errorf("%d calls without a deadline came back while the server was away, and %d with one, want both", o.failed[0], o.failed[1])
	}
	// Dispatch asks the store twice: to match, and to enqueue.
	if o.longest[0] > 2*o.patient+slack {
		t.Errorf("a call without a deadline took %v, want at most two StoreTimeouts of %v", o.longest[0], o.patient)
	}
	if o.longest[1] > deadline+slack {
		t.Errorf("a call with a deadline of %v took %v", deadline, o.longest[1])
	}
}
