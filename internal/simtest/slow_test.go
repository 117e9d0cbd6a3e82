package simtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// slowAnswers reads endpoints at once, and tells of them after wait.
type slowAnswers struct {
	webhook.EndpointStore
	wait time.Duration
	n    int // so many calls are slow
}

func (s *slowAnswers) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	found, err := s.EndpointStore.Endpoints(ctx, ids)
	if s.n > 0 {
		s.n--
		time.Sleep(s.wait)
	}
	return found, err
}

func TestASlowStoreDoesNotSendByWhatWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		slow int
	}{
		{name: "two slow answers", slow: 2},
		{name: "three", slow: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New(memstore.Options{})
				network := webhooktest.NewNetwork(t)
				recv := network.Receiver("a.example")
				ends := &slowAnswers{EndpointStore: store, wait: 1500 * time.Millisecond, n: tt.slow}
				p := startOne(t, webhook.Config{Endpoints: ends, Queue: store, Transports: []webhook.Transport{network.Transport()}})
				set(t, store, webhook.Endpoint{ID: "a", Scope: link, URL: "http://a.example/"})
				p.dispatch(t, happened{N: 1})
				time.Sleep(1600 * time.Millisecond) // the second read was made 100 ms ago
				if err := store.SetStatus(t.Context(), "a", webhook.Disabled, "moved"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := len(recv.Requests()); n != 0 {
					t.Errorf("an endpoint that was disabled 1.4 s before got %d requests, want none", n)
				}
				p.end(t)
				network.Close()
			})
		})
	}
}

// slowRates grants a request after a long while.
type slowRates struct{ *memstore.Store }

func (s slowRates) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	time.Sleep(3 * time.Second)
	return s.Store.Take(ctx, endpointID, n, rate)
}

func TestASlowGrantDoesNotSendByWhatWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Options{})
		network := webhooktest.NewNetwork(t)
		recv := network.Receiver("a.example")
		p := startOne(t, webhook.Config{Endpoints: store, Queue: slowRates{store}, Transports: []webhook.Transport{network.Transport()}})
		set(t, store, webhook.Endpoint{ID: "a", Scope: link, URL: "http://a.example/", Rate: webhook.Rate{Limit: 10, Per: time.Minute}})
		p.dispatch(t, happened{N: 1})
		time.Sleep(time.Second)
		if err := store.SetStatus(t.Context(), "a", webhook.Disabled, "moved"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(recv.Requests()); n != 0 {
			t.Errorf("an endpoint that was disabled 2 s before got %d requests, want none", n)
		}
		p.end(t)
		network.Close()
	})
}
