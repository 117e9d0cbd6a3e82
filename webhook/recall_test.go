package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// recallStore is a memstore that remembers what it matched, for any time, and
// counts what it is asked.
type recallStore struct {
	*memstore.Store

	// They may be nil: recalls is called instead of remembering, stores ahead of
	// storing.
	recalls func() ([]*webhook.Endpoint, any)
	stores  func() error

	mu       sync.Mutex
	kept     map[string]*matched
	matches  int
	checked  int
	enqueues int
}

// matched is what was found for a query.
type matched struct {
	q     webhook.Query
	found []*webhook.Endpoint
}

func key(q webhook.Query) string { return fmt.Sprint(q) }

func (s *recallStore) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.Store.Match(ctx, q)
	s.matches++
	s.kept[key(q)] = &matched{q: q, found: found}
	return found, err
}

func (s *recallStore) Recall(_ webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	if s.recalls != nil {
		return s.recalls()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.kept[key(q)]
	if m == nil {
		return nil, nil
	}
	return m.found, m
}

func (s *recallStore) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueues++
	if s.stores != nil {
		if err := s.stores(); err != nil {
			return nil, err
		}
	}
	if m, ok := b.Recalled.(*matched); ok {
		s.checked++
		if now, err := s.Store.Match(ctx, m.q); err != nil || !slices.Equal(now, m.found) {
			return nil, errors.Join(err, fmt.Errorf("recallStore: %w", webhook.ErrOutdated))
		}
	}
	return s.Store.Enqueue(ctx, b)
}

// asked returns how often Match was asked since the last time, and how often
// Enqueue had something to check.
func (s *recallStore) asked() (matches, checked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	matches, checked = s.matches, s.checked
	s.matches, s.checked = 0, 0
	return matches, checked
}

// recallRig is a rig over a recallStore, with an endpoint a, which got an event.
type recallRig struct {
	*rig

	s    *recallStore
	recv *webhooktest.Receiver
}

func newRecallRig(t *testing.T, change func(*webhook.Config)) *recallRig {
	t.Helper()
	x := &recallRig{}
	x.rig = newRig(t, func(c *webhook.Config) {
		store, ok := c.Queue.(*memstore.Store)
		if !ok {
			t.Fatalf("the rig's Queue is a %T", c.Queue)
		}
		x.s = &recallStore{Store: store, kept: make(map[string]*matched)}
		c.Queue, c.Endpoints = x.s, x.s
		if change != nil {
			change(c)
		}
	})
	x.recv = x.net.Receiver("a.example")
	x.set(webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "at-least-once"})
	x.run()
	x.brings("/1")
	x.s.asked()
	return x
}

// brings dispatches an event and compares the paths that it arrives at.
func (x *recallRig) brings(paths ...string) {
	x.t.Helper()
	before := len(x.recv.Requests())
	x.dispatch(leadCreated{Email: "x"}, link1)
	for range paths {
		if d := x.end(); d.State != webhook.Delivered {
			x.t.Errorf("the delivery to %s ended %v: %s", d.EndpointID, d.State, d.Reason)
		}
	}
	synctest.Wait()
	var got []string
	for _, q := range x.recv.Requests()[before:] {
		got = append(got, q.Path)
	}
	slices.Sort(got)
	if !slices.Equal(got, paths) {
		x.t.Errorf("the event arrived at %v, want %v", got, paths)
	}
}

// An event whose endpoints the store remembers costs no Match, whatever else
// changes; where they have changed, the event goes where it belongs, once.
func TestRecalledEndpoints(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*recallRig)
		paths   []string
		matches int
	}{
		{"unchanged", func(*recallRig) {}, []string{"/1"}, 0},
		{"another scope", func(x *recallRig) {
			x.set(webhook.Endpoint{ID: "b", Name: "b", Scope: webhook.In("link", "2"), URL: "http://a.example/2"})
		}, []string{"/1"}, 0},
		{"changed", func(x *recallRig) {
			x.set(webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/new", Policy: "at-least-once"})
		}, []string{"/new"}, 1},
		{"added", func(x *recallRig) {
			x.set(webhook.Endpoint{ID: "b", Name: "b", Scope: link1, URL: "http://a.example/2", Policy: "at-least-once"})
		}, []string{"/1", "/2"}, 1},
		{"added to everywhere", func(x *recallRig) {
			x.set(webhook.Endpoint{ID: "b", Name: "b", Scope: webhook.Everywhere, URL: "http://a.example/2", Policy: "at-least-once"})
		}, []string{"/1", "/2"}, 1},
		{"now volatile", func(x *recallRig) {
			x.set(webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "fire-and-forget"})
		}, []string{"/1"}, 1},
		{"removed", func(x *recallRig) {
			if err := x.store.Remove(x.t.Context(), "a"); err != nil {
				x.t.Fatalf("Remove: %v", err)
			}
		}, nil, 1},
		{"paused", func(x *recallRig) {
			if err := x.store.SetStatus(x.t.Context(), "a", webhook.Paused, ""); err != nil {
				x.t.Fatalf("SetStatus: %v", err)
			}
		}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newRecallRig(t, nil)
				tt.change(x)
				x.brings(tt.paths...)
				if matches, checked := x.s.asked(); matches != tt.matches || checked != 1 {
					t.Errorf("Match was asked %d times, and %d Enqueues had something to check; want %d and 1", matches, checked, tt.matches)
				}
			})
		})
	}
}

// What is not stored is not checked by storing it: Match is asked.
func TestRecallIsForWhatIsStored(t *testing.T) {
	for _, tt := range []struct {
		name     string
		endpoint webhook.Endpoint
		paths    []string
	}{
		{"volatile", webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "fire-and-forget"}, []string{"/1"}},
		{"mixed", webhook.Endpoint{ID: "b", Name: "b", Scope: link1, URL: "http://a.example/2", Policy: "fire-and-forget"}, []string{"/1", "/2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newRecallRig(t, nil)
				x.set(tt.endpoint)
				x.brings(tt.paths...)
				x.s.asked()
				x.brings(tt.paths...)
				if matches, checked := x.s.asked(); matches != 1 || checked != 0 {
					t.Errorf("Match was asked %d times, and %d Enqueues had something to check; want 1 and 0", matches, checked)
				}
			})
		})
	}
	t.Run("nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := newRecallRig(t, nil)
			other := webhook.In("link", "2")
			x.dispatch(leadCreated{Email: "x"}, other)
			x.set(webhook.Endpoint{ID: "b", Name: "b", Scope: other, URL: "http://a.example/2", Policy: "at-least-once"})
			x.dispatch(leadCreated{Email: "x"}, other)
			if d := x.end(); d.EndpointID != "b" {
				t.Errorf("the delivery that ended is of %q, want b's: it was registered before the event", d.EndpointID)
			}
		})
	})
	t.Run("in a transaction", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := newRecallRig(t, nil)
			tx := x.store.Begin()
			if _, err := x.d.DispatchTx(t.Context(), x.store.InTx(tx), leadCreated{Email: "x"}, link1); err != nil {
				t.Fatalf("DispatchTx: %v", err)
			}
			tx.Rollback()
			if matches, checked := x.s.asked(); checked != 0 {
				t.Errorf("Match was asked %d times, and %d Enqueues had something to check; want no check", matches, checked)
			}
		})
	})
}

// A store is asked what it remembers only where it checks that as well.
func TestRecallNeedsOneStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRecallRig(t, func(c *webhook.Config) {
			type endpoints struct{ webhook.EndpointStore }
			c.Endpoints = endpoints{c.Endpoints}
		})
		x.brings("/1")
		if matches, checked := x.s.asked(); matches != 1 || checked != 0 {
			t.Errorf("Match was asked %d times, and %d Enqueues had something to check; want 1 and 0", matches, checked)
		}
	})
}

// What the store remembers may lead to an error that is none: the event is
// looked at anew. What the store says to the storing itself is final.
func TestRecallThatFails(t *testing.T) {
	type outcome struct{ err, matched bool }
	away := errors.New("away")
	old := webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/1", Policy: "at-least-once"}
	for _, tt := range []struct {
		name  string
		spoil func(*recallStore)
		want  outcome
	}{
		{"it panics", func(s *recallStore) {
			s.recalls = func() ([]*webhook.Endpoint, any) { panic("recall") }
		}, outcome{matched: true}},
		{"it remembers nothing", func(s *recallStore) {
			s.recalls = func() ([]*webhook.Endpoint, any) { return nil, nil }
		}, outcome{matched: true}},
		{"it has nothing to check by", func(s *recallStore) {
			s.recalls = func() ([]*webhook.Endpoint, any) { return []*webhook.Endpoint{&old}, nil }
		}, outcome{matched: true}},
		{"an encoder refuses what is out of date", func(s *recallStore) {
			old := old
			old.Encoder = "refuses"
			s.recalls = func() ([]*webhook.Endpoint, any) { return []*webhook.Endpoint{&old}, &matched{} }
		}, outcome{matched: true}},
		{"the store is away", func(s *recallStore) {
			s.stores = func() error { return away }
		}, outcome{err: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newRecallRig(t, func(c *webhook.Config) {
					c.Encoders = map[string]payload.Encoder{"refuses": refuses{payload.JSON(payload.JSONOptions{})}}
				})
				tt.spoil(x.s)
				_, err := x.d.Dispatch(t.Context(), leadCreated{Email: "x"}, link1)
				matches, _ := x.s.asked()
				if got := (outcome{err: err != nil, matched: matches > 0}); got != tt.want {
					t.Errorf("Dispatch: %v after %d calls of Match; want %+v", err, matches, tt.want)
				}
				if err == nil {
					x.end()
				}
			})
		})
	}
}

// refuses is an encoder that carries nothing.
type refuses struct{ payload.Encoder }

func (refuses) Encode([]byte, *payload.Event) (payload.Body, error) {
	return payload.Body{}, errors.New("refused")
}
