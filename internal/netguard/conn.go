package netguard

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection that brings no more than its requests may.
type conn struct {
	net.Conn
	wire *Wire
	host *host

	// writes counts the calls of Write that began.
	writes atomic.Int64

	mu     sync.Mutex
	active int64     // requests under way
	left   int64     // bytes that may still come
	until  time.Time // nothing is written from then on; zero: no such time
}

// Write implements net.Conn. What is late is not written: the timer of a
// request's context runs apart from its writing, and when a process that stood
// still goes on, either may come first.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	until := c.until
	c.mu.Unlock()
	if !until.IsZero() && !time.Now().Before(until) {
		return 0, errLate
	}
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// exchangeKey finds the exchange in the context of a dial.
type exchangeKey struct{}

// dial makes connections that Close knows, dials under way included. net/http
// dials apart from the request that wants the connection; here a dial ends
// with its request, unless the request was served by another connection.
func (w *Wire) dial(dial Dial) Dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		e, ok := ctx.Value(exchangeKey{}).(*exchange)
		if !ok {
			return nil, errNotNeeded
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		key := &cancel // any pointer of its own
		if !w.add(key, cancel) {
			return nil, errClosed
		}
		defer w.remove(key)
		if !w.await(ctx, e, cancel) {
			return nil, errNotNeeded
		}
		raw, err := dial(ctx, network, addr)
		return w.dialled(e, raw, err)
	}
}

// dialled makes a connection of what a counted dial brought.
func (w *Wire) dialled(e *exchange, raw net.Conn, err error) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.abort = nil
	if err == nil && w.closed {
		_ = raw.Close() // nothing depends on it
		err = errClosed
	}
	if err != nil {
		w.count(e.host, 0, -1)
		return nil, err
	}
	c := &conn{Conn: raw, wire: w, host: e.host, left: handshake}
	w.open[c] = func() { _ = raw.Close() }
	return c, nil
}

func (w *Wire) add(key any, end func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.open[key] = end
	}
	return !w.closed
}

func (w *Wire) remove(key any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, key)
}

// begin makes room for the answer of one more request, which may bring each.
// A zero until lets it be written at any time.
func (c *conn) begin(each int64, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = min(c.left, c.active*each+slack) + each
	c.active++
	c.until = until
}

// end takes back what the answer did not use. The next request may have begun:
// net/http gives a connection back before the caller knows of the answer's end.
func (c *conn) end(each int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active--; c.active == 0 {
		c.until = time.Time{}
	}
	c.left = min(c.left, c.active*each+slack)
}

func (c *conn) grant(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left += n
}

// Read implements net.Conn. A connection that floods is closed.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left <= 0 && len(p) > 0 {
		_ = c.Close() // the flood is the error to report
		return 0, errFlood
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), left)])
	c.mu.Lock()
	c.left -= int64(n)
	c.mu.Unlock()
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	w := c.wire
	w.mu.Lock()
	if _, open := w.open[c]; open {
		delete(w.open, c)
		w.count(c.host, 0, -1)
	}
	w.mu.Unlock()
	return c.Conn.Close()
}
