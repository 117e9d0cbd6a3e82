package netguard

import (
	"context"
	"net/url"
	"time"
)

// patience is how long a dial waits at most for a connection that ought to
// become free. It is for the unforeseen: a wait ends as soon as one is free,
// one is closed, or one more request begins.
const patience = time.Second

// hostKey is what connections are shared by.
type hostKey struct{ scheme, name, port string }

func keyOf(u *url.URL) hostKey {
	key := hostKey{scheme: u.Scheme, name: u.Hostname(), port: u.Port()}
	switch {
	case key.port != "":
	case key.scheme == "https":
		key.port = "443"
	default:
		key.port = "80"
	}
	return key
}

// host counts what goes on with one host. It is guarded by Wire.mu.
//
// net/http dials for each request that finds no idle connection, and keeps the
// result even where another connection became free in the meantime; so a few
// requests at a time open many connections. Here a dial waits while there are
// as many connections as requests, dials included: one of them is about to
// become free.
type host struct {
	key      hostKey
	requests int
	conns    int           // with dials
	changed  chan struct{} // closed at the next change; nil while nobody waits
}

// enter counts a request.
func (w *Wire) enter(key hostKey) *host {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[key]
	if h == nil {
		h = &host{key: key}
		w.hosts[key] = h
	}
	h.requests++
	h.wake()
	return h
}

// count adds to what is counted of h, and forgets h when nothing is left.
func (w *Wire) count(h *host, requests, conns int) {
	h.requests += requests
	h.conns += conns
	if h.requests == 0 && h.conns == 0 {
		delete(w.hosts, h.key)
	}
	h.wake()
}

func (h *host) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// await waits until the connection that e asked for is wanted, and counts it.
// It returns false when e needs none any more.
func (w *Wire) await(ctx context.Context, e *exchange, cancel context.CancelFunc) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for late := w.impatient; ; {
		w.mu.Lock()
		if e.served || e.ended || w.closed {
			w.mu.Unlock()
			return false
		}
		if late || e.host.conns < e.host.requests {
			e.host.conns++
			e.abort = cancel
			w.mu.Unlock()
			return true
		}
		if e.host.changed == nil {
			e.host.changed = make(chan struct{})
		}
		changed := e.host.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			late = true
		case <-ctx.Done():
			return false
		}
	}
}
