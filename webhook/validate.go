package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/outhook/outhook/payload"
)

// work is one event on its way through Dispatch.
type work struct {
	event     Event
	scopes    []Scope
	source    string
	eventID   string
	key       string
	time      time.Time
	now       time.Time
	spent     time.Duration // waiting for the store
	kind      string
	hops      int
	inline    bool
	endpoints []*Endpoint
	recalled  any       // what the store can check endpoints by; nil where it just matched them
	stored    bool      // the store was asked to store it
	addressed addressed // what the endpoint before came to
}

// newWork asks the event about itself and validates it.
func (d *Dispatcher) newWork(ctx context.Context, e Event, scopes []Scope) (work, error) {
	if e == nil {
		return work{}, fmt.Errorf("%w: it is nil", ErrInvalidEvent)
	}
	if err := ctx.Err(); err != nil {
		return work{}, fmt.Errorf("webhook: before the event was looked at: %w", err)
	}
	hops, err := d.hopsAfter(ctx)
	if err != nil {
		return work{}, err
	}
	w := work{event: e, scopes: scopes, now: time.Now(), hops: hops}
	if err := d.contain(ctx, "event", func() error { return w.ask() }); err != nil {
		return work{}, err
	}
	err = w.check()
	return w, err
}

func (w *work) ask() error {
	e := w.event
	w.kind = e.EventType()
	if s, ok := e.(Sourced); ok {
		w.source = s.EventSource()
	}
	if i, ok := e.(Identified); ok {
		w.eventID = i.EventID()
	}
	if k, ok := e.(Keyed); ok {
		w.key = k.EventKey()
	}
	w.time = w.now
	if t, ok := e.(Timed); ok {
		if at := t.EventTime(); !at.IsZero() {
			w.time = at
		}
	}
	return payload.Validate(e)
}

func (w *work) check() error {
	if err := checkType(w.kind); err != nil {
		return err
	}
	for _, c := range [...]struct {
		field, text string
		limit       int
	}{{"EventSource", w.source, maxSource}, {"EventID", w.eventID, maxEventID}, {"EventKey", w.key, maxEventKey}} {
		if err := checkText(c.field, c.text, c.limit); err != nil {
			return err
		}
	}
	for i, s := range w.scopes {
		if err := s.Validate(); err != nil {
			return err
		}
		if s == Everywhere {
			return fmt.Errorf("%w: an event happens to something; endpoints with Everywhere hear of it anyway", ErrInvalidScope)
		}
		if slices.Contains(w.scopes[:i], s) {
			w.scopes = unique(w.scopes)
			break
		}
	}
	return nil
}

func unique(scopes []Scope) []Scope {
	var out []Scope
	for _, s := range scopes {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
