package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/outhook/outhook/retry"
)

// Dispatch brings e to every endpoint that is registered for one of scopes, or
// for Everywhere, and selects e's type and source. It validates, matches,
// encodes and stores, in this order, and does no network I/O of its own: the
// caller never waits for a receiver.
//
// A nil error means that all deliveries under stored policies are as durable
// as the Queue makes them. Nothing matched is no error either: the receipt is
// empty. An event that is invalid, or that an encoder cannot carry, is an
// error, and nothing is stored or sent. An endpoint that cannot take the event
// (see Receipted.State) costs the others nothing. Volatile deliveries for
// which there is no room are dropped and reported to the hooks, without an
// error.
//
// An event dispatched with the context of a request that came through
// signer.Verifier.Middleware continues that message's count of hops; past
// Config.MaxHops it is ErrLoop, and nothing is stored or sent.
//
// Where ctx has no deadline, its calls of the store have Config.StoreTimeout
// between them; an error that says so names it, and the call that it ended.
//
// Dispatch works without Run and beside it; without Run, in this process or
// another, stored deliveries wait. After Shutdown, stored deliveries are
// refused with ErrClosed and volatile ones are dropped.
func (d *Dispatcher) Dispatch(ctx context.Context, e Event, scopes ...Scope) (Receipt, error) {
	w, err := d.newWork(ctx, e, scopes)
	if err != nil {
		return Receipt{}, err
	}
	if d.cfg.Endpoints == nil {
		return Receipt{}, fmt.Errorf("webhook: %w: Dispatch needs Config.Endpoints", ErrUnsupported)
	}
	return d.dispatch(ctx, &w, d.cfg.Endpoints, nil)
}

// DispatchTx is Dispatch inside the host's own transaction: outbox is what the
// store's InTx returned for it. All deliveries are written, those under
// volatile policies too, and exist if and only if the transaction commits.
// Call Wake after the commit to have them sent at once.
func (d *Dispatcher) DispatchTx(ctx context.Context, outbox Outbox, e Event, scopes ...Scope) (Receipt, error) {
	w, err := d.newWork(ctx, e, scopes)
	if err != nil {
		return Receipt{}, err
	}
	if outbox == nil {
		return Receipt{}, errors.New("webhook: DispatchTx needs an outbox; use the store's InTx")
	}
	var m Matcher = d.cfg.Endpoints
	if own, ok := outbox.(Matcher); ok {
		m = own
	} else if d.cfg.Endpoints == nil {
		return Receipt{}, fmt.Errorf("webhook: %w: DispatchTx needs Config.Endpoints", ErrUnsupported)
	}
	return d.dispatch(ctx, &w, m, outbox)
}

// DispatchTo brings e to the given endpoints, which need not be registered,
// whatever they select: a step of an automation that carries its own URL. An
// endpoint without an ID gets one that its URL and name imply; its Scope may
// be empty. An invalid endpoint is an error, and nothing is stored or sent.
// A stored delivery keeps its endpoint with it, secrets included.
func (d *Dispatcher) DispatchTo(ctx context.Context, e Event, endpoints ...Endpoint) (Receipt, error) {
	w, err := d.newWork(ctx, e, nil)
	if err != nil {
		return Receipt{}, err
	}
	w.inline = true
	var errs []error
	if len(endpoints) > d.cfg.MaxFanOut {
		return Receipt{}, fmt.Errorf("%w: %d were given, Config.MaxFanOut is %d", ErrFanOut, len(endpoints), d.cfg.MaxFanOut)
	}
	seen := make(map[string]bool, len(endpoints))
	for i := range endpoints {
		ep := endpoints[i]
		if ep.ID == "" {
			ep.ID = inlineID(&ep)
		}
		err := d.Check(&ep)
		if seen[ep.ID] {
			err = &EndpointError{ID: ep.ID, Err: errors.New("its ID is there twice; give each its own")}
		}
		seen[ep.ID] = true
		if err != nil {
			errs = append(errs, err)
			continue
		}
		w.endpoints = append(w.endpoints, &ep)
	}
	if err := errors.Join(errs...); err != nil {
		return Receipt{}, err
	}
	return d.write(ctx, &w, nil)
}

// dispatch matches and writes.
func (d *Dispatcher) dispatch(ctx context.Context, w *work, m Matcher, outbox Outbox) (Receipt, error) {
	q := Query{Scopes: w.scopes, Type: w.kind, Source: w.source}
	if outbox == nil {
		if r, done, err := d.writeRecalled(ctx, w, q); done {
			return r, err
		}
	}
	found, err := d.match(ctx, w, m, q)
	if err != nil {
		return Receipt{}, fmt.Errorf("webhook: match: %w", err)
	}
	w.endpoints = wanting(found, q)
	d.targets.note(w.endpoints)
	if len(w.endpoints) > d.cfg.MaxFanOut {
		return Receipt{}, fmt.Errorf("%w: %q matched %d, Config.MaxFanOut is %d", ErrFanOut, w.kind, len(w.endpoints), d.cfg.MaxFanOut)
	}
	return d.write(ctx, w, outbox)
}

// write encodes the event for its endpoints, stores what is to be stored and
// starts what is volatile. A nil outbox means the Queue.
func (d *Dispatcher) write(ctx context.Context, w *work, outbox Outbox) (Receipt, error) {
	n := len(w.endpoints)
	if n == 0 {
		d.dispatchedHook(ctx, &Message{Type: w.kind, Time: w.time, EventID: w.eventID, Source: w.source}, Receipt{})
		return Receipt{}, nil
	}
	x, kept := d.parts(w.endpoints, outbox), &encoded{}
	deliveries, receipts := x.deliveries, x.receipts
	all, m := newIDs(w.now, n), &kept.msg
	m.ID, m.Type, m.Time, m.EventID, m.Source = all.message(), w.kind, w.time, w.eventID, w.source
	m.Bodies = kept.bodies[:0]
	stored := 0
	for i, ep := range w.endpoints {
		dl := &deliveries[i]
		dl.ID, dl.MessageID, dl.EndpointID = all.delivery(i), m.ID, ep.ID
		dl.State, dl.Created, dl.Due = Pending, w.now, w.now
		p, err := d.address(ctx, w, m, ep, dl)
		if err != nil {
			return Receipt{}, fmt.Errorf("webhook: %s for endpoint %q: %w", w.kind, clip(ep.ID), err)
		}
		if isStored(p, outbox) {
			stored++
		}
		r := &receipts[i]
		r.ID, r.EndpointID, r.State, r.Reason = dl.ID, dl.EndpointID, dl.State, dl.Reason
	}
	if stored > 0 && d.closed.Load() {
		return Receipt{}, ErrClosed
	}
	carryHops(m, w.hops)
	receipt := Receipt{MessageID: m.ID, Deliveries: receipts}
	if stored > 0 {
		if x.batch == nil {
			x.batch = new(Batch)
		}
		x.batch.Message, x.batch.Deliveries, x.batch.Recalled = m, deliveries, w.recalled
		if err := d.store(ctx, w, x.batch, receipts, stored, outbox); err != nil {
			return Receipt{}, err
		}
	}
	if !slices.ContainsFunc(receipts, func(r Receipted) bool { return !r.Existed }) {
		receipt.MessageID = "" // nothing of it was stored
	}
	if outbox == nil { // else nothing is committed yet
		d.launch(ctx, w, &x, m, stored)
	}
	d.dispatchedHook(ctx, m, receipt)
	return receipt, nil
}

// address fills a delivery in: its policy, its body, its order. What is wrong
// with the endpoint alone makes the delivery Failed; what is wrong with the
// event is an error.
func (d *Dispatcher) address(ctx context.Context, w *work, m *Message, ep *Endpoint, dl *Delivery) (*retry.Policy, error) {
	if w.inline {
		dl.Inline = ep
	}
	dl.Dedup = w.eventID
	dl.Ordered = ep.Ordered
	if ep.Ordered {
		dl.Key = w.key
	}
	if like := &w.addressed; like.ep != nil && like.ep.alike(ep) {
		dl.Policy, dl.Body = like.policy.Name, like.body
		return like.policy, nil
	}
	p, ok := d.policies[ep.Policy]
	if !ok {
		p = d.policies[""]
		dl.Policy = p.Name
		fail(dl, fmt.Sprintf("its policy %q is not in Config.Policies", clip(ep.Policy)))
		return p, nil
	}
	dl.Policy = p.Name
	if ep.Status == Disabled {
		dl.State, dl.Due, dl.Ended = Cancelled, time.Time{}, w.now
		dl.Reason, _ = (&target{ep: ep}).gone()
	}
	body, err := d.encode(ctx, w, m, ep)
	if err != nil {
		return p, failOwn(dl, err)
	}
	dl.Body = body
	if dl.State == Pending {
		w.addressed = addressed{ep: ep, policy: p, body: body}
	}
	return p, nil
}

// addressed is what the endpoint before came to: those of an event are mostly
// alike.
type addressed struct {
	ep     *Endpoint
	policy *retry.Policy
	body   int
}

// alike reports whether an event to be sent to o has the policy and the body that
// it has for e.
func (e *Endpoint) alike(o *Endpoint) bool {
	return e.Policy == o.Policy && e.Encoder == o.Encoder && o.Status != Disabled &&
		len(e.Fields)+len(o.Fields)+len(e.Params)+len(o.Params) == 0
}

// failOwn fails a delivery whose endpoint is at fault; other errors it returns.
func failOwn(dl *Delivery, err error) error {
	var own *faultError
	if !errors.As(err, &own) {
		return err
	}
	fail(dl, own.Error())
	return nil
}

func fail(dl *Delivery, reason string) {
	dl.State, dl.Reason = Failed, reason
	dl.Body = -1 // it has none: a repeat must not send another endpoint's
	dl.Due, dl.Ended = time.Time{}, dl.Created
}

// isStored reports whether deliveries under a policy go to a store: all inside
// a transaction, else those under stored policies.
func isStored(p *retry.Policy, outbox Outbox) bool {
	return outbox != nil || p.Mode != retry.Volatile
}

// launch starts volatile deliveries; so many of all were stored.
func (d *Dispatcher) launch(ctx context.Context, w *work, x *parts, m *Message, stored int) {
	var batch []job
	all, receipts, kick := x.deliveries, x.receipts, false
	for i := range all {
		dl := &all[i]
		if dl.State != Pending {
			if !receipts[i].Existed {
				d.ended(ctx, dl)
			}
			continue
		}
		if stored == len(all) {
			continue
		}
		p := d.policies[dl.Policy]
		if isStored(p, nil) {
			continue
		}
		j := x.job
		if j == nil {
			if batch == nil {
				batch = make([]job, 0, len(all)-i)
			}
			batch = append(batch, job{})
			j = &batch[len(batch)-1]
		}
		j.d, j.msg, j.policy, j.born = dl, m, p, w.now
		ready, reason := d.start(j, w.endpoints[i], w)
		kick = kick || ready
		if reason != "" {
			dl.State, dl.Reason = Dropped, reason
			receipts[i].State, receipts[i].Reason = Dropped, reason
			dl.Due, dl.Ended = time.Time{}, w.now
			d.ended(ctx, dl)
		}
	}
	if kick {
		d.pool.Kick()
	}
	if stored == len(all) {
		d.many.put(all) // no job holds one, and the Queue keeps none
	}
}

// Reasons for which a volatile delivery is dropped.
const (
	reasonFull     = "no room: too much waits already"
	reasonShutdown = "shutdown"
)

func reasonHeld(s Status) string { return "the endpoint is " + s.String() }

// start lets a volatile delivery wait in its lane, which may be ready to run
// something; refused says why not.
func (d *Dispatcher) start(j *job, ep *Endpoint, w *work) (ready bool, refused string) {
	if ep.Status.holds() {
		return false, reasonHeld(ep.Status)
	}
	j.target = d.targetOf(ep, w)
	return d.lanes.add(j, j.target.limit, d.cfg.MaxWaiting, d.cfg.MaxVolatile)
}

// targetOf returns the target of one of w's endpoints.
func (d *Dispatcher) targetOf(ep *Endpoint, w *work) *target {
	if !w.inline {
		return d.matched(ep, w.now)
	}
	t := d.prepare(ep, w.now)
	t.inline = true
	return t
}
