package webhook_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

const overlap = 24 * time.Hour

// knows verifies with one key alone, as of the time at which each request
// arrived, and tells which of the requests it accepts.
func knows(t *testing.T, key signer.Key, reqs []webhooktest.Request) []bool {
	t.Helper()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	accepted := make([]bool, len(reqs))
	for i, r := range reqs {
		_, err := v.VerifyAt(r.At, r.Header, r.Body)
		accepted[i] = err == nil
	}
	return accepted
}

// rotate replaces the key of the endpoint, and keeps the old one for the
// overlap.
func rotate(r *rig, ep webhook.Endpoint, fresh signer.Key) {
	r.t.Helper()
	ep.Secrets = []signer.Key{fresh, ep.Secrets[0].Until(time.Now().Add(overlap))}
	r.set(ep)
}

// TestRotation sends one event each hour from a day before a rotation to a day
// after its overlap, some of which fail a few times first.
func TestRotation(t *testing.T) {
	for _, kind := range []struct {
		name     string
		generate func() signer.Key
	}{
		{name: "secret", generate: signer.GenerateSecret},
		{name: "key pair", generate: signer.GeneratePrivateKey},
	} {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config) {
					c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(90*time.Minute, 90*time.Minute, 90*time.Minute), Jitter: -1}}
					c.PollInterval = 10 * time.Second
				})
				recv := r.net.Receiver("a.example")
				ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Secrets: []signer.Key{kind.generate()}}
				first, second := ep.Secrets[0], kind.generate()
				r.set(ep)
				r.run()
				var rotated time.Time
				for hour := range 72 {
					if hour == 24 {
						rotate(r, ep, second)
						rotated = time.Now()
					}
					if hour%3 == 2 {
						recv.Script(webhooktest.Statuses(500, 500, 200)...)
					}
					r.dispatch(leadCreated{Email: "x@example.com"}, link1)
					time.Sleep(time.Hour)
				}
				for range 72 {
					if d := r.end(); d.State != webhook.Delivered {
						t.Errorf("a delivery ended %v: %s", d.State, d.Reason)
					}
				}
				judgeRotation(t, recv.Requests(), rotated, first, second)
			})
		})
	}
}

// judgeRotation wants each key accepted in its time. An edit is seen within a
// second, so the second after the rotation is either's.
func judgeRotation(t *testing.T, reqs []webhooktest.Request, rotated time.Time, first, second signer.Key) {
	t.Helper()
	byFirst, bySecond := knows(t, first, reqs), knows(t, second, reqs)
	var before, during, after, late int
	dispatched := map[string]time.Time{}
	for i, req := range reqs {
		if _, seen := dispatched[req.ID()]; !seen {
			dispatched[req.ID()] = req.At
		}
		wantFirst, wantSecond := true, true
		switch age := req.At.Sub(rotated); {
		case age < 0:
			before++
			wantSecond = false
		case age <= time.Second:
			wantSecond = bySecond[i]
		case age < overlap:
			during++
		default:
			after++
			wantFirst = false
			if dispatched[req.ID()].Before(rotated.Add(overlap)) {
				late++
			}
		}
		if byFirst[i] != wantFirst || bySecond[i] != wantSecond {
			t.Errorf("the request %v after the rotation is accepted by the old key: %v, by the new one: %v; want %v, %v",
				req.At.Sub(rotated), byFirst[i], bySecond[i], wantFirst, wantSecond)
		}
	}
	if before < 24 || during < 24 || after < 24 || late == 0 {
		t.Errorf("%d requests before, %d during, %d after the overlap, %d of them in flight at its end; want 24 and more of each, and one in flight",
			before, during, after, late)
	}
}

// TestRotationOfDeliveriesInFlight lets one delivery live from before the
// rotation to after the overlap: each of its attempts carries the keys of its
// own moment.
func TestRotationOfDeliveriesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step = 8 * time.Hour
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(slices.Repeat([]time.Duration{step}, 6)...), Jitter: -1, MaxAge: 100 * time.Hour}}
			c.PollInterval = 10 * time.Second
		})
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 500, 500, 500, 500, 500, 200)...)
		ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Secrets: []signer.Key{signer.GenerateSecret()}}
		first, second := ep.Secrets[0], signer.GenerateSecret()
		r.set(ep)
		r.run()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		time.Sleep(step + step/2)
		rotate(r, ep, second) // between the second attempt and the third
		if d := r.end(); d.State != webhook.Delivered {
			t.Fatalf("ended %v: %s", d.State, d.Reason)
		}
		reqs := recv.Requests()
		if got, want := knows(t, first, reqs), []bool{true, true, true, true, true, false, false}; !slices.Equal(got, want) {
			t.Errorf("who knows the old key accepts %v, want %v", got, want)
		}
		if got, want := knows(t, second, reqs), []bool{false, false, true, true, true, true, true}; !slices.Equal(got, want) {
			t.Errorf("who knows the new key accepts %v, want %v", got, want)
		}
	})
}

// TestRotationWithOneSignature is for schemes without lists: the oldest live
// key signs until its end, which is when receivers have to change.
func TestRotationWithOneSignature(t *testing.T) {
	for _, tt := range []struct {
		name     string
		rotation signer.Rotation
		want     []string // the key behind each request: before, during, after
	}{
		{name: "newest", rotation: signer.SignNewest, want: []string{"old", "new", "new"}},
		{name: "oldest", rotation: signer.SignOldest, want: []string{"old", "old", "new"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scheme := signer.GitHub()
				scheme.Rotation = tt.rotation
				sg, err := signer.NewScheme(scheme)
				if err != nil {
					t.Fatal(err)
				}
				r := newRig(t, func(c *webhook.Config) {
					c.Signers = []webhook.NamedSigner{{Name: "github", Signer: sg}}
					c.PollInterval = 10 * time.Second
				})
				recv := r.net.Receiver("a.example")
				keys := map[string]signer.Key{}
				for _, name := range []string{"old", "new"} {
					key, err := signer.RawSecret("the secret that is " + name)
					if err != nil {
						t.Fatal(err)
					}
					keys[name] = key
				}
				ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Secrets: []signer.Key{keys["old"]}}
				r.set(ep)
				r.run()
				r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				time.Sleep(time.Minute)
				rotate(r, ep, keys["new"])
				time.Sleep(time.Minute)
				r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				time.Sleep(overlap)
				r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				for range tt.want {
					r.end()
				}
				for i, req := range recv.Requests() {
					if got := req.Header.Get("X-Hub-Signature-256"); got != signed(t, sg, keys[tt.want[i]], req.Body) {
						t.Errorf("request %d is signed as %q, want the %s key's one signature", i, got, tt.want[i])
					}
				}
			})
		})
	}
}

func signed(t *testing.T, sg signer.Signer, key signer.Key, body []byte) string {
	t.Helper()
	r := signer.Request{
		ID: "msg_1", Time: time.Now(), Method: http.MethodPost, URL: "http://a.example/",
		Header: http.Header{}, Body: body, Keys: []signer.Key{key},
	}
	if err := sg.Sign(t.Context(), &r); err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return r.Header.Get("X-Hub-Signature-256")
}

// TestRetriesAreSignedAfresh holds that a retry has the id of its message and
// the time of its own attempt, under each scheme that sends one.
func TestRetriesAreSignedAfresh(t *testing.T) {
	stripe, err := signer.NewScheme(signer.Stripe())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signer.RawSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			p := retry.AtLeastOnce()
			p.Jitter = -1
			c.Policies = []retry.Policy{p}
			c.PollInterval = 10 * time.Second
			c.Signers = []webhook.NamedSigner{{Name: "both", Signer: signer.All(signer.Standard(), stripe)}}
		})
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 503, 429, 302, 200)...)
		key := signer.GenerateSecret()
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Secrets: []signer.Key{key, raw}})
		r.run()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if d := r.end(); d.State != webhook.Delivered || d.Attempts != 5 {
			t.Fatalf("ended %v after %d attempts, want delivered after 5", d.State, d.Attempts)
		}
		reqs := recv.Requests()
		v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}, Tolerance: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		signatures := map[string]bool{}
		for i, req := range reqs {
			got, err := v.VerifyAt(req.At, req.Header, req.Body)
			if err != nil {
				t.Errorf("attempt %d at its own time: %v", i+1, err)
			}
			if age := req.At.Sub(got.Time); age < 0 || age >= 2*time.Second {
				t.Errorf("attempt %d carries a time %v before it arrived, want less than 2s", i+1, age)
			}
			if req.ID() != reqs[0].ID() || req.ID() == "" {
				t.Errorf("attempt %d has the id %q, want %q", i+1, req.ID(), reqs[0].ID())
			}
			if string(req.Body) != string(reqs[0].Body) {
				t.Errorf("attempt %d has another body than the first", i+1)
			}
			signatures[req.Header.Get("Webhook-Signature")] = true
			signatures[req.Header.Get("Stripe-Signature")] = true
		}
		if len(signatures) != 2*len(reqs) {
			t.Errorf("%d attempts carry %d different signatures, want two new ones each", len(reqs), len(signatures))
		}
	})
}
