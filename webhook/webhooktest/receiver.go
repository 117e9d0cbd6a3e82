// Package webhooktest helps hosts to test that their webhooks arrive: a
// receiver with scripted answers that records what it is sent, and a network
// in memory that reaches it without sockets, also in a testing/synctest bubble.
package webhooktest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Answer is what a Receiver answers to one request.
type Answer struct {
	// Status of the answer. Defaults to 200.
	Status int
	Header http.Header
	Body   string
	// Delay is how long the answer takes.
	Delay time.Duration
	// Hang lets the request wait until the sender gives up.
	Hang bool
}

// Request is one request as it arrived.
type Request struct {
	Method string
	Host   string
	Path   string // escaped, as on the request line
	Query  string // raw
	Header http.Header
	Body   []byte
	At     time.Time
}

// ID returns the message id that the request carries.
func (r Request) ID() string { return r.Header.Get("Webhook-Id") }

// Receiver is an http.Handler that answers by a script and remembers what it
// was sent. It is safe for concurrent use. The zero value answers 200 to all.
type Receiver struct {
	// MaxBody bounds how much of a body is read.
	//
	// Defaults to 8 MiB.
	MaxBody int64

	mu       sync.Mutex
	script   []Answer
	requests []Request
	arrived  chan struct{}
}

// NewReceiver returns a Receiver that gives these answers in order, and the
// last of them from then on; without any, 200.
func NewReceiver(script ...Answer) *Receiver { return &Receiver{script: script} }

// Statuses returns a script of bare statuses.
func Statuses(statuses ...int) []Answer {
	script := make([]Answer, len(statuses))
	for i, s := range statuses {
		script[i].Status = s
	}
	return script
}

// Script replaces what is left of the script.
func (r *Receiver) Script(script ...Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = script
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	limit := r.MaxBody
	if limit == 0 {
		limit = 8 << 20
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusRequestEntityTooLarge)
		return
	}
	a := r.record(Request{
		Method: req.Method, Host: req.Host, Path: req.URL.EscapedPath(), Query: req.URL.RawQuery,
		Header: req.Header.Clone(), Body: body, At: time.Now(),
	})
	if a.Hang {
		<-req.Context().Done()
		return
	}
	if a.Delay > 0 && !wait(req.Context(), a.Delay) {
		return
	}
	maps.Copy(w.Header(), a.Header)
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = io.WriteString(w, a.Body)
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Receiver) record(req Request) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req)
	if r.arrived != nil {
		close(r.arrived)
		r.arrived = nil
	}
	if len(r.script) == 0 {
		return Answer{}
	}
	a := r.script[0]
	if len(r.script) > 1 {
		r.script = r.script[1:]
	}
	return a
}

// Requests returns what has arrived so far, in order.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.requests...)
}

// Wait returns the requests once there are at least n of them, or what there
// is and ctx's error when that ends first.
func (r *Receiver) Wait(ctx context.Context, n int) ([]Request, error) {
	for {
		r.mu.Lock()
		if len(r.requests) >= n {
			got := append([]Request(nil), r.requests...)
			r.mu.Unlock()
			return got, nil
		}
		if r.arrived == nil {
			r.arrived = make(chan struct{})
		}
		arrived := r.arrived
		r.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return r.Requests(), ctx.Err()
		}
	}
}
