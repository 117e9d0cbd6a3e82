package netguard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Window is how much of an answer a peer may send before somebody reads it,
// on HTTP/2. It goes into http.HTTP2Config.MaxReceiveBufferPerStream.
const Window = 16 << 10

const (
	// slack is what a connection may bring that no request asked for: what was
	// under way when a stream was reset, pings, settings.
	slack = Window + 16<<10
	// handshake is what a connection may bring before its first request:
	// certificates, above all.
	handshake = 256 << 10
)

var (
	errFlood  = errors.New("the peer sends more than was asked for")
	errLate   = fmt.Errorf("the request would have left too late: %w", context.DeadlineExceeded)
	errReplay = errors.New("the connection broke off, and nobody knows whether the request arrived")
	errClosed = errors.New("the transport is closed")
	// errNotNeeded ends a dial whose request has a connection, or has ended.
	errNotNeeded = errors.New("the connection is not needed any more")
)

// Dial is the signature of http.Transport.DialContext.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// Wire is an http.RoundTripper that puts one request on the wire at most once,
// and takes from a connection no more than its requests may bring.
//
// It also opens no more connections to a host than there are requests to it,
// ends a dial with the request that it is for, and on HTTP/1 writes nothing once
// the deadline of the request's context has passed, even where the process stood
// still in between.
//
// The first is needed because net/http sends a request again by itself when it
// has no body, or one that GetBody renews. The second is needed because a
// HTTP/2 peer that goes on sending after its stream was reset is read for ever.
type Wire struct {
	base *http.Transport
	each int64 // what one request may bring, besides what is read of its body

	// impatient dials whenever net/http does. It is for proxies, where
	// connections are not shared by host.
	impatient bool

	mu     sync.Mutex
	hosts  map[hostKey]*host
	open   map[any]func() // what Close has to end: connections and dials
	closed bool
}

// NewWire takes over t, whose connections it makes with dial.
func NewWire(t *http.Transport, dial Dial) *Wire {
	w := &Wire{
		base: t, each: 2*t.MaxResponseHeaderBytes + 2*Window, impatient: t.Proxy != nil,
		hosts: map[hostKey]*host{}, open: map[any]func(){},
	}
	t.DialContext = w.dial(dial)
	return w
}

// Close ends every connection and every dial. Requests after it fail.
func (w *Wire) Close() {
	w.mu.Lock()
	w.closed = true
	open := w.open
	w.open = map[any]func(){}
	w.mu.Unlock()
	for _, end := range open {
		end()
	}
	w.base.CloseIdleConnections()
}

// CloseIdleConnections is Close, under the name by which net/http knows it: it
// is for the end of the program part that sends, not for the time between.
func (w *Wire) CloseIdleConnections() { w.Close() }

// RoundTrip implements http.RoundTripper. Unlike http.Client it follows no
// redirect, sets no header of its own but those of net/http, and wraps no URL
// into its errors.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ex := &exchange{Context: req.Context(), wire: w, host: w.enter(keyOf(req.URL))}
	ex.trace.GotConn = ex.gotConn
	if req.Body == nil || req.Body == http.NoBody {
		ex.Context, ex.cancel = context.WithCancel(ex.Context)
	}
	ex.req = *req.WithContext(httptrace.WithClientTrace(ex, &ex.trace)) //nolint:contextcheck // ex is in req's context
	ex.req.GetBody = nil
	resp, err := w.base.RoundTrip(&ex.req)
	if err != nil {
		if ex.unsent() && ex.late() {
			err = errLate
		} else if ex.unsent() && ex.Err() == nil {
			err = &unsentError{err}
		}
		ex.end()
		if ex.replay {
			err = errReplay
		}
		return nil, err
	}
	if resp.Body == http.NoBody {
		ex.end()
		return resp, nil
	}
	ex.ReadCloser, resp.Body = resp.Body, ex
	return resp, nil
}

// exchange is one request, the context that it is made in, and the body of its
// answer: a request costs one of these, whatever it needs.
type exchange struct {
	context.Context //nolint:containedctx // it is a context, which finds itself
	io.ReadCloser

	req    http.Request // as net/http gets it
	wire   *Wire
	host   *host
	trace  httptrace.ClientTrace
	conn   *conn
	writes int64              // that conn had begun before this request
	shared bool               // conn carries other requests as well: HTTP/2
	cancel context.CancelFunc // set for requests that net/http would send again
	replay bool

	// These are guarded by Wire.mu.
	served, ended bool
	abort         context.CancelFunc // ends the dial for this request
}

// Value implements context.Context.
func (e *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return e
	}
	return e.Context.Value(key)
}

// gotConn is called in RoundTrip before anything is written.
func (e *exchange) gotConn(info httptrace.GotConnInfo) {
	if e.conn != nil && e.cancel != nil {
		// The second connection of a request without a body. HTTP/2 looks at
		// the context before it writes; HTTP/1 does not, but owns its
		// connection.
		e.replay = !e.unsent() || !e.late() // else the first one refused to write
		e.cancel()
		if !isHTTP2(info.Conn) {
			_ = info.Conn.Close() // nothing depends on it any more
		}
	}
	e.leave()
	if e.conn = unwrap(info.Conn); e.conn != nil {
		var until time.Time
		if e.shared = isHTTP2(info.Conn); !e.shared {
			until, _ = e.Deadline()
		}
		e.conn.begin(e.wire.each, until)
		e.writes = e.conn.writes.Load()
	}
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	e.served = true // its own dial, if it waits, will see it
}

func isHTTP2(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}

// ErrUnsent matches errors of requests of which no byte left: the connection
// that was to carry it had ended while it was idle. It may be sent again.
var ErrUnsent = errors.New("the idle connection had ended, nothing was sent")

type unsentError struct{ err error }

func (e *unsentError) Error() string        { return ErrUnsent.Error() + ": " + e.err.Error() }
func (e *unsentError) Is(target error) bool { return target == ErrUnsent }
func (e *unsentError) Unwrap() error        { return e.err }

// unsent reports whether nothing of a failed request was written. net/http
// closes an HTTP/1 connection before it fails its request, so that nothing is
// written later either.
func (e *exchange) unsent() bool {
	return e.conn != nil && !e.shared && e.conn.writes.Load() == e.writes
}

// late reports whether it is too late to send anything. The context may not
// know it yet.
func (e *exchange) late() bool {
	until, ok := e.Deadline()
	return ok && !time.Now().Before(until)
}

func unwrap(c net.Conn) *conn {
	for {
		if own, ok := c.(*conn); ok {
			return own
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = outer.NetConn()
	}
}

// Read implements io.Reader. What the caller took, the peer may send again.
func (e *exchange) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.conn != nil {
		e.conn.grant(int64(n))
	}
	return n, err
}

// Close implements io.Closer. What is left of the answer is not read: HTTP/1
// closes the connection, HTTP/2 resets the stream.
func (e *exchange) Close() error {
	err := e.ReadCloser.Close()
	e.end()
	return err
}

func (e *exchange) end() {
	e.leave()
	e.conn = nil
	if e.cancel != nil {
		e.cancel()
	}
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.ended {
		return
	}
	e.ended = true
	if e.abort != nil && !e.served {
		e.abort()
	}
	w.count(e.host, -1, 0)
}

func (e *exchange) leave() {
	if e.conn != nil {
		e.conn.end(e.wire.each)
	}
}
