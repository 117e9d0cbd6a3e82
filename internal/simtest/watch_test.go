package simtest_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// watch is the store as one worker reaches it, under the eyes of the oracle:
// what passes here has truly happened, whether the worker hears of it or not.
type watch struct {
	*base
	o      *oracle
	worker string
}

// watchAll is a watch over a store for which shared commits are cheaper.
type watchAll struct{ *watch }

// Enqueue implements webhook.Outbox.
func (w *watch) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	existing, err := w.enqueue(ctx, b)
	w.enqueued(ctx, b, existing, err)
	return existing, err
}

// EnqueueAll implements webhook.BatchOutbox.
func (w *watchAll) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	existing, err := w.enqueueAll(ctx, batches)
	for i, b := range batches {
		var x []webhook.Existing
		if err == nil {
			x = existing[i]
		}
		w.enqueued(ctx, b, x, err)
	}
	return existing, err
}

// enqueued judges what an Enqueue stored.
func (w *watch) enqueued(ctx context.Context, b *webhook.Batch, existing []webhook.Existing, err error) {
	ctx = context.WithoutCancel(ctx)
	there := map[int]bool{}
	for _, x := range existing {
		there[x.Index] = true
	}
	stored, missing := 0, 0
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		if there[i] {
			continue
		}
		if _, _, gone := w.Delivery(ctx, d.ID); gone != nil {
			missing++
			if err == nil {
				w.o.violate(ruleUnstored, "%s of %s", d.ID, d.EndpointID)
			}
			continue
		}
		stored++
		w.o.add(b.Message, d)
	}
	if stored > 0 && missing > 0 {
		w.o.violate(rulePartial, "%d of %d deliveries of %s (error %v)", stored, stored+missing, b.Message.ID, err)
	}
}

// add begins to track a delivery.
func (o *oracle) add(m *webhook.Message, d *webhook.Delivery) {
	if o.tracks[d.ID] != nil {
		return
	}
	p := pair{d.EndpointID, eventOf(m.Bodies[d.Body].Data)}
	t := &track{
		pair: p, id: d.ID, message: m.ID, policy: d.Policy, ordered: d.Ordered, key: d.Key,
		seq: len(o.tracks), due: time.Now(), created: time.Now(),
	}
	if d.State.Final() {
		t.final, t.reason = d.State, d.Reason
	} else {
		o.lanes[d.EndpointID] = append(o.lanes[d.EndpointID], t)
	}
	if twin := o.byPair[p]; twin != nil && d.Dedup != "" {
		o.violate(ruleTwins, "%v and %v", twin, t)
	}
	o.tracks[d.ID] = t
	o.byPair[p] = t
	o.tell("%v stored %v", t, d.State)
}

// Claim implements webhook.Queue.
func (w *watch) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	got, err := w.claim(ctx, c)
	if err != nil {
		return got, err
	}
	o.claimed(c, got, w.worker)
	return got, nil
}

// claimed judges a claim.
func (o *oracle) claimed(c webhook.Claim, got []webhook.Claimed, worker string) {
	now := time.Now()
	bytes := 0
	counts := map[string]int{}
	latest := map[string]time.Time{}
	waiting := o.waiting(c.Skip, now)
	for i := range got {
		cl := &got[i]
		t := o.tracks[cl.Delivery.ID]
		if t == nil {
			o.violate(ruleInventories, "%s claimed, which nobody enqueued", cl.Delivery.ID)
			continue
		}
		o.tell("%v claimed by %s, attempt %d, %v old, expired %v", t, worker, cl.Delivery.Attempts, cl.Age, cl.Expired)
		o.handedOut(t, now)
		counts[t.endpoint]++
		bytes += len(cl.Message.Bodies[cl.Delivery.Body].Data)
		if due := t.dueBy(); !t.ordered && due.Before(latest[t.endpoint]) {
			o.violate(ruleDueOrder, "%v comes after what is due later", t)
		} else if !t.ordered {
			latest[t.endpoint] = due
		}
		if slices.Contains(c.Skip, t.endpoint) || counts[t.endpoint] > c.PerEndpoint {
			o.violate(ruleBounds, "%v: its endpoint is skipped, or has more than %d", t, c.PerEndpoint)
		}
		o.lease(t, cl, worker, now.Add(c.Lease))
	}
	if len(got) > c.Limit || bytes > c.MaxBytes && len(got) > 1 {
		o.violate(ruleBounds, "%d deliveries of %d bytes", len(got), bytes)
	}
	o.fair(c, counts, waiting)
	o.leftBehind(latest, now)
}

// handedOut judges that t is claimed now.
func (o *oracle) handedOut(t *track, now time.Time) {
	switch {
	case t.final != 0:
		o.violate(ruleFinal, "%v is handed out though it is %v", t, t.final)
	case t.leased && now.Before(t.until):
		o.violate(ruleLeased, "%v: by %s until %v", t, t.owner, t.until.Sub(o.start))
	case !t.leased && now.Before(t.due):
		o.violate(ruleEarly, "%v: it is due %v", t, t.due.Sub(o.start))
	}
	if now.Before(o.parked[t.endpoint]) {
		o.violate(ruleParked, "%v: until %v", t, o.parked[t.endpoint].Sub(o.start))
	}
	if t.ordered && !o.head(t) {
		o.violate(ruleHead, "%v, key %q", t, t.key)
	}
}

// head reports whether t is the first of its key.
func (o *oracle) head(t *track) bool {
	for _, other := range o.lanes[t.endpoint] {
		if other.ordered && other.key == t.key && other.seq < t.seq && other.final == 0 {
			return false
		}
	}
	return true
}

func (o *oracle) lease(t *track, cl *webhook.Claimed, worker string, until time.Time) {
	if t.leased {
		t.crashed++ // its lease is over, and nobody settled it
		o.seen["leases that ended"]++
	}
	t.leased, t.until, t.token, t.owner, t.lost = true, until, cl.Token, worker, false
	t.claimedAt = time.Now()
	t.attempts++
}

// dueBy returns when t is due, by its time or by the end of its lease.
func (t *track) dueBy() time.Time {
	if t.leased {
		return t.until
	}
	return t.due
}

// ready reports whether a claim may hand t out.
func (o *oracle) ready(t *track, now time.Time) bool {
	return t.final == 0 && !t.dueBy().After(now) && (!t.ordered || o.head(t))
}

// waiting lists the endpoints that have something to hand out.
func (o *oracle) waiting(skip []string, now time.Time) []string {
	var ids []string
	for id, lane := range o.lanes {
		if slices.Contains(skip, id) || o.probing[id] || now.Before(o.parked[id]) {
			continue
		}
		if slices.ContainsFunc(lane, func(t *track) bool { return o.ready(t, now) }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// fair judges whether an endpoint got nothing while another had two turns, or
// nobody got anything.
func (o *oracle) fair(c webhook.Claim, counts map[string]int, waiting []string) {
	most, sum := 0, 0
	for _, n := range counts {
		most = max(most, n)
		sum += n
	}
	for _, id := range waiting {
		if counts[id] == 0 && (most > 1 || sum == 0 && c.Limit > 0) {
			o.violate(ruleUnfair, "%s got nothing, of %d deliveries", id, sum)
		}
	}
}

// leftBehind judges whether something that is due earlier was passed over.
func (o *oracle) leftBehind(latest map[string]time.Time, now time.Time) {
	for id, last := range latest {
		for _, t := range o.lanes[id] {
			if !t.ordered && t.dueBy().Before(last) && o.ready(t, now) {
				o.violate(ruleDueOrder, "%v is passed over", t)
			}
		}
	}
}

// Settle implements webhook.Queue.
func (w *watch) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	done, err := w.settle(ctx, items)
	if err != nil {
		return done, err
	}
	for i := range items {
		if t := o.tracks[items[i].ID]; t != nil {
			o.settled(t, &items[i], slices.Contains(done.Stale, i))
		}
	}
	return done, nil
}

// settled judges a settlement that the store took, or called stale.
func (o *oracle) settled(t *track, it *webhook.Settlement, isStale bool) {
	o.tell("%v settled %v in %v (%q), unsent %v, stale %v", t, it.State, it.Delay, it.Reason, it.Unsent, isStale)
	ours := t.leased && t.token == it.Token && t.final == 0
	switch {
	case isStale && ours:
		o.violate(ruleUnsettled, "%v: token %d", t, it.Token)
		return
	case isStale:
		o.seen["stale settlements"]++
		return
	case t.final != 0:
		o.violate(ruleFinal, "%v is settled %v though it is %v", t, it.State, t.final)
	case !ours:
		o.violate(ruleStale, "%v: token %d, leased %v under %d", t, it.Token, t.leased, t.token)
	}
	t.leased = false
	if it.Unsent {
		o.seen["given back unsent"]++
		t.attempts--
	}
	if it.Attempt != nil {
		o.recorded(t, it)
	}
	if it.Health == webhook.Healthy {
		o.probing[t.endpoint] = false
	}
	if !it.State.Final() {
		t.due = time.Now().Add(it.Delay)
		return
	}
	t.final, t.reason = it.State, it.Reason
	o.lanes[t.endpoint] = slices.DeleteFunc(o.lanes[t.endpoint], func(x *track) bool { return x == t })
	if a := o.arrivals[t.pair]; t.final == webhook.Delivered && (a == nil || a.acked == 0) {
		o.violate(ruleUnacked, "%v", t)
	}
}

// recorded judges the record of an attempt.
func (o *oracle) recorded(t *track, it *webhook.Settlement) {
	at := it.Attempt
	t.records++
	t.last = at
	if at.Number != t.attempts {
		o.violate(ruleUnrecorded, "%v: attempt %d is recorded as number %d", t, t.attempts, at.Number)
	}
	if a := o.arrivals[t.pair]; a != nil && a.ackedAt[at.Number] && at.Outcome != retry.Accepted {
		o.violate(ruleDenied, "%v: attempt %d is %v, status %d, %s", t, at.Number, at.Outcome, at.Status, at.Error)
	}
	if at.Outcome != retry.Retryable || it.State != webhook.Pending {
		return
	}
	policy := o.policies[t.policy]
	if delay, more := policy.Delay(t.id, at.Number); !more || it.Delay < delay {
		o.violate(ruleDelay, "%v: again in %v after attempt %d, the policy says %v", t, it.Delay, at.Number, delay)
	}
}

// Park implements webhook.Queue.
func (w *watch) Park(ctx context.Context, parks []webhook.Park) error {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := w.park(ctx, parks); err != nil {
		return err
	}
	for _, p := range parks {
		o.tell("%s parks %s for %v, hold %v, probe %v", w.worker, p.EndpointID, p.For, p.Hold, p.Probe)
		o.parked[p.EndpointID] = time.Now().Add(max(p.For, 0))
		o.probing[p.EndpointID] = p.Probe
		switch {
		case p.Hold:
			o.seen["parked as paused"]++
		case p.Probe:
			o.seen["circuits opened"]++
		default:
			o.seen["parked by rate"]++
		}
	}
	return nil
}

// Extend implements webhook.Extender.
func (w *watch) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	gone, err := w.Store.Extend(ctx, leases, lease)
	if err != nil {
		return gone, err
	}
	for i, l := range leases {
		t := o.tracks[l.ID]
		if t == nil || slices.Contains(gone, i) {
			continue
		}
		if !t.leased || t.token != l.Token {
			o.violate(ruleStale, "%v: extended under token %d", t, l.Token)
		}
		t.until = time.Now().Add(lease)
		o.seen["leases extended"]++
	}
	return gone, nil
}

// Take implements webhook.RateLimiter.
func (w *watch) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	granted, wait, err := w.Store.Take(ctx, endpointID, n, rate)
	if r := w.o.rates[endpointID]; r != nil {
		r.granted += granted
	}
	return granted, wait, err
}

// Match implements webhook.EndpointStore.
func (w *watch) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	found, err := w.match(ctx, q)
	slices.SortFunc(found, func(a, b *webhook.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return found, err
}

// Endpoints implements webhook.EndpointStore.
func (w *watch) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	return w.endpoints(ctx, ids)
}

// Disable implements webhook.EndpointStore.
func (w *watch) Disable(ctx context.Context, id, reason string) error {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	err := w.Store.Disable(ctx, id, reason)
	if err == nil {
		w.o.seen["disabled by the dispatcher"]++
		w.o.inactive(id)
	}
	return err
}

// forgot notes that the worker never heard what its claim since then brought.
func (w *watch) forgot(since time.Time) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	for _, t := range w.o.tracks {
		if t.leased && t.owner == w.worker && !t.claimedAt.Before(since) {
			t.lost = true
			w.o.seen["claims nobody heard of"]++
		}
	}
}

// compare judges whether the history tells what was settled.
func (o *oracle) compare(ctx context.Context, b *base) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.tracks {
		d, m, err := b.Delivery(ctx, t.id)
		if err != nil {
			o.violate(ruleInventories, "%v: %v", t, err)
			continue
		}
		if t.final != 0 && (d.State != t.final || d.Attempts != t.attempts) {
			o.violate(ruleInventories, "%v: %v after %d attempts, settled %v after %d", t, d.State, d.Attempts, t.final, t.attempts)
		}
		if a := o.arrivals[t.pair]; a != nil && !bytes.Equal([]byte(a.body), m.Bodies[d.Body].Data) {
			o.violate(ruleIdentity, "%v: stored %q, sent %q", t, m.Bodies[d.Body].Data, a.body)
		}
	}
}
