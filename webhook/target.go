package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/internal/redact"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
)

// maxStale is how old what is read at send may be when a request starts.
const maxStale = time.Second

// target is an endpoint made ready for sending. It is immutable but for its
// age.
type target struct {
	ep     *Endpoint
	inline bool
	limit  int
	sent   string   // the URL as sent
	url    *url.URL // the same, parsed
	shown  string   // the same, secrets masked
	signer signer.Signer
	via    *wayOut
	header []payload.Header // what every request carries
	hidden [][]byte         // what is masked in answers, beside the keys
	ends   bool             // some key has an end
	err    error            // why nothing can be sent
	seen   time.Time
}

// fresh reports whether t may be used for a request that starts now.
func (t *target) fresh(now time.Time) bool { return t.inline || now.Sub(t.seen) < maxStale }

// gone reports why deliveries to t are cancelled.
func (t *target) gone() (reason string, ok bool) {
	if t.ep == nil {
		return "the endpoint was removed", true
	}
	if t.ep.Status != Disabled {
		return "", false
	}
	if t.ep.StatusReason == "" {
		return "the endpoint is disabled", true
	}
	return "the endpoint is disabled: " + t.ep.StatusReason, true
}

// targets remembers endpoints for a moment, so that a backlog does not ask the
// store once a delivery.
type targets struct {
	mu      sync.RWMutex
	byID    map[string]*target
	sweepAt int
}

func newTargets() *targets { return &targets{byID: make(map[string]*target), sweepAt: minLanes} }

func (ts *targets) get(id string, now time.Time) (*target, bool) {
	ts.mu.RLock()
	t := ts.byID[id]
	ts.mu.RUnlock()
	return t, t != nil && t.fresh(now)
}

func (ts *targets) put(id string, t *target, now time.Time) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.byID) >= ts.sweepAt {
		for id, old := range ts.byID {
			if !old.fresh(now) {
				delete(ts.byID, id)
			}
		}
		ts.sweepAt = max(minLanes, 2*len(ts.byID))
	}
	ts.byID[id] = t
}

// note forgets what a dispatch has just seen to be out of date: endpoints whose
// status has changed.
func (ts *targets) note(found []*Endpoint) {
	var changed []string
	ts.mu.RLock()
	for _, ep := range found {
		if t := ts.byID[ep.ID]; t != nil && !t.inline && (t.ep == nil || t.ep.Status != ep.Status) {
			changed = append(changed, ep.ID)
		}
	}
	ts.mu.RUnlock()
	for _, id := range changed {
		ts.forget(id)
	}
}

func (ts *targets) forget(id string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.byID, id)
}

// matched returns the target of an endpoint that a store returned just now.
func (d *Dispatcher) matched(ep *Endpoint, now time.Time) *target {
	t, ok := d.targets.get(ep.ID, now)
	if ok && t.ep == ep && !t.ends {
		return t
	}
	t = d.renew(t, ep, now)
	d.targets.put(ep.ID, t, now)
	return t
}

// renew returns a target of ep seen now, sharing what old has where the store
// returned the same endpoint again. What the host resolves it is asked anew.
func (d *Dispatcher) renew(old *target, ep *Endpoint, now time.Time) *target {
	if old == nil || old.ep != ep || d.cfg.ResolveTransport != nil {
		return d.prepare(ep, now)
	}
	again := *old
	again.seen = now
	return &again
}

// prepare makes an endpoint ready for sending. What is wrong with it stays in
// the target's err: it costs the endpoint's own deliveries alone.
func (d *Dispatcher) prepare(ep *Endpoint, now time.Time) *target {
	t := &target{ep: ep, seen: now, limit: d.cfg.MaxPerEndpoint}
	if ep.MaxConcurrent > 0 {
		t.limit = ep.MaxConcurrent
	}
	t.err = errors.Join(ep.validate(false), t.setURL(), d.chosen(t))
	t.shown = redact.URL(t.sent)
	t.hidden = secretsOf(t)
	t.header = append(t.header, payload.Header{Name: "User-Agent", Value: d.cfg.UserAgent})
	for _, h := range ep.Headers {
		t.header = append(t.header, payload.Header(h))
	}
	for _, k := range ep.Secrets {
		t.ends = t.ends || !k.Ends().IsZero()
	}
	return t
}

func (t *target) setURL() error {
	sent, err := payload.SpliceURL(t.ep.URL, t.ep.Params)
	if err != nil {
		return err
	}
	t.sent = sent
	t.url, err = url.Parse(sent)
	if err != nil {
		return errors.New("its URL does not parse")
	}
	return nil
}

// chosen is choose, whose parts may be the host's own code.
func (d *Dispatcher) chosen(t *target) error {
	return d.contain(context.Background(), "transport", func() error { return d.choose(t) })
}

// choose finds what the endpoint names, and checks its keys and its address
// against that.
func (d *Dispatcher) choose(t *target) error {
	var errs []error
	if s, ok := d.signers[t.ep.Signer]; !ok {
		errs = append(errs, fmt.Errorf("its signer %q is not in Config.Signers", clip(t.ep.Signer)))
	} else {
		t.signer = s
		if c, ok := s.(signer.KeyChecker); ok && d.cfg.ResolveSigner == nil {
			errs = append(errs, c.CheckKeys(t.ep.Secrets))
		}
	}
	name := t.ep.Transport
	if d.cfg.ResolveTransport != nil {
		if resolved := d.cfg.ResolveTransport(t.ep); resolved != "" {
			name = resolved
		}
	}
	via, ok := d.transports[name]
	if !ok {
		errs = append(errs, fmt.Errorf("its transport %q is not in Config.Transports", clip(name)))
		return errors.Join(errs...)
	}
	t.via = via
	if via.guard != nil {
		_, err := netguard.CheckURL(t.ep.URL, netguard.URLRules{Guard: via.guard})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// keys returns the keys that are live now.
func (t *target) keys(now time.Time) []signer.Key {
	if !t.ends {
		return t.ep.Secrets
	}
	var live []signer.Key
	for _, k := range t.ep.Secrets {
		if k.Live(now) {
			live = append(live, k)
		}
	}
	if live == nil {
		return t.ep.Secrets // for the signer to refuse: unsigned is not what was asked for
	}
	return live
}

// current returns the target of a registered endpoint, at most maxStale old.
func (d *Dispatcher) current(ctx context.Context, id string) (*target, error) {
	now := time.Now()
	if t, ok := d.targets.get(id, now); ok {
		return t, nil
	}
	if err := d.look(ctx, []string{id}); err != nil {
		return nil, err
	}
	t, _ := d.targets.get(id, now)
	return t, nil
}

// look asks the store for endpoints, in one call, and remembers the answer.
func (d *Dispatcher) look(ctx context.Context, ids []string) error {
	if d.cfg.Endpoints == nil {
		return fmt.Errorf("endpoints: %w: set Config.Endpoints", ErrUnsupported)
	}
	now := time.Now()
	ctx, cancel := d.bound(ctx)
	defer cancel()
	var found []*Endpoint
	err := d.contain(ctx, "store", func() (err error) {
		found, err = d.cfg.Endpoints.Endpoints(ctx, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("endpoints: %w", err)
	}
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	for _, ep := range found {
		if ep == nil || !missing[ep.ID] {
			continue // more than was asked for
		}
		delete(missing, ep.ID)
		old, _ := d.targets.get(ep.ID, now)
		d.targets.put(ep.ID, d.renew(old, ep, now), now)
	}
	for id := range missing {
		d.targets.put(id, &target{seen: now, limit: 1}, now)
	}
	return nil
}
