package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/go-playground/form/v4"
)

// advertiser is the other side, for the example that has nobody to send to: a
// shop that is busy at first, and knows whom it knows.
type advertiser struct {
	story io.Writer

	mu     sync.Mutex
	busy   int // requests that are still refused
	emails map[string]bool
}

// ServeHTTP implements http.Handler: 503 while busy, 400 for an address that is
// known, 200 for a new one.
func (a *advertiser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	var lead Lead
	if err := r.ParseForm(); err != nil || form.NewDecoder().Decode(&lead, r.PostForm) != nil {
		http.Error(w, "the body is no lead", http.StatusUnprocessableEntity)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.busy > 0:
		a.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(a.story, "  advertiser: %s, but I am busy: 503\n", lead.Email)
	case a.emails[lead.Email]:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(a.story, "  advertiser: %s is known already: 400\n", lead.Email)
	default:
		a.emails[lead.Email] = true
		fmt.Fprintf(a.story, "  advertiser: %s is new, thank you: 200\n", lead.Email)
	}
}
