package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/internal/pool"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
)

// Dispatcher brings events to endpoints. Its methods may be called
// concurrently. Use New to make one, and Shutdown when it is needed no more.
type Dispatcher struct {
	cfg        Config
	policies   map[string]*retry.Policy
	signers    map[string]signer.Signer
	transports map[string]*wayOut
	encoders   *encoders
	targets    *targets
	lanes      *lanes
	pool       *pool.Pool
	commits    commits
	settles    settles
	rates      rates
	chunks     chunks
	many       many
	recaller   Recaller // nil where the store is none
	tooLong    error    // the cause where a call of the store is ended by StoreTimeout

	wake     chan struct{} // capacity 1
	closed   atomic.Bool
	over     atomic.Bool // Shutdown has given up every settlement
	attempts *lifetime   // of what belongs to requests; ends when draining is over
	giveUp   *lifetime   // of every settlement

	ending  sync.Mutex // held by Shutdown
	mu      sync.Mutex
	stop    context.CancelFunc // of the Run that is under way
	stopped chan struct{}      // closed when that Run has returned
}

// New returns a Dispatcher, or everything that is wrong with cfg as joined
// ConfigErrors. It starts nothing and opens no connection.
func New(cfg Config) (*Dispatcher, error) {
	cfg = withDefaults(cfg)
	d := &Dispatcher{
		cfg:     cfg,
		targets: newTargets(),
		lanes:   newLanes(&cfg),
		settles: newSettles(),
		wake:    make(chan struct{}, 1),
	}
	if err := errors.Join(d.cfg.validate(), d.setUp()); err != nil {
		return nil, err
	}
	d.recaller = recaller(&d.cfg)
	d.attempts, d.giveUp = newLifetime(), newLifetime()
	d.tooLong = fmt.Errorf("Config.StoreTimeout, which is %v, is over", cfg.StoreTimeout)
	return d, nil
}

// setUp makes what the Config names.
func (d *Dispatcher) setUp() error {
	d.encoders = newEncoders(d.cfg.Encoders)
	d.policies = make(map[string]*retry.Policy, len(d.cfg.Policies)+1)
	for i := range d.cfg.Policies {
		p := &d.cfg.Policies[i]
		d.policies[p.Name] = p
	}
	d.policies[""] = &d.cfg.Policies[0]
	d.signers = make(map[string]signer.Signer, len(d.cfg.Signers)+1)
	for _, s := range d.cfg.Signers {
		d.signers[s.Name] = s.Signer
	}
	d.signers[""] = d.cfg.Signers[0].Signer
	d.pool = pool.New(pool.Options{
		Fast:      d.cfg.Concurrency,
		Max:       d.cfg.MaxInFlight,
		SlowAfter: d.cfg.SlowAfter,
		Next:      d.nextTask,
		Urgent:    d.lanes.urgent.Load,
	})
	return errors.Join(d.openTransports(), d.checkCatalog())
}

// wayOut is a transport in use.
type wayOut struct {
	rt     http.RoundTripper
	guard  *netguard.Guard // nil where somebody else decides what is reached
	public bool            // it reaches public addresses only
}

func (d *Dispatcher) openTransports() error {
	var errs []error
	d.transports = make(map[string]*wayOut, len(d.cfg.Transports)+1)
	for i, t := range d.cfg.Transports {
		field := fmt.Sprintf("Transports[%d]", i)
		if _, twice := d.transports[t.Name]; t.Name == "" || twice {
			errs = append(errs, &ConfigError{field + ".Name", errors.New("needs a name of its own")})
			continue
		}
		rt, err := t.build(d.cfg.MaxPerEndpoint, d.mixedAnswer)
		if err != nil {
			errs = append(errs, &ConfigError{field, err})
			continue
		}
		way := &wayOut{rt: rt}
		if t.Proxy == nil && t.DialContext == nil && t.RoundTripper == nil {
			way.guard, _ = t.guard() // build has reported what is wrong with it
			way.public = len(t.Private) == 0
		}
		d.transports[t.Name] = way
		if i == 0 {
			d.transports[""] = way
		}
	}
	return errors.Join(errs...)
}

// checkCatalog compiles the plan of every registered type for the encoders
// that any endpoint may name.
func (d *Dispatcher) checkCatalog() error {
	if d.cfg.Catalog == nil {
		return nil
	}
	var errs []error
	for _, name := range d.cfg.Catalog.Names() {
		if err := checkType(name); err != nil {
			errs = append(errs, &ConfigError{fmt.Sprintf("Catalog[%q]", clip(name)), err})
		}
		t, _ := d.cfg.Catalog.Type(name)
		for encName, enc := range d.cfg.Encoders {
			if enc == nil {
				continue
			}
			if err := enc.Check(t); err != nil {
				errs = append(errs, &ConfigError{fmt.Sprintf("Catalog[%q] in encoder %q", name, encName), err})
			}
		}
	}
	return errors.Join(errs...)
}

// Check reports everything that is wrong with an endpoint: what Validate
// reports, names that the Config does not know, and, for the registered types
// that it selects, fields and parameters that its encoder cannot take. Call it
// before storing an endpoint.
func (d *Dispatcher) Check(e *Endpoint) error {
	if err := e.validate(false); err != nil {
		return err
	}
	var errs []error
	if _, ok := d.policies[e.Policy]; !ok {
		errs = append(errs, fmt.Errorf("its policy %q is not in Config.Policies", clip(e.Policy)))
	}
	t := &target{ep: e}
	errs = append(errs, d.chosen(t), d.checkTypes(e))
	if err := errors.Join(errs...); err != nil {
		return &EndpointError{ID: e.ID, Err: err}
	}
	return nil
}

func (d *Dispatcher) checkTypes(e *Endpoint) error {
	if _, ok := d.encoders.named[e.Encoder]; !ok {
		return fmt.Errorf("its encoder %q is not in Config.Encoders", clip(e.Encoder))
	}
	ctx := context.Background()
	if d.cfg.Catalog == nil {
		return d.contain(ctx, "encoder", func() error { return d.encoders.named[e.Encoder].enc.CheckParams(nil, e.Params) })
	}
	var errs []error
	for _, name := range d.cfg.Catalog.Names() {
		if !matchesType(e.Types, name) {
			continue
		}
		t, _ := d.cfg.Catalog.Type(name)
		err := d.contain(ctx, "encoder", func() error {
			c := d.encoders.variant(e, t)
			if c.err != nil {
				return c.err
			}
			return errors.Join(c.enc.Check(t), c.enc.CheckParams(t, e.Params))
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("for %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// Run claims stored deliveries and sends them, until ctx ends or Shutdown is
// called; then it stops claiming, gives back what was not sent, and waits for
// the requests under way, at most Config.DrainTimeout, before it cancels them:
// these are Interrupted, and tried again. Volatile deliveries that wait are
// sent in that time, or dropped. It returns nil after that, whatever ended it.
//
// A second Run beside the first returns ErrRunning, one after Shutdown
// ErrClosed. After Run returned, Dispatch still works, and so does another
// Run. Volatile deliveries need no Run. Without Config.Queue, Run waits, and
// drains.
func (d *Dispatcher) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.mu.Lock()
	if d.closed.Load() || d.stop != nil {
		defer d.mu.Unlock()
		if d.closed.Load() {
			return ErrClosed
		}
		return ErrRunning
	}
	stopped := make(chan struct{})
	d.stop, d.stopped = stop, stopped
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.stop, d.stopped = nil, nil
		d.mu.Unlock()
		close(stopped)
	}()
	if d.cfg.Queue == nil {
		<-ctx.Done()
	} else {
		d.work(ctx)
	}
	d.drain(d.cfg.DrainTimeout)
	return nil
}

// work runs the claimer and the listener until ctx ends.
func (d *Dispatcher) work(ctx context.Context) {
	var wg sync.WaitGroup
	if l, ok := d.cfg.Queue.(Listener); ok {
		wg.Add(1)
		if !d.pool.Go(func() { defer wg.Done(); d.listenLoop(ctx, l) }) {
			wg.Done()
		}
	}
	d.claimLoop(ctx)
	wg.Wait()
}

// drain gives claimed work back and waits until nothing runs and nothing is
// left to settle. When its time is over, requests are cancelled.
func (d *Dispatcher) drain(timeout time.Duration) {
	d.letGo(d.lanes.shedAll(), 0)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	if d.settled(timer.C) {
		return
	}
	d.dropWaiting()
	d.interrupt()
	grace := time.NewTimer(drainGrace)
	defer grace.Stop()
	d.settled(grace.C)
}

// interrupt cancels all requests under way, and the store's calls that belong
// to them.
func (d *Dispatcher) interrupt() {
	d.attempts.end()
	d.lanes.interrupt()
}

// drainGrace is how long cancelled requests may take to end, and their
// outcomes to be stored.
const drainGrace = 5 * time.Second

// settled waits until nothing waits, runs, or is unsettled; false means that
// limit came first.
func (d *Dispatcher) settled(limit <-chan time.Time) bool {
	for {
		waiting, running := d.lanes.busy()
		if waiting == 0 && running == 0 && d.settles.empty() {
			return true
		}
		d.pool.Kick()
		select {
		case <-d.lanes.drained:
		case <-d.settles.flushed:
		case <-limit:
			return false
		}
	}
}

// dropWaiting drops the volatile deliveries that still wait.
func (d *Dispatcher) dropWaiting() {
	for _, j := range d.lanes.dropVolatile() {
		j.d.State, j.d.Reason = Dropped, reasonShutdown
		j.d.Due, j.d.Ended = time.Time{}, time.Now()
		d.ended(context.Background(), j.d)
	}
	d.letGo(d.lanes.shedAll(), 0)
}

// lifetime is a context that can be ended, and begun again.
type lifetime struct {
	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // it is the owner of this context, not its user
	cancel context.CancelFunc
}

func newLifetime() *lifetime {
	l := &lifetime{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *lifetime) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ctx
}

// endAfter ends what runs under l now, in a while.
func (l *lifetime) endAfter(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := time.AfterFunc(wait, l.cancel)
	context.AfterFunc(l.ctx, func() { end.Stop() })
}

// end ends what runs under l; what begins later runs under a new context.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel()
	l.ctx, l.cancel = context.WithCancel(context.Background())
}

// Shutdown ends everything: it refuses new work, ends Run as its context's end
// would, waits for volatile deliveries, closes idle connections, and returns
// when no goroutine is left. When ctx ends first, what is under way is
// cancelled, and Shutdown returns ctx's error as soon as it is: so do not pass
// it the context whose end led to it. It may be called more than once, and
// also where there was no Run; not from a hook, for which it would wait.
func (d *Dispatcher) Shutdown(ctx context.Context) error {
	d.ending.Lock()
	defer d.ending.Unlock()
	d.mu.Lock()
	d.closed.Store(true)
	d.lanes.close()
	stop, stopped := d.stop, d.stopped
	d.mu.Unlock()
	hurry := context.AfterFunc(ctx, func() {
		d.dropWaiting()
		d.interrupt()
		d.giveUp.endAfter(drainGrace)
	})
	defer hurry()
	if stop != nil {
		stop()
		<-stopped
	} else {
		d.drain(d.cfg.DrainTimeout)
	}
	d.rates.stop()
	d.interrupt()
	d.over.Store(true)
	d.giveUp.end()
	d.pool.Wait()
	for _, way := range d.transports {
		if c, ok := way.rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
	return ctx.Err()
}

// Wake says that there may be new stored work: after a host's own commit.
func (d *Dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
