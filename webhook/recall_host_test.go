package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
)

// bounded is a recallStore whose calls have Config.StoreTimeout between them.
type bounded struct {
	webhook.EndpointStore
	webhook.Queue

	s *recallStore
}

func (x *bounded) Recall(queue webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	return x.s.Recall(queue, q)
}

// encodes is an encoder of the host's, of whatever kind a test wants.
type encodes struct {
	payload.Encoder

	before func() error
}

func (e *encodes) Encode(dst []byte, ev *payload.Event) (payload.Body, error) {
	if err := e.before(); err != nil {
		return payload.Body{}, err
	}
	return e.Encoder.Encode(dst, ev)
}

// The time that the host's encoder takes is not the store's.
func TestRecallThatIsOutOfDateAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enc := &encodes{Encoder: payload.JSON(payload.JSONOptions{})}
		r := newRecallRig(t, func(c *webhook.Config) {
			s, ok := c.Queue.(*recallStore)
			if !ok {
				t.Fatalf("the rig's Queue is a %T", c.Queue)
			}
			x := &bounded{EndpointStore: s, Queue: s, s: s}
			c.Queue, c.Endpoints, c.StoreTimeout = x, x, 10*time.Second
			c.Encoders = map[string]payload.Encoder{"own": enc}
		})
		own := webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "at-least-once", Encoder: "own"}
		r.set(own)
		enc.before = func() error { return nil }
		r.dispatch(leadCreated{Email: "x"}, link1)
		enc.before = func() error {
			time.Sleep(11 * time.Second)
			return nil
		}
		own.URL = "http://a.example/2"
		r.set(own)
		if _, err := r.d.Dispatch(context.Background(), leadCreated{Email: "x"}, link1); err != nil {
			t.Errorf("Dispatch over a store that answers at once = %v", err)
		}
		refused := errors.New("refused")
		enc.before = func() error {
			time.Sleep(11 * time.Second)
			return refused
		}
		if _, err := r.d.Dispatch(context.Background(), leadCreated{Email: "x"}, link1); !errors.Is(err, refused) {
			t.Errorf("Dispatch = %v, want the encoder's error", err)
		}
	})
}

// What is remembered of an endpoint says nothing of the way that the host chooses
// for it: that is asked again within a second.
func TestRecallAsksForTheTransportAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := newRecallRig(t, func(c *webhook.Config) {
			c.ResolveTransport = func(*webhook.Endpoint) string {
				asked++
				return ""
			}
		})
		for range 5 {
			time.Sleep(1100 * time.Millisecond)
			before := asked
			r.brings("/1")
			if asked == before {
				t.Error("an event more than a second after the one before went the old way")
			}
		}
	})
}

// What a Dispatch learned of an endpoint counts for what it stores, from the
// moment that it is stored: a claim may be faster than what follows.
func TestRecalledPauseComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		r := newRecallRig(t, func(c *webhook.Config) {
			c.Hooks.Dispatched = func(context.Context, *webhook.Message, webhook.Receipt) {
				if slow {
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
		r.set(webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "at-least-once", Ordered: true})
		r.brings("/1")
		before := len(r.recv.Requests())
		if err := r.store.SetStatus(t.Context(), "a", webhook.Paused, ""); err != nil {
			t.Fatal(err)
		}
		// Another dispatcher over the same store matches.
		if _, err := r.s.Match(t.Context(), webhook.Query{Scopes: []webhook.Scope{link1}, Type: "lead.created"}); err != nil {
			t.Fatal(err)
		}
		slow = true
		r.dispatch(leadCreated{Email: "x"}, link1)
		synctest.Wait()
		if n := len(r.recv.Requests()) - before; n != 0 {
			t.Errorf("%d requests to an endpoint that was paused before the event", n)
		}
	})
}
