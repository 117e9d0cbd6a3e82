package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
)

// SendSample sends the registered sample of an event type to an endpoint,
// stored or not yet, through the same encoder, signer, guard and transport as
// any delivery, and waits for the answer, at most the endpoint's policy's
// Timeout. It looks neither at the endpoint's status nor at what it selects;
// nothing is stored, and no outcome disables anything. At most 10 samples a
// minute go out per scope; the answer's body is shown for public targets only.
//
// A failed attempt is no error: see its Outcome. Errors are an endpoint that
// does not pass Check, ErrNoSample, and ErrRate.
func (d *Dispatcher) SendSample(ctx context.Context, e Endpoint, eventType string) (Attempt, error) {
	if d.closed.Load() {
		return Attempt{}, ErrClosed
	}
	if err := d.Check(&e); err != nil {
		return Attempt{}, err
	}
	if d.cfg.Catalog == nil {
		return Attempt{}, fmt.Errorf("%w: %q; set Config.Catalog", ErrNoSample, clip(eventType))
	}
	sample, ok := d.cfg.Catalog.Sample(eventType)
	if !ok {
		return Attempt{}, fmt.Errorf("%w: %q; register it with payload.Describe", ErrNoSample, clip(eventType))
	}
	now := time.Now()
	if err := d.takeSample(e.Scope, now); err != nil {
		return Attempt{}, err
	}
	if e.ID == "" {
		e.ID = inlineID(&e)
	}
	all := newIDs(now, 1)
	id := all.message()
	m := &Message{ID: id, Type: eventType, Time: now}
	w := &work{event: sampled{kind: eventType}, now: now, time: now, kind: eventType}
	body, err := d.encodeData(ctx, w, m, &e, sample)
	if err != nil {
		return Attempt{}, fmt.Errorf("webhook: sample of %s: %w", eventType, err)
	}
	p := *d.policies[e.Policy]
	j := &job{
		d:   &Delivery{ID: all.delivery(0), MessageID: id, EndpointID: e.ID, Body: body, Policy: p.Name, Attempts: 1, Inline: &e},
		msg: m, policy: &p, target: d.prepare(&e, now), born: now,
	}
	if err := j.target.err; err != nil {
		return Attempt{}, &EndpointError{ID: e.ID, Err: err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.attempts.context(), cancel)()
	var a Attempt
	err = d.contain(ctx, "transport", func() error {
		a, _ = d.try(ctx, j)
		return nil
	})
	if err != nil {
		a = d.record(j, now, 0, retry.Response{Err: err}, retry.Retryable, Internal)
	}
	if !j.target.via.public {
		a.Answer = nil
	}
	return a, nil
}

// sampled stands for the event of a sample, whose data is what was registered.
type sampled struct{ kind string }

func (s sampled) EventType() string { return s.kind }

// Redeliver sends a delivery that has ended once more: a new delivery of the
// same message, whose receivers see the same id, under the same policy, and
// with the endpoint as it is now. It goes to the tail of its lane. The Queue
// must be a History; a delivery that is unknown or pruned is ErrNotFound, one
// that has not ended ErrRunning.
func (d *Dispatcher) Redeliver(ctx context.Context, deliveryID string) (Receipt, error) {
	if d.closed.Load() {
		return Receipt{}, ErrClosed
	}
	h, ok := d.cfg.Queue.(History)
	if !ok {
		return Receipt{}, fmt.Errorf("%w: Redeliver needs a Queue with a History", ErrUnsupported)
	}
	bounded, cancel := d.bound(ctx)
	defer cancel()
	old, m, err := h.Delivery(bounded, deliveryID)
	if err != nil {
		return Receipt{}, fmt.Errorf("webhook: redeliver %q: %w", clip(deliveryID), err)
	}
	if !old.State.Final() {
		return Receipt{}, fmt.Errorf("webhook: redeliver %q: it is %v: %w", clip(deliveryID), old.State, ErrRunning)
	}
	if old.Body < 0 || old.Body >= len(m.Bodies) {
		return Receipt{}, fmt.Errorf("webhook: redeliver %q: it has no body, or it was pruned: %w", clip(deliveryID), ErrNotFound)
	}
	now := time.Now()
	again := Delivery{
		ID: newIDs(now, 1).delivery(0), MessageID: m.ID, EndpointID: old.EndpointID, Body: old.Body, Policy: old.Policy,
		Ordered: old.Ordered, Key: old.Key, State: Pending, Of: old.ID, Inline: old.Inline, Created: now, Due: now,
	}
	if _, err := d.enqueue(ctx, 0, &Batch{Message: m, Deliveries: []Delivery{again}}, nil, nil); err != nil {
		return Receipt{}, fmt.Errorf("webhook: redeliver: %w", err)
	}
	d.Wake()
	return Receipt{MessageID: m.ID, Deliveries: []Receipted{{ID: again.ID, EndpointID: again.EndpointID, State: Pending}}}, nil
}

// Cancel ends a delivery that is Pending or Held. The Queue must be a
// Canceler; see there for the errors.
func (d *Dispatcher) Cancel(ctx context.Context, deliveryID, reason string) error {
	c, ok := d.cfg.Queue.(Canceler)
	if !ok {
		return fmt.Errorf("%w: Cancel needs a Queue that is a Canceler", ErrUnsupported)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return c.Cancel(ctx, deliveryID, reason)
}

// Replay says which ended deliveries to send once more.
type Replay struct {
	EndpointID string // required
	// States to replay. Defaults to Failed and Cancelled.
	States []State
	Since  time.Time // created then or later; required
	Until  time.Time // created before; zero: no bound
	// Limit is a hard cap. Defaults to 1000; at most 100,000.
	Limit int
	// DryRun counts, and sends nothing.
	DryRun bool
}

// Replay redelivers what failed, or was cancelled, since a time, oldest first,
// and returns how many deliveries it made, or would make. What was redelivered
// since is left out: its repeat counts in its place. More than r.Limit are left
// for another call.
func (d *Dispatcher) Replay(ctx context.Context, r Replay) (int, error) {
	h, ok := d.cfg.Queue.(History)
	if !ok {
		return 0, fmt.Errorf("%w: Replay needs a Queue with a History", ErrUnsupported)
	}
	if r.EndpointID == "" || r.Since.IsZero() {
		return 0, errors.New("webhook: replay: name an endpoint and a time to begin at")
	}
	if len(r.States) == 0 {
		r.States = []State{Failed, Cancelled}
	}
	defaultTo(&r.Limit, 1000)
	r.Limit = min(max(r.Limit, 0), 100_000)
	ids, err := r.find(ctx, h)
	if err != nil || r.DryRun {
		return len(ids), err
	}
	made := 0
	for n := range ids {
		switch _, err := d.Redeliver(ctx, ids[len(ids)-1-n]); {
		case err == nil:
			made++
		case !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrRunning):
			return made, err
		}
	}
	return made, nil
}

// find returns the ids of the deliveries to replay, newest first: the oldest
// r.Limit of them.
func (r *Replay) find(ctx context.Context, h History) ([]string, error) {
	var ids []string
	repeated := make(map[string]bool)
	q := HistoryQuery{EndpointID: r.EndpointID, Since: r.Since, Limit: 1000}
	for {
		page, next, err := h.Deliveries(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("webhook: replay: %w", err)
		}
		for i := range page {
			dl := &page[i]
			if dl.Of != "" {
				repeated[dl.Of] = true
			}
			if !repeated[dl.ID] && r.wants(dl) {
				ids = append(ids, dl.ID)
			}
		}
		ids = ids[max(len(ids)-r.Limit, 0):]
		if q.Cursor = next; next == "" {
			return ids, nil
		}
	}
}

func (r *Replay) wants(dl *Delivery) bool {
	return slices.Contains(r.States, dl.State) && dl.Body >= 0 && (r.Until.IsZero() || dl.Created.Before(r.Until))
}

// encodeData is encode for data that is no Event itself.
func (d *Dispatcher) encodeData(ctx context.Context, w *work, m *Message, e *Endpoint, data any) (int, error) {
	if err := d.contain(ctx, "event", func() error { return payload.Validate(data) }); err != nil {
		return 0, err
	}
	return d.encodeAs(ctx, w, m, e, data)
}

// try is one attempt outside the queue.
func (d *Dispatcher) try(ctx context.Context, j *job) (Attempt, retry.Response) {
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(j.policy.Timeout))
	defer cancel()
	return d.exchange(ctx, j, start)
}
