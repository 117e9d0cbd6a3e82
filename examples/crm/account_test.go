package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// site is an account with the lists 1 and 2, and a network in memory.
type site struct {
	*account
	t     *testing.T
	net   *webhooktest.Network
	ended chan webhook.Delivery
}

// newSite returns a site that runs until the test ends. Call it in a bubble.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, net: webhooktest.NewNetwork(t), ended: make(chan webhook.Delivery, 64)}
	host, err := newCRM(webhook.Config{
		Transports: []webhook.Transport{s.net.Transport()},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { s.ended <- d }},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.account = &account{crm: host, id: "acct1", lists: []int{1, 2}}
	running, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- host.d.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ran, host.d.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
		s.net.Close()
	})
	return s
}

// create registers a webhook on a receiver of its own, at a host of its name.
func (s *site) create(a *account, w Webhook) (string, *webhooktest.Receiver) {
	s.t.Helper()
	if w.Sources == nil {
		w.Sources = []Source{Public, Admin, API, System}
	}
	w.URL = "http://" + w.Name + ".example/"
	r := s.net.Receiver(w.Name + ".example")
	id, err := a.Create(s.t.Context(), w)
	if err != nil {
		s.t.Fatal(err)
	}
	return id, r
}

// fire fires an event that reaches n webhooks, and waits for their ends.
func (s *site) fire(e Event, n int) []webhook.Delivery {
	s.t.Helper()
	receipt, err := s.Fire(s.t.Context(), e)
	if err != nil || len(receipt.Deliveries) != n {
		s.t.Fatalf("Fire(%s) = %+v, %v, want %d deliveries", e.EventType(), receipt, err, n)
	}
	all := make([]webhook.Delivery, n)
	for i := range all {
		all[i] = <-s.ended
	}
	return all
}

func TestLists(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event Type
		lists []int
		want  string // the webhooks that are called, each once
	}{
		{name: "one list", event: Subscribe, lists: []int{1}, want: "all first"},
		{name: "two lists", event: Subscribe, lists: []int{1, 2}, want: "all first second"},
		{name: "no list", event: Subscribe, want: "all"},
		{name: "lists have no effect", event: ContactTagAdded, want: "all first second"},
		{name: "lists still have no effect", event: ContactTagAdded, lists: []int{1}, want: "all first second"},
		{name: "not selected", event: Unsubscribe, lists: []int{1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				events := []Type{Subscribe, ContactTagAdded}
				receivers := make(map[string]*webhooktest.Receiver)
				_, receivers["all"] = s.create(s.account, Webhook{Name: "all", Events: events})
				_, receivers["first"] = s.create(s.account, Webhook{Name: "first", List: 1, Events: events})
				_, receivers["second"] = s.create(s.account, Webhook{Name: "second", List: 2, Events: events})
				other := &account{crm: s.crm, id: "acct2", lists: []int{1}}
				_, receivers["other"] = s.create(other, Webhook{Name: "other", Events: events})
				_, receivers["another"] = s.create(other, Webhook{Name: "another", List: 1, Events: events})
				h := head(tt.event)
				h.Lists = tt.lists
				n := len(strings.Fields(tt.want))
				if tt.event == ContactTagAdded {
					s.fire(TagEvent{Head: h, Tag: "vip", Contact: sampleContact()}, n)
				} else {
					s.fire(ContactEvent{Head: h, Contact: sampleContact()}, n)
				}
				var called []string
				for name, r := range receivers {
					for range r.Requests() {
						called = append(called, name)
					}
				}
				slices.Sort(called)
				if got := strings.Join(called, " "); got != tt.want {
					t.Errorf("called %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		_, both := s.create(s.account, Webhook{Name: "both", Events: []Type{Update}, Sources: []Source{API, System}})
		e := ContactEvent{Head: head(Update), Contact: sampleContact()}
		for source, n := range map[Source]int{Public: 0, Admin: 0, API: 1, System: 1} {
			e.InitiatedFrom = source
			s.fire(e, n)
		}
		if n := len(both.Requests()); n != 2 {
			t.Errorf("%d requests, want those from api and system", n)
		}
		e.InitiatedFrom = "robot"
		if _, err := s.Fire(t.Context(), e); err == nil || !strings.Contains(err.Error(), "initiated_from") {
			t.Errorf("Fire from an unknown source = %v, want an error of initiated_from", err)
		}
	})
}

func TestNeverRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		_, r := s.create(s.account, Webhook{Name: "busy", Events: []Type{Update}})
		r.Script(webhooktest.Answer{Status: 503})
		d := s.fire(ContactEvent{Head: head(Update), Contact: sampleContact()}, 1)[0]
		time.Sleep(time.Hour)
		if n := len(r.Requests()); d.State != webhook.Failed || d.Attempts != 1 || n != 1 {
			t.Errorf("%v after %d attempts and %d requests, want failed after one", d.State, d.Attempts, n)
		}
	})
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		w := Webhook{Name: "gone", Events: []Type{Update}}
		id, r := s.create(s.account, w)
		r.Script(webhooktest.Answer{Status: 410})
		e := ContactEvent{Head: head(Update), Contact: sampleContact()}
		s.fire(e, 1)
		if d := s.fire(e, 1)[0]; d.State != webhook.Cancelled || len(r.Requests()) != 1 {
			t.Errorf("after 410 the next is %v, and %d requests arrived, want cancelled and one", d.State, len(r.Requests()))
		}
		w.URL, w.Sources = "http://gone.example/", []Source{Admin}
		if _, err := s.Create(t.Context(), w); err == nil || !strings.Contains(err.Error(), "delete it first") {
			t.Errorf("Create(%q) once more = %v, want an error", w.Name, err)
		}
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		r.Script(webhooktest.Answer{Status: 200})
		if d := s.fire(e, 1)[0]; d.State != webhook.Delivered || len(r.Requests()) != 2 {
			t.Errorf("after it was created anew the next is %v, want delivered", d.State)
		}
		if err := s.Delete(t.Context(), "acct2-1"); err == nil {
			t.Error("Delete of an unknown webhook = nil, want an error")
		}
	})
}

func TestSampleOfUnsavedWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("new.example", webhooktest.Answer{Status: 201, Body: "thanks"}, webhooktest.Answer{Status: 500})
		w := Webhook{Name: "new", List: 2, URL: "http://new.example/x", Events: []Type{Click}, Sources: []Source{Public}}
		a, err := s.SendSample(t.Context(), w, Click)
		if err != nil || a.Outcome != retry.Accepted || a.Status != 201 {
			t.Errorf("SendSample = %v, %v, want 201 accepted", a, err)
		}
		if got := r.Requests(); len(got) != 1 || string(got[0].Body) != kittest.Golden(t, "2-campaign-click") || got[0].Path != "/x" {
			t.Errorf("%d requests arrived, want the sample of click", len(got))
		}
		if a, err := s.SendSample(t.Context(), w, Click); err != nil || a.Status != 500 || a.Class != webhook.BadStatus {
			t.Errorf("SendSample = %v, %v, want the status 500 and no error", a, err)
		}
		if _, err := s.SendSample(t.Context(), w, "eaten"); !errors.Is(err, webhook.ErrNoSample) {
			t.Errorf("SendSample(eaten) = %v, want %v", err, webhook.ErrNoSample)
		}
		if set, err := s.crm.store.List(t.Context(), s.scope(2)); err != nil || len(set) != 0 {
			t.Errorf("%d webhooks are saved, %v, want none", len(set), err)
		}
		w.URL = "http://new.example/~x"
		if _, err := s.SendSample(t.Context(), w, Click); !brokenRule(err, "path-characters") || len(r.Requests()) != 2 {
			t.Errorf("SendSample(%s) = %v, want the rule path-characters and nothing sent", w.URL, err)
		}
	})
}

func TestStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("step.example")
		_, others := s.create(s.account, Webhook{Name: "others", Events: []Type{Update}})
		step := Step{Contact: sampleContact(), SeriesID: 11}
		if _, err := s.RunStep(t.Context(), "http://step.example/?a=b", step); err != nil {
			t.Fatal(err)
		}
		if d := <-s.ended; d.State != webhook.Delivered || len(r.Requests()) != 1 || len(others.Requests()) != 0 {
			t.Errorf("%v, %d requests and %d to others, want delivered, 1 and 0", d.State, len(r.Requests()), len(others.Requests()))
		}
		if _, err := s.RunStep(t.Context(), "http://step.example/?a=b~c", step); !brokenRule(err, "query-characters") {
			t.Errorf("RunStep = %v, want the rule query-characters", err)
		}
		step.SeriesID = 0
		var field *payload.FieldError
		if _, err := s.RunStep(t.Context(), "http://step.example/", step); !errors.As(err, &field) || field.Path != "seriesid" {
			t.Errorf("RunStep without a series = %v, want an error of seriesid", err)
		}
	})
}

func TestNoteOverTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		_, r := s.create(s.account, Webhook{Name: "notes", Events: []Type{SubscriberNote}})
		e := NoteEvent{Head: head(SubscriberNote), Contact: sampleContact()}
		e.Note = strings.Repeat("è", 1_000_000) // six bytes each, escaped
		s.fire(e, 1)
		if got := r.Requests(); len(got) != 1 || len(got[0].Body) < 6_000_000 {
			t.Errorf("%d requests, want a million characters in one", len(got))
		}
		e.Note = strings.Repeat("n", maxBody)
		if receipt, err := s.Fire(t.Context(), e); !errors.Is(err, payload.ErrTooLarge) || len(receipt.Deliveries) != 0 {
			t.Errorf("Fire = %+v, %v, want %v", receipt, err, payload.ErrTooLarge)
		}
	})
}

// brokenRule reports whether err says that a URL breaks this rule.
func brokenRule(err error, rule string) bool {
	var broken *webhook.URLError
	return errors.As(err, &broken) && broken.Rule == rule
}

func TestURLs(t *testing.T) {
	host, err := newCRM(webhook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ url, rule, says string }{
		{url: "https://r.example"},
		{url: "https://r.example:8443/"},
		{url: "https://r.example/a-b_c/$.+!*'(),/9?x=$-_.+!*'(),&y=&z"},
		{url: "https://r.example/caf%C3%A9?a=%7E&b=1%2F2"},
		{url: "https://r.example?a=b"},
		{url: "https://r.example/a/~b", rule: "path-characters", says: `segment 2 of the path holds '~'`},
		{url: "https://r.example/a;v=1", rule: "path-characters", says: `';'`},
		{url: "https://r.example/a:b", rule: "path-characters", says: `write it as %3A`},
		{url: "https://r.example/?a=1&b=sec~ret", rule: "query-characters", says: `the value of query parameter 2 holds '~'`},
		{url: "https://r.example/?a[]=1", rule: "query-characters", says: `the name of query parameter 1 holds '['`},
		{url: "https://r.example/?a=b=c", rule: "query-characters", says: `'='`},
		{url: "https://r.example/?a=b/c", rule: "query-characters", says: `'/'`},
		{url: "https://r.example/ü", rule: "escape"},
		{url: "https://r.example/%zz", rule: "escape"},
		{url: "https://10.0.0.1/", rule: "address"},
		{url: "ftp://r.example/", rule: "scheme"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			a := &account{crm: host, id: "acct1"}
			_, err := a.Create(t.Context(), Webhook{Name: "w", URL: tt.url, Events: []Type{Update}, Sources: []Source{API}})
			if tt.rule == "" {
				if err != nil {
					t.Errorf("Create(%s) = %v, want nil", tt.url, err)
				}
				if err := a.Delete(t.Context(), "acct1-1"); err != nil {
					t.Error(err)
				}
				return
			}
			if !brokenRule(err, tt.rule) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "sec~ret") {
				t.Errorf("Create(%s) = %v, want the rule %s and %q", tt.url, err, tt.rule, tt.says)
			}
		})
	}
}

func TestBadWebhooks(t *testing.T) {
	host, err := newCRM(webhook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a := &account{crm: host, id: "acct1", lists: []int{1}}
	good := Webhook{Name: "w", URL: "https://r.example/", List: 1, Events: []Type{Update}, Sources: []Source{API}}
	for _, tt := range []struct {
		name, want string
		change     func(*Webhook)
	}{
		{name: "name", want: "a name", change: func(w *Webhook) { w.Name = "" }},
		{name: "list", want: "no list 9", change: func(w *Webhook) { w.List = 9 }},
		{name: "no event", want: "an event", change: func(w *Webhook) { w.Events = nil }},
		{name: "unknown event", want: `no event "eaten"`, change: func(w *Webhook) { w.Events = []Type{"eaten"} }},
		{name: "no source", want: "a source", change: func(w *Webhook) { w.Sources = nil }},
		{name: "unknown source", want: `"robot"`, change: func(w *Webhook) { w.Sources = []Source{"robot"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := good
			tt.change(&w)
			if id, err := a.Create(t.Context(), w); err == nil || !strings.Contains(err.Error(), tt.want) || id != "" {
				t.Errorf("Create(%+v) = %q, %v, want %q in an error", w, id, err, tt.want)
			}
		})
	}
}

func TestTypes(t *testing.T) {
	c, err := newCatalog()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Names(), wireNames(); !slices.Equal(got, want) || len(got) != 25 {
		t.Errorf("the types are %q, want %q", got, want)
	}
	var bound []string
	for _, name := range c.Names() {
		if Type(name).OfLists() {
			bound = append(bound, name)
		}
	}
	want := "[forward open share sent subscribe unsubscribe update bounce reply click]"
	if got := fmt.Sprint(bound); got != want {
		t.Errorf("the types of lists are %s, want %s", got, want)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://r.example/a/b?c=d&e=%7E", "https://r.example?~", "://?&==%", "://?%&% ", "://?%20 ", ""} {
		f.Add(seed)
	}
	broken := regexp.MustCompile(`(?s)%([^0-9A-Fa-f]|$|.([^0-9A-Fa-f]|$))`)
	f.Fuzz(func(t *testing.T, raw string) {
		if broken.MatchString(raw) {
			return // Check refuses it before
		}
		if checkURL(raw) != nil {
			return
		}
		_, rest, _ := strings.Cut(raw, "://")
		tail := ""
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			tail = rest[i:]
		}
		for i := 0; i < len(tail); i++ {
			switch c := tail[i]; {
			case c == '%':
				i += 2
			case !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"+special+"/?&=", rune(c)) || c >= 0x80:
				t.Fatalf("checkURL(%q) = nil, want %q refused", raw, c)
			}
		}
	})
}
