package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

const link1 webhook.Scope = "link:1"

func TestDispatchNeverWaitsForAReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.Receiver("hangs.example", webhooktest.Answer{Hang: true})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://hangs.example/", Policy: "fire-and-forget"})
		r.set(webhook.Endpoint{ID: "b", Scope: link1, URL: "http://hangs.example/", Name: "b"})
		r.run()
		start := time.Now()
		for range 10 {
			r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("10 dispatches took %v of virtual time, want none", waited)
		}
		if d := r.end(); d.EndpointID != "a" || d.State != webhook.Failed || d.Attempts != 1 {
			t.Errorf("ended %v %v after %d attempts, want a failed after 1", d.EndpointID, d.State, d.Attempts)
		}
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("given up after %v, want 5s", got)
		}
	})
}

func TestHangingReceiversKeepNobodyFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		healthy := r.net.Receiver("healthy.example")
		for i := range 64 {
			host := fmt.Sprintf("hangs%d.example", i)
			r.net.Receiver(host, webhooktest.Answer{Hang: true})
			r.set(webhook.Endpoint{ID: host, Scope: link1, URL: "http://" + host + "/", Policy: "fire-and-forget"})
		}
		r.set(webhook.Endpoint{ID: "healthy", Scope: link1, URL: "http://healthy.example/", Policy: "fire-and-forget"})
		r.run()
		start := time.Now()
		for range 3 {
			r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		}
		if _, err := healthy.Wait(context.Background(), 3); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("the healthy receiver got its third click after %v, want it within 500ms", took)
		}
	})
}

func TestStatusDecides(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status webhook.Status
		policy string
		want   webhook.State
	}{
		{name: "disabled stored", status: webhook.Disabled, policy: "at-least-once", want: webhook.Cancelled},
		{name: "disabled volatile", status: webhook.Disabled, policy: "fire-and-forget", want: webhook.Cancelled},
		{name: "paused volatile", status: webhook.Paused, policy: "fire-and-forget", want: webhook.Dropped},
		{name: "paused stored", status: webhook.Paused, policy: "at-least-once", want: webhook.Pending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				recv := r.net.Receiver("a.example")
				ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Policy: tt.policy, Status: tt.status}
				r.set(ep)
				r.run()
				receipt := r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				if got := receipt.Deliveries[0].State; got != tt.want {
					t.Errorf("state = %v, want %v", got, tt.want)
				}
				time.Sleep(10*time.Minute + 30*time.Second)
				if n := len(recv.Requests()); n != 0 {
					t.Errorf("the receiver got %d requests, want none", n)
				}
				if tt.want != webhook.Pending {
					return
				}
				d, _, err := r.store.Delivery(context.Background(), receipt.Deliveries[0].ID)
				if err != nil || d.State != webhook.Held || d.Attempts != 0 {
					t.Errorf("stored as %+v, %v; want held, no attempt counted", d, err)
				}
				if err := r.store.SetStatus(context.Background(), "a", webhook.Active, ""); err != nil {
					t.Fatal(err)
				}
				if err := r.d.Release(context.Background(), "a"); err != nil {
					t.Fatal(err)
				}
				if d := r.end(); d.State != webhook.Delivered || d.Attempts != 1 {
					t.Errorf("after release: %v after %d attempts, want delivered after 1", d.State, d.Attempts)
				}
			})
		})
	}
}

func TestAnEditTakesEffectWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "quick", Schedule: retry.Fixed(2 * time.Second), Jitter: -1}}
		})
		r.net.Receiver("old.example", webhooktest.Answer{Status: 500})
		moved := r.net.Receiver("new.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://old.example/"})
		r.run()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		synctest.Wait()
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://new.example/"})
		r.end()
		if n := len(moved.Requests()); n != 1 {
			t.Errorf("the new URL got %d requests, want 1", n)
		}
	})
}

func TestGoneDisables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disabled := make(chan string, 1)
		r := newRig(t, func(c *webhook.Config) {
			c.Hooks.EndpointDisabled = func(_ context.Context, id, _ string) { disabled <- id }
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 410})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if d := r.end(); d.State != webhook.Failed {
			t.Errorf("ended %v, want failed", d.State)
		}
		if id := <-disabled; id != "a" {
			t.Errorf("disabled %q, want a", id)
		}
		receipt := r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if got := receipt.Deliveries[0].State; got != webhook.Cancelled {
			t.Errorf("the next delivery is %v, want cancelled", got)
		}
		if n := len(recv.Requests()); n != 1 {
			t.Errorf("the receiver got %d requests, want 1", n)
		}
		ds, _, err := r.store.Deliveries(context.Background(), webhook.HistoryQuery{States: []webhook.State{webhook.Cancelled}})
		if err != nil || len(ds) != 1 {
			t.Errorf("history has %d cancelled deliveries (%v), want 1, so that a replay finds it", len(ds), err)
		}
	})
}

func TestRedeliverAndReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.Policies = []retry.Policy{retry.AtMostOnce()} })
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 500, 500, 200)...)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		first := r.dispatch(leadCreated{Email: "1@example.com", ID: "e1"}, link1)
		r.end()
		for _, id := range []string{"e2", "e3"} {
			r.dispatch(leadCreated{Email: id + "@example.com", ID: id}, link1)
			r.end()
		}
		again, err := r.d.Redeliver(context.Background(), first.Deliveries[0].ID)
		if err != nil {
			t.Fatalf("Redeliver: %v", err)
		}
		d := r.end()
		if d.State != webhook.Delivered || d.Of != first.Deliveries[0].ID || d.ID != again.Deliveries[0].ID {
			t.Errorf("redelivered as %+v", d)
		}
		reqs := recv.Requests()
		if string(reqs[3].Body) != string(reqs[0].Body) || reqs[3].ID() != first.MessageID {
			t.Errorf("redelivery sent %s as %s, want the first bytes and id", reqs[3].Body, reqs[3].ID())
		}
		replay := webhook.Replay{EndpointID: "a", Since: start, DryRun: true}
		if n, err := r.d.Replay(context.Background(), replay); n != 2 || err != nil {
			t.Errorf("dry run = %d, %v; want the 2 that nobody repeated", n, err)
		}
		replay.DryRun, replay.Limit = false, 1
		if n, err := r.d.Replay(context.Background(), replay); n != 1 || err != nil {
			t.Errorf("replay = %d, %v; want 1 by its limit", n, err)
		}
		r.end()
		if n, err := r.d.Replay(context.Background(), replay); n != 1 || err != nil {
			t.Errorf("the next replay = %d, %v; want the 1 that was left", n, err)
		}
		r.end()
		if n, err := r.d.Replay(context.Background(), replay); n != 0 || err != nil {
			t.Errorf("the last replay = %d, %v; want 0", n, err)
		}
		reqs = recv.Requests()
		if n := len(reqs); n != 6 {
			t.Fatalf("the receiver got %d requests, want 6", n)
		}
		if string(reqs[4].Body) != string(reqs[1].Body) || string(reqs[5].Body) != string(reqs[2].Body) {
			t.Errorf("replayed %s and %s, want e2 and then e3", reqs[4].Body, reqs[5].Body)
		}
	})
}

func TestRunDrainsAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.Receiver("slow.example", webhooktest.Answer{Delay: 2 * time.Second})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://slow.example/"})
		for range 50 {
			r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.d.Run(ctx) }()
		time.Sleep(time.Second)
		if err := r.d.Run(context.Background()); !errors.Is(err, webhook.ErrRunning) {
			t.Errorf("a second Run = %v, want ErrRunning", err)
		}
		cancel()
		start := time.Now()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the drain took %v, want no more than the requests under way", took)
		}
		delivered := len(r.ended)
		counts, err := r.store.Counts(context.Background())
		if err != nil || counts.Running != 0 || counts.Pending+delivered != 50 {
			t.Errorf("store has %+v and %d were delivered (%v), want 50 in all and none running", counts, delivered, err)
		}
		if err := r.d.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if err := r.d.Run(context.Background()); !errors.Is(err, webhook.ErrClosed) {
			t.Errorf("Run after Shutdown = %v, want ErrClosed", err)
		}
		if _, err := r.d.Dispatch(context.Background(), leadCreated{Email: "x@example.com"}, link1); !errors.Is(err, webhook.ErrClosed) {
			t.Errorf("Dispatch after Shutdown = %v, want ErrClosed", err)
		}
		r.net.Close()
	})
}

func TestVolatileNeedsNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		recv := r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Policy: "fire-and-forget"})
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if err := r.d.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if n := len(recv.Requests()); n != 1 {
			t.Errorf("the receiver got %d requests, want 1 before Shutdown returned", n)
		}
		receipt := r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if got := receipt.Deliveries[0]; got.State != webhook.Dropped || got.Reason != "shutdown" {
			t.Errorf("after Shutdown: %+v, want dropped(shutdown)", got)
		}
		r.net.Close()
	})
}

func TestDrainTimeoutInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.DrainTimeout = time.Second })
		r.net.Receiver("hangs.example", webhooktest.Answer{Hang: true})
		r.set(webhook.Endpoint{ID: "stored", Scope: link1, URL: "http://hangs.example/"})
		r.set(webhook.Endpoint{ID: "once", Scope: link1, URL: "http://hangs.example/", Policy: "at-most-once", Name: "o"})
		r.set(webhook.Endpoint{ID: "volatile", Scope: link1, URL: "http://hangs.example/", Policy: "fire-and-forget", Name: "v"})
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.d.Run(ctx) }()
		time.Sleep(100 * time.Millisecond)
		cancel()
		start := time.Now()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the drain took %v, want 1s", took)
		}
		got := map[string]webhook.State{}
		for len(r.ended) > 0 {
			d := <-r.ended
			got[d.EndpointID] = d.State
		}
		if got["once"] != webhook.Failed || got["volatile"] != webhook.Failed || len(got) != 2 {
			t.Errorf("ended %v, want once and volatile failed, and stored pending", got)
		}
		if c, _ := r.store.Counts(context.Background()); c.Pending != 1 || c.Running != 0 {
			t.Errorf("store has %+v, want one pending", c)
		}
		_ = r.d.Shutdown(context.Background())
		r.net.Close()
	})
}
