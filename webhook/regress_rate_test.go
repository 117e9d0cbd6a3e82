package webhook_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// No window of Rate.Per holds more than Limit, even where requests are slow and
// the claimer is busy with others.
func TestRateIsTakenWhenTheRequestIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		late := webhooktest.Answer{Delay: 2450 * time.Millisecond}
		recv := r.net.Receiver("a.example", late, late, webhooktest.Answer{})
		r.net.Receiver("busy.example")
		r.set(webhook.Endpoint{
			ID: "a", Scope: "link:2", URL: "http://a.example/", MaxConcurrent: 1,
			Rate: webhook.Rate{Limit: 8, Per: 5 * time.Second},
		})
		r.set(webhook.Endpoint{ID: "busy", Scope: link1, URL: "http://busy.example/"})
		for range 60 {
			r.dispatch(leadCreated{Email: "x"}, "link:2")
		}
		r.run()
		for range 20 * 20 { // keeps the claimer awake
			r.dispatch(leadCreated{Email: "y"}, link1)
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		reqs := recv.Requests()
		if len(reqs) != 60 {
			t.Errorf("%d requests, want 60", len(reqs))
		}
		worst := 0
		for i := range reqs {
			n := 0
			for j := i; j < len(reqs) && reqs[j].At.Sub(reqs[i].At) < 5*time.Second; j++ {
				n++
			}
			worst = max(worst, n)
		}
		if worst > 8 {
			t.Errorf("%d requests within 5 s under Rate{8, 5s}", worst)
		}
	})
}

// The rate of an endpoint is used in full by deliveries that wait.
func TestRateIsNotWasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.PollInterval = time.Second })
		recv := r.net.Receiver("a.example")
		r.set(webhook.Endpoint{
			ID: "a", Scope: link1, URL: "http://a.example/",
			Rate: webhook.Rate{Limit: 100, Per: time.Hour},
		})
		for range 300 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		r.run()
		time.Sleep(59 * time.Minute)
		if n := len(recv.Requests()); n != 100 {
			t.Errorf("%d requests in the first hour with 300 waiting under Rate{100, 1h}, want 100", n)
		}
		time.Sleep(151 * time.Minute)
		if n := len(recv.Requests()); n != 300 {
			t.Errorf("%d requests in three and a half hours, want 300", n)
		}
	})
}
