package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/outhook/outhook/internal/pool"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
)

// nextTask hands the pool a delivery to run.
func (d *Dispatcher) nextTask() pool.Task {
	if j := d.lanes.take(); j != nil {
		j.owner = d
		return j
	}
	return nil
}

// Run implements pool.Task.
func (j *job) Run() { j.owner.run(j) }

// OnTrial implements pool.Trial.
func (j *job) OnTrial() bool { return j.trial }

// run brings one delivery through one attempt: check, render, sign, post,
// judge, settle. A panic of the host's code on the way costs this delivery's
// attempt alone.
func (d *Dispatcher) run(j *job) {
	p := unknownPace
	err := d.contain(context.Background(), "transport", func() error {
		p = d.attempt(j)
		return nil
	})
	if err != nil {
		d.afterPanic(j, err)
	}
	if p == 0 {
		return // it waits again
	}
	if d.lanes.done(j, p) {
		d.pool.Kick()
	}
}

// afterPanic ends the attempt that a panic broke off. Where the schedule is
// what panics, the delivery cannot go on.
func (d *Dispatcher) afterPanic(j *job, err error) {
	r := retry.Response{Attempt: j.d.Attempts, Err: err}
	err = d.contain(context.Background(), "schedule", func() error {
		a := d.record(j, time.Now(), 0, r, retry.Retryable, Internal)
		d.conclude(j, &a, retry.Response{})
		return nil
	})
	if err != nil {
		d.settleFinal(j, Failed, err.Error())
	}
}

// attempt decides whether the delivery is sent now, and sends it.
func (d *Dispatcher) attempt(j *job) pace {
	if !d.refresh(j) {
		return unknownPace
	}
	now := time.Now()
	if age := now.Sub(j.born); j.policy.MaxAge > 0 && age > j.policy.MaxAge && (j.d.Attempts > 1 || j.policy.Mode == retry.Volatile) {
		d.settleFinal(j, ifVolatile(j, Dropped, Failed), reasonTooOld)
		return unknownPace
	}
	if j.stored && !d.leased(j, now) {
		d.letGo([]*job{j}, lookAgain)
		return unknownPace
	}
	if granted, p := d.allowed(j); !granted {
		return p
	}
	start, ok := d.recheck(j) // last: the two before ask the store, and may take long
	if !ok {
		return unknownPace
	}
	if !j.stored {
		j.d.Attempts++
	}
	return d.send(j, start)
}

// recheck looks again at what has grown old while the store was asked. Where
// that takes too long again, the request is not made: a delivery rather waits
// than goes where its endpoint no longer is. It returns when the attempt starts:
// however long this process then stands still, on HTTP/1 no request begins once
// the attempt's time, and with it the lease, is over.
func (d *Dispatcher) recheck(j *job) (start time.Time, ok bool) {
	if start = time.Now(); j.ready(start) {
		return start, true
	}
	if !d.refresh(j) {
		return start, false
	}
	if start = time.Now(); j.ready(start) {
		return start, true
	}
	d.unread(j, fmt.Errorf("the store took longer than %v, or than the lease", maxStale))
	return start, false
}

// ready reports whether an attempt that starts now ends within the lease, and
// goes where its endpoint is.
func (j *job) ready(now time.Time) bool {
	return j.target.fresh(now) && (!j.stored || j.leaseEnd.Sub(now) >= j.policy.Timeout+leaseMargin/2)
}

// unread lets go of a delivery whose endpoint could not be read.
func (d *Dispatcher) unread(j *job, err error) {
	if err == nil {
		err = errors.New("the endpoint changed while it was read")
	}
	d.storeFailed(context.Background(), "endpoints", err)
	if j.stored {
		d.letGo([]*job{j}, lookAgain)
	} else {
		d.settleFinal(j, Dropped, "its endpoint could not be read")
	}
}

func ifVolatile(j *job, volatile, stored State) State {
	if j.policy.Mode == retry.Volatile && !j.stored {
		return volatile
	}
	return stored
}

// refresh sees to it that what is read at send is fresh, and that the endpoint
// still wants its deliveries; if not, the delivery is settled.
func (d *Dispatcher) refresh(j *job) bool {
	if !j.target.fresh(time.Now()) {
		t, err := d.current(d.attempts.context(), j.d.EndpointID)
		if err != nil || t == nil {
			d.unread(j, err)
			return false
		}
		j.target = t
	}
	if reason, gone := j.target.gone(); gone {
		d.settleFinal(j, Cancelled, reason)
		return false
	}
	switch ep := j.target.ep; {
	case ep.Status.holds() && j.stored:
		d.hold([]*job{j})
		return false
	case ep.Status.holds():
		d.settleFinal(j, Dropped, reasonHeld(ep.Status))
		return false
	case j.target.err != nil:
		d.settleFinal(j, Failed, (&EndpointError{ID: ep.ID, Err: j.target.err}).Error())
		return false
	}
	return true
}

// leased sees to it that the lease outlasts the attempt.
func (d *Dispatcher) leased(j *job, now time.Time) bool {
	need := j.policy.Timeout + leaseMargin
	if j.leaseEnd.Sub(now) >= need {
		return true
	}
	ext, ok := d.cfg.Queue.(Extender)
	if !ok {
		return false
	}
	ctx, cancel := d.bound(d.attempts.context())
	defer cancel()
	start := time.Now()
	var stale []int
	err := d.contain(ctx, "store", func() (err error) {
		stale, err = ext.Extend(ctx, []Lease{{ID: j.d.ID, Token: j.token}}, d.cfg.Lease)
		return err
	})
	if err != nil {
		d.storeFailed(ctx, "extend", err)
		return false
	}
	j.leaseEnd = start.Add(d.cfg.Lease)
	return len(stale) == 0 && time.Until(j.leaseEnd) >= need-leaseMargin/2
}

// send makes one attempt and settles its outcome.
func (d *Dispatcher) send(j *job, start time.Time) pace {
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(j.policy.Timeout))
	defer cancel()
	d.lanes.arm(j, cancel)
	a, r := d.exchange(ctx, j, start)
	if d.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		d.cfg.Logger.DebugContext(ctx, "webhook: attempt", "delivery", a.DeliveryID, "endpoint", a.EndpointID, "number", a.Number,
			"outcome", a.Outcome, "status", a.Status, "took", a.Duration, "error", a.Error)
	}
	if hook := d.cfg.Hooks.AttemptDone; hook != nil {
		d.hook(ctx, func() { hook(ctx, a) })
	}
	if a.Outcome == retry.Gone && j.d.Inline == nil {
		d.disable(context.WithoutCancel(ctx), j.d.EndpointID, "its receiver answered that it is gone")
	}
	d.conclude(j, &a, r)
	switch {
	case a.Status != 0:
		return answered
	case a.Class == TimedOut || a.Class == Unreachable:
		return hung
	}
	return unknownPace
}

// exchange renders, signs, posts and judges.
func (d *Dispatcher) exchange(ctx context.Context, j *job, start time.Time) (Attempt, retry.Response) {
	var r retry.Response
	var header []payload.Header
	x, err := d.render(ctx, j, start)
	j.unsent = err != nil && !errors.Is(err, payload.ErrParam)
	if err != nil {
		r.Err = err
	} else {
		if j.stored || j.d.Inline != nil || d.cfg.Hooks.AttemptDone != nil {
			// Now, while it is at hand: after the exchange half of its cost was to
			// fetch it from memory. Else nobody looks at it.
			header = x.shown(j.target)
		}
		r = d.post(ctx, j, x)
	}
	r.Attempt = j.d.Attempts
	took := time.Since(start)
	o, class := d.judge(ctx, j, r, err != nil)
	a := d.record(j, start, took, r, o, class)
	a.Header = header
	if x == nil {
		return a, r
	}
	if m, ok := x.sign.(signer.Masker); ok {
		a.Answer = m.MaskSent(a.Answer, &x.req)
		if a.Error != "" {
			a.Error = string(m.MaskSent([]byte(a.Error), &x.req))
		}
	}
	if rej, ok := x.sign.(signer.Rejecter); ok && r.Status == http.StatusUnauthorized {
		j.renewed = rej.Rejected(&x.req) || j.d.Attempts == 1
	}
	return a, r
}

// urlSigner is a signer whose scheme adds something to the URL, as a digest of
// the body.
type urlSigner interface {
	URL(rawURL string, body []byte) string
}

// request is what one attempt sends.
type request struct {
	req    signer.Request
	sign   signer.Signer
	body   bytes.Reader
	values [4]string // of the header; enough for most
}

// render makes the final bytes and headers, and signs them.
func (d *Dispatcher) render(ctx context.Context, j *job, now time.Time) (*request, error) {
	t, ep := j.target, j.target.ep
	body := &j.msg.Bodies[j.d.Body]
	data := body.Data
	if len(ep.Params) > 0 {
		spliced, err := payload.Splice(make([]byte, 0, len(data)+64*len(ep.Params)), &body.Body, ep.Params)
		if err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
		data = spliced
	}
	x := &request{sign: t.signer, req: signer.Request{
		ID: j.msg.ID, Time: now, Method: method(ep), URL: t.sent, Header: make(http.Header, 8), Body: data, Keys: t.keys(now),
	}}
	x.setHeader(t, &body.Body)
	if d.cfg.ResolveSigner != nil {
		own, err := d.resolveSigner(ctx, ep)
		if err != nil {
			return nil, fmt.Errorf("signer: %w", err)
		}
		if own != nil {
			x.sign = own
		}
	}
	if u, ok := x.sign.(urlSigner); ok {
		x.req.URL = u.URL(t.sent, data)
	}
	if err := x.sign.Sign(ctx, &x.req); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return x, nil
}

// setHeader sets what the body and the endpoint say.
func (x *request) setHeader(t *target, body *payload.Body) {
	values := x.values[:0]
	if n := 1 + len(t.header) + len(body.Header); n > cap(values) {
		values = make([]string, 0, n)
	}
	set := func(name, value string) {
		n := len(values)
		values = append(values, value)
		x.req.Header[name] = values[n : n+1 : n+1]
	}
	set("Content-Type", body.ContentType)
	for _, kv := range t.header {
		set(kv.Name, kv.Value)
	}
	for _, kv := range body.Header {
		set(kv.Name, kv.Value)
	}
}

func (d *Dispatcher) resolveSigner(ctx context.Context, ep *Endpoint) (s signer.Signer, err error) {
	err = d.contain(ctx, "signer", func() (err error) {
		s, err = d.cfg.ResolveSigner(ctx, ep)
		return err
	})
	return s, err
}

func method(ep *Endpoint) string {
	if ep.Method == "" {
		return http.MethodPost
	}
	return ep.Method
}

// judge asks the policy what the answer means.
func (d *Dispatcher) judge(ctx context.Context, j *job, r retry.Response, internal bool) (retry.Outcome, Class) {
	switch {
	case internal:
		return retry.Retryable, Internal
	case r.Err != nil && d.interrupted(ctx, r.Err):
		return retry.Interrupted, Internal
	case r.Err != nil:
		if class := classOf(r.Err); class == Forbidden {
			return retry.Refused, class
		}
	}
	o := retry.Retryable
	err := d.contain(ctx, "judge", func() error {
		o = j.policy.Judged(r)
		return nil
	})
	if err != nil || !o.Valid() {
		o = retry.Retryable
	}
	switch {
	case r.Err != nil:
		return o, classOf(r.Err)
	case o == retry.Accepted || o == retry.Known:
		return o, NoFailure
	}
	return o, BadStatus
}

// interrupted reports whether it was we who ended the request, before its
// time.
func (d *Dispatcher) interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// record makes the attempt's record.
func (d *Dispatcher) record(j *job, start time.Time, took time.Duration, r retry.Response, o retry.Outcome, c Class) Attempt {
	a := Attempt{
		DeliveryID: j.d.ID, MessageID: j.msg.ID, EndpointID: j.d.EndpointID, Number: j.d.Attempts,
		Outcome: o, Status: r.Status, Start: start, Duration: took, Class: c, URL: j.target.shown,
	}
	if j.target.ep != nil {
		a.Method = method(j.target.ep)
	}
	if len(r.Body) > 0 {
		a.Answer = maskAnswer(r.Body, j.target)
	}
	switch {
	case r.Err != nil:
		a.Error = maskError(r.Err, j.target)
	case c == BadStatus:
		a.Error = fmt.Sprintf("status %d", r.Status)
	}
	return a
}
