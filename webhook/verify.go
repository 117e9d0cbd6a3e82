package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/outhook/outhook/signer"
)

// Verify asks an endpoint, stored or not yet, whether it wants deliveries, by
// the handshake h: over its transport, under the guard, within its policy's
// Timeout. A question with a body is signed as a delivery is. Verify changes
// nothing: a host registers an endpoint as Unverified, calls Verify, and sets it
// Active on success (and calls Release). An answer that does not prove it is
// signer.ErrUnverified. Verify counts like a sample against the 10 a minute of
// the endpoint's scope.
func (d *Dispatcher) Verify(ctx context.Context, e Endpoint, h signer.Handshake) (signer.Grant, error) {
	if d.closed.Load() {
		return signer.Grant{}, ErrClosed
	}
	if err := d.Check(&e); err != nil {
		return signer.Grant{}, err
	}
	now := time.Now()
	if err := d.takeSample(e.Scope, now); err != nil {
		return signer.Grant{}, err
	}
	t := d.prepare(&e, now)
	if t.err != nil {
		return signer.Grant{}, &EndpointError{ID: e.ID, Err: t.err}
	}
	ctx, cancel := context.WithTimeout(ctx, d.policies[e.Policy].Timeout)
	defer cancel()
	defer context.AfterFunc(d.attempts.context(), cancel)()
	q, err := h.Ask(signer.Subject{URL: t.sent, Time: now, Keys: t.keys(now)})
	if err != nil {
		return signer.Grant{}, fmt.Errorf("webhook: verify: %w", err)
	}
	if err := d.signQuestion(ctx, t, &q, now); err != nil {
		return signer.Grant{}, &SendError{Class: Internal, Err: &maskedError{text: "sign: " + maskError(err, t), err: err}}
	}
	var a signer.Answer
	err = d.contain(ctx, "transport", func() (err error) {
		a, err = d.ask(ctx, t, q)
		return err
	})
	if err != nil {
		return signer.Grant{}, err
	}
	return h.Judge(q, a)
}

// signQuestion signs a question with a body as deliveries are signed: the
// receivers that want one look at its signature first.
func (d *Dispatcher) signQuestion(ctx context.Context, t *target, q *signer.Question, now time.Time) error {
	if len(q.Body) == 0 {
		return nil
	}
	if q.Header == nil {
		q.Header = make(http.Header)
	}
	sign := t.signer
	if d.cfg.ResolveSigner != nil {
		own, err := d.resolveSigner(ctx, t.ep)
		if err != nil {
			return err
		}
		if own != nil {
			sign = own
		}
	}
	if u, ok := sign.(urlSigner); ok {
		q.URL = u.URL(q.URL, q.Body)
	}
	return d.contain(ctx, "signer", func() error {
		return sign.Sign(ctx, &signer.Request{
			ID: newIDs(now, 0).message(), Time: now, Method: q.Method, URL: q.URL, Header: q.Header, Body: q.Body, Keys: t.keys(now),
		})
	})
}

// ask sends the question.
func (d *Dispatcher) ask(ctx context.Context, t *target, q signer.Question) (signer.Answer, error) {
	to, err := url.Parse(q.URL)
	if err != nil || to.Host != t.url.Host {
		return signer.Answer{}, errors.New("webhook: verify: the handshake asks at a URL that is none, or of another host")
	}
	req := (&http.Request{
		Method: q.Method, URL: to, Host: to.Host, Header: q.Header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	req.Header["User-Agent"] = []string{d.cfg.UserAgent}
	if n := len(q.Body); n > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(q.Body)), int64(n)
	}
	resp, err := t.via.rt.RoundTrip(req)
	if err != nil {
		return signer.Answer{}, &SendError{Class: classOf(err), Err: &maskedError{text: maskError(err, t), err: err}}
	}
	defer resp.Body.Close()
	return signer.Answer{Status: resp.StatusCode, Header: resp.Header, Body: d.readAnswer(resp)}, nil
}

// takeSample counts what is sent because somebody pressed a button.
func (d *Dispatcher) takeSample(scope Scope, now time.Time) error {
	perMinute := Rate{Limit: 10, Per: time.Minute}
	if granted, wait := d.rates.take("sample\x00"+string(scope), 1, perMinute, now); granted == 0 {
		return fmt.Errorf("%w: again in %v", ErrRate, wait.Round(time.Second))
	}
	return nil
}
