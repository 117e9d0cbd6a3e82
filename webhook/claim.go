package webhook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/outhook/outhook/retry"
)

// claimer feeds the lanes from the queue.
type claimer struct {
	shed        time.Time // when stuck lanes were last looked for
	perEndpoint int       // grows while one endpoint could use more of a claim
	outage      outage
	skip        []string // what the latest claim skipped
}

// outage paces the tries while a store is away: it counts the failures.
type outage int

// next returns how long to wait before the next try.
func (o *outage) next() time.Duration {
	*o++
	wait, _ := retry.Exponential{Base: 50 * time.Millisecond, Factor: 2, Max: 2 * time.Second, Attempts: math.MaxInt}.Next(int(*o))
	return max(wait, 50*time.Millisecond)
}

// claimLoop claims until ctx ends. A full claim is followed by the next at
// once; after an empty one it waits for a wake-up or the poll interval.
func (d *Dispatcher) claimLoop(ctx context.Context) {
	c := &claimer{perEndpoint: firstCredit}
	d.lanes.claims(true)
	defer d.lanes.claims(false)
	for ctx.Err() == nil {
		more, err := d.claim(ctx, c)
		wait := d.cfg.PollInterval
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			if !errors.Is(err, errEndpoints) {
				d.storeFailed(ctx, "claim", err)
			}
			wait = c.outage.next()
		} else {
			c.outage = 0
		}
		if !more && !d.awaitWork(ctx, wait, err == nil) {
			return
		}
	}
}

// awaitWork waits for something to do; while a store is away, wake-ups do not
// count. False means that ctx ended.
func (d *Dispatcher) awaitWork(ctx context.Context, wait time.Duration, wakeable bool) bool {
	if !wakeable {
		return sleep(ctx, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-d.wake:
	case <-d.lanes.drained:
	case <-timer.C:
	}
	return true
}

// errEndpoints says that the endpoints could not be read, which is reported
// already.
var errEndpoints = errors.New("the endpoints could not be read")

// claim claims once and hands what it got to the lanes. more means that there
// may be more at once.
func (d *Dispatcher) claim(ctx context.Context, c *claimer) (more bool, err error) {
	if now := time.Now(); now.Sub(c.shed) >= d.cfg.PollInterval {
		c.shed = now
		d.letGo(d.lanes.shedStuck(), 0)
	}
	room, skip := d.lanes.room(2*d.cfg.ClaimBatch, c.skip)
	c.skip = skip
	least := max(d.cfg.ClaimBatch/4, 1)
	limit := min(d.settles.leaves(room, least), d.cfg.ClaimBatch)
	if limit < least || d.settles.stuck() {
		d.lanes.saw(false)
		return false, nil
	}
	// The end of Run must not cut off an answer that claims something: under an
	// at-most-once policy that would be the end of it.
	bounded, cancel := d.bound(context.WithoutCancel(ctx))
	defer cancel()
	req := Claim{Limit: limit, MaxBytes: d.cfg.ClaimBytes, PerEndpoint: min(c.perEndpoint, limit), Lease: d.cfg.Lease, Skip: skip}
	start := time.Now()
	var claimed []Claimed
	err = d.contain(bounded, "store", func() (err error) {
		claimed, err = d.cfg.Queue.Claim(bounded, req)
		return err
	})
	if err != nil {
		return false, err
	}
	in, err := d.receive(ctx, claimed, start)
	if err != nil {
		return false, errEndpoints
	}
	more = len(claimed) > 0 && (c.adapt(claimed, req, in) || len(claimed) >= limit)
	d.lanes.saw(!more && len(in.refused) == 0 && !cut(claimed, req.MaxBytes))
	return more, nil
}

// cut reports whether a claim may have ended because of its bytes, so that more is
// due: the next would have been too much, and few take half of them all.
func cut(claimed []Claimed, maxBytes int) bool {
	n := 0
	for i := range claimed {
		n += claimed[i].Bytes
		if m, body := claimed[i].Message, claimed[i].Delivery.Body; claimed[i].Bytes == 0 && m != nil && body >= 0 && body < len(m.Bodies) {
			n += len(m.Bodies[body].Data)
		}
	}
	return n > maxBytes/2
}

// intake is what became of a claim in the lanes.
type intake struct {
	refused []*job // due again, since their lanes had no credit for them
	credit  int    // the most that one of their lanes has
}

// adapt sets how much of one endpoint the next claim takes: more while an
// endpoint fills its share, the claim is not full and a lane has credit for it,
// less while many share, or where much is refused and no lane took all of its
// share. What is refused was claimed in vain, and costs the store as much as what
// is sent; but a fast receiver is not to wait for that.
func (c *claimer) adapt(claimed []Claimed, req Claim, in intake) (capped bool) {
	counts := make(map[string]int)
	most := 0
	for i := range claimed {
		counts[claimed[i].Delivery.EndpointID]++
		most = max(most, counts[claimed[i].Delivery.EndpointID])
	}
	capped = most >= req.PerEndpoint && len(claimed) < req.Limit
	for _, j := range in.refused {
		counts[j.d.EndpointID]--
	}
	took := 0
	for _, n := range counts {
		took = max(took, n)
	}
	switch {
	case 4*len(in.refused) > len(claimed) && took < req.PerEndpoint, !capped && len(counts)*c.perEndpoint > 4*req.Limit:
		c.perEndpoint = max(c.perEndpoint/2, firstCredit)
	case capped:
		// Half of a lane's credit is free where it is not skipped.
		c.perEndpoint = max(c.perEndpoint, min(4*c.perEndpoint, in.credit/2))
	}
	return capped
}

// receive turns claimed deliveries into jobs and lets them wait in their
// lanes. What cannot be sent now is settled at once.
func (d *Dispatcher) receive(ctx context.Context, claimed []Claimed, start time.Time) (intake, error) {
	if len(claimed) == 0 {
		return intake{}, nil
	}
	batch := make([]job, len(claimed))
	ready := make([]*job, 0, len(claimed))
	lookErr := d.lookAll(ctx, claimed)
	now := time.Now()
	for i := range claimed {
		cl := &claimed[i]
		if cl.Expired && d.settles.renew(&cl.Delivery, cl.Token, start.Add(d.cfg.Lease)) {
			continue // nothing is sent again of which the answer is known
		}
		j := &batch[i]
		*j = job{
			d: &cl.Delivery, msg: cl.Message, stored: true, token: cl.Token,
			leaseEnd: start.Add(d.cfg.Lease), born: now.Add(-cl.Age),
		}
		if d.admit(j, cl, lookErr, now) {
			ready = append(ready, j)
		}
	}
	refused, crowded, credit := d.lanes.accept(d.hold(ready))
	d.letGo(refused, 0)
	d.letGo(crowded, lookAgain)
	d.pool.Kick()
	return intake{refused: refused, credit: credit}, lookErr
}

// lookAll asks once for all endpoints of a claim that are not known afresh.
func (d *Dispatcher) lookAll(ctx context.Context, claimed []Claimed) error {
	var ids []string
	asked := make(map[string]bool)
	now := time.Now()
	for i := range claimed {
		dl := &claimed[i].Delivery
		if dl.Inline != nil || asked[dl.EndpointID] {
			continue
		}
		asked[dl.EndpointID] = true
		if t, ok := d.targets.get(dl.EndpointID, now); !ok || now.Sub(t.seen) > maxStale/2 {
			ids = append(ids, dl.EndpointID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := d.look(ctx, ids)
	if err != nil {
		d.storeFailed(ctx, "endpoints", err)
	}
	return err
}

// admit decides whether a claimed delivery may wait for its turn; if not, it
// is settled.
func (d *Dispatcher) admit(j *job, cl *Claimed, lookErr error, now time.Time) bool {
	if cl.Err != nil || j.msg == nil || j.d.Body < 0 || j.d.Body >= len(j.msg.Bodies) {
		d.storeFailed(context.Background(), "claim", undecodable(j.d.ID, cl.Err))
		d.settleFinal(j, Failed, "its stored row does not decode")
		return false
	}
	p, ok := d.policies[j.d.Policy]
	if !ok {
		d.policyMissing(j, now)
		return false
	}
	j.policy = p
	reason := ""
	err := d.contain(context.Background(), "schedule", func() error {
		reason = spent(j.d, p, cl.Expired)
		return nil
	})
	if err != nil {
		reason = err.Error()
	}
	if reason != "" {
		d.settleFinal(j, Failed, reason)
		return false
	}
	return d.aim(j, lookErr, now)
}

// spent reports why a claimed delivery must not be tried again: under an
// at-most-once policy its earlier claim was final; or it has ended its process
// each time, and no attempts are left.
func spent(dl *Delivery, p *retry.Policy, expired bool) string {
	if expired && p.Mode != retry.Stored {
		return reasonInterrupted
	}
	n := dl.Attempts - 1 - crashes
	if n < 1 {
		return ""
	}
	if _, more := p.Schedule.Next(n); !more {
		return reasonExhausted
	}
	return ""
}

// crashes is how many claims of a delivery may end with their process, beyond
// its schedule: each claim counts an attempt, also for what only waited.
const crashes = 100

// aim finds the target of a claimed delivery.
func (d *Dispatcher) aim(j *job, lookErr error, now time.Time) bool {
	if j.d.Inline != nil {
		j.target = d.prepare(j.d.Inline, now)
		j.target.inline = true
		return true
	}
	t, _ := d.targets.get(j.d.EndpointID, now)
	if t == nil || lookErr != nil && !t.fresh(now) {
		d.letGo([]*job{j}, lookAgain)
		return false
	}
	j.target = t
	if reason, gone := t.gone(); gone {
		d.settleFinal(j, Cancelled, reason)
		return false
	}
	return true
}

// lookAgain is how long a delivery waits when its endpoint could not be read, or
// when so many wait for a trial that they would leave the others no room.
const lookAgain = time.Second

// unknownPolicyAge is how long a delivery waits for a policy that this process
// does not know: an older or newer one may.
const unknownPolicyAge = 24 * time.Hour

func (d *Dispatcher) policyMissing(j *job, now time.Time) {
	reason := fmt.Sprintf("its policy %q is not in Config.Policies", clip(j.d.Policy))
	d.storeFailed(context.Background(), "claim", fmt.Errorf("delivery %s: %s", j.d.ID, reason))
	if now.Sub(j.born) > unknownPolicyAge {
		d.settleFinal(j, Failed, reason)
	} else {
		d.letGo([]*job{j}, time.Minute)
	}
}

// holdFor is how long a paused endpoint is parked before it is looked at
// again; Release makes it sooner.
const holdFor = time.Minute

// hold parks the paused endpoints among those of ready, gives their deliveries
// back, and returns the others.
func (d *Dispatcher) hold(ready []*job) []*job {
	var held []*job
	var parks []Park
	open := ready[:0]
	for _, j := range ready {
		if ep := j.target.ep; ep == nil || !ep.Status.holds() {
			open = append(open, j)
			continue
		}
		if !slices.ContainsFunc(held, func(h *job) bool { return h.d.EndpointID == j.d.EndpointID }) {
			parks = append(parks, Park{EndpointID: j.d.EndpointID, For: holdFor, Hold: true, Probe: true})
		}
		held = append(held, j)
	}
	delay := time.Duration(0)
	if !d.park(parks) {
		delay = lookAgain
	}
	d.letGo(held, delay)
	return open
}

// park closes endpoints for all processes, or reports why it can't.
func (d *Dispatcher) park(parks []Park) bool {
	if len(parks) == 0 {
		return true
	}
	ctx, cancel := d.bound(context.Background())
	defer cancel()
	err := d.contain(ctx, "store", func() error { return d.cfg.Queue.Park(ctx, parks) })
	if err != nil {
		d.storeFailed(ctx, "park", err)
	}
	return err == nil
}

// Release makes a change of an endpoint's status take effect at once: call it
// after the host changed it. This process reads the endpoint anew, and what was
// parked because the endpoint was paused, or its circuit open, is claimed
// again by all processes. Without it a change is seen within a second, and a
// paused endpoint is looked at once a minute.
func (d *Dispatcher) Release(ctx context.Context, endpointID string) error {
	d.targets.forget(endpointID)
	if d.cfg.Queue == nil {
		return nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	err := d.contain(ctx, "store", func() error { return d.cfg.Queue.Park(ctx, []Park{{EndpointID: endpointID}}) })
	d.Wake()
	return err
}

// listenLoop lets the store wake the claimer.
func (d *Dispatcher) listenLoop(ctx context.Context, l Listener) {
	var away outage
	for ctx.Err() == nil {
		start := time.Now()
		err := d.contain(ctx, "store", func() error { return l.Listen(ctx, d.Wake) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.storeFailed(ctx, "listen", err)
		}
		if time.Since(start) > time.Minute {
			away = 0
		}
		if !sleep(ctx, away.next()) {
			return
		}
	}
}

func undecodable(id string, err error) error {
	if err == nil {
		err = errors.New("the message or its body is missing")
	}
	return fmt.Errorf("delivery %s: %w", id, err)
}
