package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

const jsonType = "application/json"

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatalf("run(-print) = %v", err)
	}
	printed := kittest.ParsePrinted(t, out.String())
	want := []string{kittest.Golden(t, "3-task-extra"), kittest.Golden(t, "3-task-minimal")}
	if len(printed) != len(want) {
		t.Fatalf("run(-print) printed %d requests, want %d", len(printed), len(want))
	}
	for i, p := range printed {
		if p.ContentType != jsonType || p.Body != want[i] {
			t.Errorf("request %d = %q %s, want %q %s", i+1, p.ContentType, p.Body, jsonType, want[i])
		}
	}
	const document = `{"full_name":"Giulia Bianchi","phone":"+39344999888","email":"giulia@example.com",` +
		`"extra_fields":{"eta":29,"citta":"Milano","interesse":"Corso di Marketing"}}`
	if printed[0].Body != document {
		t.Errorf("the document's contact = %s, want %s", printed[0].Body, document)
	}
}

func TestStandalone(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	for _, want := range []string{
		"starts a task: call Giulia Bianchi, who is 29 and lives in Milano\n",
		"starts a task: write to giulia@example.com about: Corso di Marketing\n",
		`answers 422: the task asks for "extra_fields.interesse"`,
		"task-1, attempt 1: rejected", "task-1 is failed",
		"Ada Verdi is not dispatched: ", "email",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "/tasks/") || strings.Contains(out.String(), "attempt 2") {
		t.Errorf("want no task's URL and no second attempt in\n%s", out.String())
	}
}

// TestReceiver sends to examples/receiver in a process of its own, as to two
// tasks.
func TestReceiver(t *testing.T) {
	r := kittest.Start(t, kittest.Build(t))
	var out bytes.Buffer
	err := run(t.Context(), []string{"-to", r.URL + "/tasks/one", "-to", r.URL + "/tasks/two", "-allow-private"}, &out)
	if err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	got := r.Next(4)
	r.Silent() // nothing of the contact without an email
	arrived := make(map[string][]string)
	for _, req := range got {
		if req.Method != http.MethodPost || req.Header.Get("Content-Type") != jsonType {
			t.Errorf("%s %s arrived, want POST %s", req.Method, req.Header.Get("Content-Type"), jsonType)
		}
		arrived[req.Path] = append(arrived[req.Path], req.Body)
	}
	want := kittest.Golden(t, "3-task-extra") + "\n" + kittest.Golden(t, "3-task-minimal")
	for _, path := range []string{"/tasks/one", "/tasks/two"} {
		if bodies := strings.Join(arrived[path], "\n"); bodies != want {
			t.Errorf("%s got %s, want %s", path, bodies, want)
		}
	}
}

// open returns a source with an endpoint for each URL, whose requests go to h.
func open(t *testing.T, h http.Handler, urls ...string) *source {
	t.Helper()
	s := &source{store: memstore.New(memstore.Options{}), ended: make(chan webhook.Delivery, 64), story: new(bytes.Buffer)}
	var err error
	if s.d, err = webhook.New(s.config(policy(), webhook.Transport{Name: "direct", RoundTripper: direct{h}})); err != nil {
		t.Fatal(err)
	}
	if err := s.register(t.Context(), urls); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- s.d.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := errors.Join(s.d.Shutdown(context.Background()), <-ran); err != nil {
			t.Error(err)
		}
	})
	return s
}

// direct hands requests to a handler.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// deliver brings c to the one endpoint of s and returns the delivery.
func deliver(t *testing.T, s *source, c Contact) webhook.Delivery {
	t.Helper()
	receipt, err := s.d.Dispatch(t.Context(), c, s.tasks...)
	if err != nil || len(receipt.Deliveries) != 1 {
		t.Fatalf("Dispatch = %+v, %v, want one delivery", receipt, err)
	}
	return <-s.ended
}

func TestEscapes(t *testing.T) {
	var body string
	s := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		body = b.String()
	}), "https://tasks.example/tasks/1")
	deliver(t, s, Contact{
		FullName: "Zoë <b> & \"Co\" \\ \u2028", Phone: "+39\n1\t2", Email: "perché@example.com",
		ExtraFields: payload.Fields{{Name: "città", Value: "Forlì\x01\x7f"}, {Name: "null", Value: nil}, {Name: "x", Value: 0.1}},
	})
	if want := kittest.Golden(t, "3-task-escapes"); body != want {
		t.Errorf("sent %s, want %s", body, want)
	}
}

func TestBadContacts(t *testing.T) {
	saw := 0
	s := open(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { saw++ }), "https://tasks.example/tasks/1")
	good := examples()[0]
	for _, tt := range []struct {
		name, want string
		change     func(*Contact)
	}{
		{name: "no email", want: "email", change: func(c *Contact) { c.Email = "" }},
		{name: "blank phone", want: "phone", change: func(c *Contact) { c.Phone = " " }},
		{name: "no name", want: "full_name", change: func(c *Contact) { c.FullName = "" }},
		{name: "name of an extra field", want: `"a b"`, change: func(c *Contact) { c.ExtraFields = payload.Fields{{Name: "a b", Value: 1}} }},
		{name: "twice", want: "extra_fields.a is there twice", change: func(c *Contact) {
			c.ExtraFields = payload.Fields{{Name: "a", Value: 1}, {Name: "a", Value: 2}}
		}},
		{name: "nested", want: "extra_fields.a must be", change: func(c *Contact) {
			c.ExtraFields = payload.Fields{{Name: "a", Value: payload.Fields{{Name: "b", Value: 1}}}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			for _, scope := range []webhook.Scope{s.tasks[0], webhook.In("task", "nobody")} {
				receipt, err := s.d.Dispatch(t.Context(), c, scope)
				if !errors.Is(err, payload.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || len(receipt.Deliveries) != 0 {
					t.Errorf("Dispatch to %s = %+v, %v, want an error with %s", scope, receipt, err, tt.want)
				}
			}
		})
	}
	if d := deliver(t, s, good); d.State != webhook.Delivered || saw != 1 {
		t.Errorf("the good contact is %v and the receiver saw %d requests, want delivered and 1", d.State, saw)
	}
}

func TestRejected(t *testing.T) {
	for _, tt := range []struct {
		status   int
		want     webhook.State
		attempts int
	}{
		{status: 202, want: webhook.Delivered, attempts: 1},
		{status: 400, want: webhook.Failed, attempts: 1},
		{status: 422, want: webhook.Failed, attempts: 1},
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			s := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) }), "https://tasks.example/tasks/1")
			if d := deliver(t, s, examples()[0]); d.State != tt.want || d.Attempts != tt.attempts {
				t.Errorf("%d: %v after %d attempts, want %v after %d", tt.status, d.State, d.Attempts, tt.want, tt.attempts)
			}
		})
	}
}
