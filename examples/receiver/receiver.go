package main

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/outhook/outhook/signer"
)

// maxBody bounds what is read of a request, in bytes.
const maxBody = 8 << 20

// receiver prints requests and answers them.
type receiver struct {
	verifier *signer.Verifier // nil: signatures are not checked
	delay    time.Duration
	body     string
	print    func(io.Writer, *request) error

	mu       sync.Mutex
	out      io.Writer
	statuses []int // what is left of them; the last one stays
	count    int
}

// request is one request as it arrived.
type request struct {
	N         int         `json:"n"`
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	Query     string      `json:"query"`
	Header    http.Header `json:"header"`
	Body      string      `json:"body"`
	Signature string      `json:"signature"` // "verified", "not checked", or what is wrong
	Status    int         `json:"status"`    // of the answer
}

// ServeHTTP implements http.Handler. A request is printed before it is
// answered, so that whoever has the answer finds it printed.
func (rv *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read, or is too long", http.StatusRequestEntityTooLarge)
		return
	}
	req := &request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Header: r.Header, Body: string(body), Signature: "not checked",
	}
	if rv.verifier != nil {
		req.Signature = "verified"
		if _, err := rv.verifier.Verify(r.Header, body); err != nil {
			req.Signature, req.Status = err.Error(), http.StatusUnauthorized
		}
	}
	if err := rv.note(req); err != nil {
		http.Error(w, "the request could not be printed", http.StatusInternalServerError)
		return
	}
	if !wait(r, rv.delay) {
		return
	}
	if req.Status >= 300 && req.Status < 400 {
		// Whoever follows shows it by a second request.
		w.Header().Set("Location", "/followed")
	}
	w.WriteHeader(req.Status)
	_, _ = io.WriteString(w, rv.body)
}

// note numbers and prints a request, and gives it the next status unless it
// has one.
func (rv *receiver) note(req *request) error {
	rv.mu.Lock()
	defer rv.mu.Unlock()
	rv.count++
	req.N = rv.count
	if req.Status == 0 {
		req.Status = rv.statuses[0]
		if len(rv.statuses) > 1 {
			rv.statuses = rv.statuses[1:]
		}
	}
	return rv.print(rv.out, req)
}

// wait waits for d, and reports whether the sender did too.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
