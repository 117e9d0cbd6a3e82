package simtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// planted is a fault that the oracle has to see.
type planted struct {
	name  string
	plant plant
	// breaks is the rule that some world must see broken. Others may be too.
	breaks rule
}

// Faults of the store are planted in it. Those of the dispatcher are planted
// in what it talks to, with the same effect on the world: its judge, its
// connections, the store's answers.
func plantedFaults() []planted {
	return []planted{
		{name: "settle without token", plant: tokenless, breaks: ruleStale},
		{name: "lease ignored", plant: leaseless, breaks: ruleLeased},
		{name: "claim does not hide rows", plant: unhidden, breaks: ruleLeased},
		{name: "due order ignored", plant: reversed, breaks: ruleDueOrder},
		{name: "parked lane still claimed", plant: unparked, breaks: ruleParked},
		{name: "one lane starves another", plant: starving, breaks: ruleUnfair},
		{name: "duplicate event id fanned out", plant: undeduped, breaks: ruleTwins},
		{name: "partial enqueue", plant: partial, breaks: rulePartial},
		{name: "lost when an enqueue is written and answered by an error", plant: phantoms, breaks: ruleUnstored},
		{name: "lost when a claim is written and answered by an error", plant: swallowed, breaks: ruleLost},
		{name: "stale endpoint", plant: cached, breaks: ruleEdited},
		{name: "retry before its time", plant: hasty, breaks: ruleEarly},
		{name: "success recorded before the answer", plant: premature, breaks: ruleUnacked},
		{name: "body encoded again on a retry", plant: reencoded, breaks: ruleIdentity},
		{name: "disabled endpoint sent", plant: undisabled, breaks: ruleEdited},
		{name: "order broken by a retry", plant: disordered, breaks: ruleOrder},
		{name: "drain that forgets", plant: func(w *world) { w.forgets = true }, breaks: ruleForgotten},
		{name: "delivered on the third failure", plant: lenient(3), breaks: ruleUnacked},
		{name: "delivered on the sixth failure", plant: lenient(6), breaks: ruleUnacked},
		{name: "at most once sent again after a crash", plant: unexpired, breaks: ruleOnce},
		{name: "request replayed by the transport", plant: func(w *world) { w.replays = true }, breaks: ruleUnrecorded},
		{name: "a final state reopened", plant: reopened, breaks: ruleInventories},
	}
}

func tokenless(w *world) {
	latest := map[string]int64{}
	w.base.changeClaimed(func(c *webhook.Claimed) { latest[c.Delivery.ID] = c.Token })
	w.base.changeItems(func(it *webhook.Settlement) { it.Token = latest[it.ID] })
}

func leaseless(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		c.Lease = 0
		return inner(ctx, c)
	}
}

// unhidden hands out once more what it handed out last.
func unhidden(w *world) {
	var last []webhook.Claimed
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		if err != nil || len(got) > 0 {
			last = slices.Clone(got)
			return got, err
		}
		again := slices.DeleteFunc(last, func(x webhook.Claimed) bool { return slices.Contains(c.Skip, x.Delivery.EndpointID) })
		last = nil
		return again, nil
	}
}

func reversed(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		slices.Reverse(got)
		return got, err
	}
}

func unparked(w *world) {
	w.base.park = func(context.Context, []webhook.Park) error { return nil }
}

// starving serves one endpoint before all others.
func starving(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		for i := range w.plan {
			one := c
			one.Skip = slices.Clone(c.Skip)
			for k := range w.plan {
				if k != i && !slices.Contains(one.Skip, w.plan[k].ID) {
					one.Skip = append(one.Skip, w.plan[k].ID)
				}
			}
			if got, err := inner(ctx, one); err != nil || len(got) > 0 {
				return got, err
			}
		}
		return nil, nil
	}
}

func undeduped(w *world) {
	w.shared = false
	w.base.changeBatch(func(b *webhook.Batch) {
		for i := range b.Deliveries {
			b.Deliveries[i].Dedup = ""
		}
	})
}

var errPlanted = errors.New("simtest: planted")

func partial(w *world) {
	w.shared = false
	inner, calls := w.base.enqueue, 0
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		n := len(b.Deliveries)
		calls++
		if n < 2 || w.seed.share("partial", calls) > 0.1 {
			return inner(ctx, b)
		}
		_, err := inner(ctx, &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries[:n/2]})
		return nil, errors.Join(errPlanted, err)
	}
}

// phantoms loses some events whose Enqueue was answered by an error, and takes
// their repeats for duplicates.
func phantoms(w *world) {
	w.shared = false
	lost := map[string]map[string]string{} // by event id and endpoint
	inner := w.base.enqueue
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		id := b.Message.EventID
		if ids := lost[id]; id != "" && ids != nil {
			var existing []webhook.Existing
			for i := range b.Deliveries {
				existing = append(existing, webhook.Existing{Index: i, ID: ids[b.Deliveries[i].EndpointID]})
			}
			return existing, nil
		}
		if id == "" || w.seed.share("phantom", id) > 0.1 {
			return inner(ctx, b)
		}
		lost[id] = map[string]string{}
		for i := range b.Deliveries {
			lost[id][b.Deliveries[i].EndpointID] = b.Deliveries[i].ID
		}
		return nil, errPlanted
	}
}

// swallowed lets some claims fail after they were written, for ever.
func swallowed(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		if len(got) == 0 || w.seed.share("swallow", eventOf(got[0].Message.Bodies[0].Data), got[0].Delivery.Attempts) > 0.05 {
			return got, err
		}
		var leases []webhook.Lease
		for _, x := range got {
			leases = append(leases, webhook.Lease{ID: x.Delivery.ID, Token: x.Token})
		}
		_, err = w.base.Extend(ctx, leases, 1000*time.Hour)
		return nil, errors.Join(errPlanted, err)
	}
}

func cached(w *world) {
	var mu sync.Mutex
	first := map[string]*webhook.Endpoint{}
	inner := w.base.endpoints
	w.base.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := inner(ctx, ids)
		mu.Lock()
		defer mu.Unlock()
		for _, ep := range found {
			if first[ep.ID] == nil {
				first[ep.ID] = ep
			}
		}
		found = nil
		for _, id := range ids {
			if first[id] != nil {
				found = append(found, first[id])
			}
		}
		return found, err
	}
}

func hasty(w *world) { w.base.changeItems(func(it *webhook.Settlement) { it.Delay /= 2 }) }

func premature(w *world) {
	w.base.conn = func(c net.Conn) net.Conn {
		return &prematureConn{Conn: c, answers: make(chan []byte, 1), closed: make(chan struct{})}
	}
}

// prematureConn answers by itself, as soon as a request is written.
type prematureConn struct {
	net.Conn
	answers chan []byte
	closed  chan struct{}
	once    sync.Once
	rest    []byte
}

func (c *prematureConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil && (bytes.HasSuffix(b, []byte("}")) || bytes.HasSuffix(b, []byte("]"))) {
		select {
		case c.answers <- []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):
		default:
		}
	}
	return n, err
}

func (c *prematureConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		select {
		case c.rest = <-c.answers:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *prematureConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func reencoded(w *world) {
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if c.Delivery.Attempts < 2 {
			return
		}
		m := *c.Message
		m.Bodies = slices.Clone(m.Bodies)
		for i := range m.Bodies {
			var e happened
			if err := json.Unmarshal(m.Bodies[i].Data, &e); err != nil {
				panic(err)
			}
			data, err := json.Marshal(e) // which escapes for HTML
			if err != nil {
				panic(err)
			}
			m.Bodies[i].Body = payload.Body{ContentType: m.Bodies[i].ContentType, Data: data}
		}
		c.Message = &m
	})
}

func undisabled(w *world) {
	inner := w.base.endpoints
	w.base.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := inner(ctx, ids)
		found = slices.Clone(found)
		for i, ep := range found {
			if ep.Status == webhook.Disabled {
				active := *ep
				active.Status = webhook.Active
				found[i] = &active
			}
		}
		return found, err
	}
}

// disordered lets the store forget the order; the dispatcher knows it still.
func disordered(w *world) {
	w.shared = false
	keys := map[string]string{}
	w.base.changeBatch(func(b *webhook.Batch) {
		for i := range b.Deliveries {
			if d := &b.Deliveries[i]; d.Ordered {
				keys[d.ID] = d.Key
				d.Ordered, d.Key = false, ""
			}
		}
	})
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if key, ok := keys[c.Delivery.ID]; ok {
			c.Delivery.Ordered, c.Delivery.Key = true, key
		}
	})
}

// lenient takes the n-th failure for a success.
func lenient(n int) plant {
	return func(w *world) {
		w.base.judge = func(r retry.Response) retry.Outcome {
			if r.Attempt >= n {
				return retry.Accepted
			}
			return retry.Default(r)
		}
	}
}

func unexpired(w *world) {
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if c.Expired {
			c.Expired = false
			c.Delivery.Attempts--
		}
	})
}

// reopened answers that a delivery was settled as failed, and lets it go on.
func reopened(w *world) {
	w.base.changeItems(func(it *webhook.Settlement) {
		if it.State == webhook.Failed {
			it.State, it.Delay = webhook.Pending, time.Minute
		}
	})
}

// seeds is how many worlds a planted fault may need to be seen, and replays
// how often the world that showed it must show it again.
const (
	seeds   = 1000
	replays = 20
)

func TestPlantedFaults(t *testing.T) {
	for i, p := range plantedFaults() {
		if raced && !full() && i%4 != 0 {
			continue // whether they are seen, the run without the detector says
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s, seen := p.find(t)
			if !seen {
				t.Fatalf("not seen within %d worlds: %s", seeds, p.breaks)
			}
			if full() || !raced && i%8 == 0 {
				p.again(t, s)
			}
		})
	}
}

// find returns the first world that shows the fault.
func (p *planted) find(t *testing.T) (seed, bool) {
	t.Helper()
	for n := range seeds {
		if v, seen := p.seenIn(t, seed(n)); seen {
			t.Logf("seen in world %d of %d: %v", n+1, seeds, v)
			return seed(n), true
		}
	}
	return 0, false
}

func (p *planted) seenIn(t *testing.T, s seed) (violation, bool) {
	t.Helper()
	found, _ := simulate(t, s, p.plant, false)
	i := slices.IndexFunc(found, func(v violation) bool { return v.Rule == p.breaks })
	if i < 0 {
		return violation{}, false
	}
	return found[i], true
}

// again makes the world that showed the fault again and again.
func (p *planted) again(t *testing.T, s seed) {
	t.Helper()
	seen := 0
	for range replays {
		if _, ok := p.seenIn(t, s); ok {
			seen++
		}
	}
	t.Logf("world %d broke the rule again in %d of %d replays", s, seen, replays)
	if seen != replays {
		t.Errorf("world %d broke the rule in %d of %d replays, want all", s, seen, replays)
	}
}
