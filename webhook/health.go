package webhook

import (
	"context"
	"fmt"
	"time"
)

// failing acts on an endpoint's row of failures: it tells how far the endpoint
// is on the way to being disabled, disables it at the end of that way, and
// opens its circuit before. It returns what is to be parked.
func (d *Dispatcher) failing(ctx context.Context, h EndpointHealth) []Park {
	rules := &d.cfg.Failing
	was, is := rules.percent(h.WasFailures, h.WasFailingFor), rules.percent(h.Failures, h.FailingFor)
	for _, level := range [...]int{50, 70, 90, 100} {
		if was < level && is >= level {
			d.notice(ctx, FailingNotice{EndpointID: h.EndpointID, Percent: level, Failures: h.Failures, FailingFor: h.FailingFor})
		}
	}
	if is >= 100 && d.isRegistered(h.EndpointID) {
		reason := fmt.Sprintf("%d failures in a row over %v", h.Failures, h.FailingFor.Round(time.Minute))
		d.disable(ctx, h.EndpointID, reason)
	}
	if rules.OpenAfter < 0 || h.Failures < rules.OpenAfter {
		return nil
	}
	// As long as it has failed so far: each failed probe doubles it.
	wait := min(max(h.FailingFor, rules.OpenFor), rules.MaxOpenFor)
	d.cfg.Logger.WarnContext(ctx, "webhook: circuit opened", "endpoint", h.EndpointID, "failures", h.Failures, "wait", wait)
	if hook := d.cfg.Hooks.CircuitOpened; hook != nil {
		d.hook(ctx, func() { hook(ctx, h.EndpointID, wait) })
	}
	d.letGo(d.lanes.shedLaneOf(h.EndpointID), 0)
	return []Park{{EndpointID: h.EndpointID, For: wait, Probe: true}}
}

// isRegistered reports whether an endpoint that was just sent to is one that a
// store holds and that is not disabled yet: DispatchTo brings others.
func (d *Dispatcher) isRegistered(id string) bool {
	t, _ := d.targets.get(id, time.Now())
	return t != nil && !t.inline && t.ep != nil && t.ep.Status != Disabled
}

// percent says how far a row of failures is on the way to the endpoint being
// disabled: both its length and its duration have to get there.
func (r *FailingRules) percent(failures int, failingFor time.Duration) int {
	if r.DisableAfter < 0 {
		return 0
	}
	byCount := 100 * float64(failures) / float64(r.DisableCount)
	byTime := 100 * float64(failingFor) / float64(r.DisableAfter)
	return int(min(byCount, byTime, 100))
}

func (d *Dispatcher) notice(ctx context.Context, n FailingNotice) {
	d.cfg.Logger.WarnContext(ctx, "webhook: endpoint failing", "endpoint", n.EndpointID,
		"percent", n.Percent, "failures", n.Failures, "failing_for", n.FailingFor)
	if hook := d.cfg.Hooks.EndpointFailing; hook != nil {
		d.hook(ctx, func() { hook(ctx, n) })
	}
}

// disable disables an endpoint. What is still open for it is cancelled when
// its turn comes.
func (d *Dispatcher) disable(ctx context.Context, endpointID, reason string) {
	if d.cfg.Endpoints == nil {
		return
	}
	bounded, cancel := d.bound(ctx)
	defer cancel()
	err := d.contain(bounded, "store", func() error { return d.cfg.Endpoints.Disable(bounded, endpointID, reason) })
	d.targets.forget(endpointID)
	if err != nil {
		d.storeFailed(ctx, "disable", err)
		return
	}
	d.cfg.Logger.WarnContext(ctx, "webhook: endpoint disabled", "endpoint", endpointID, "reason", reason)
	if hook := d.cfg.Hooks.EndpointDisabled; hook != nil {
		d.hook(ctx, func() { hook(ctx, endpointID, reason) })
	}
}
