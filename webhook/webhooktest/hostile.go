package webhooktest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/pool"
	"github.com/outhook/outhook/webhook"
)

// Hazard is one way in which a receiver can harm its sender: see Hazards.
type Hazard struct {
	// Name tells hazards apart, as "gzip-bomb".
	Name string
	// Hangs says that an attempt ends with the sender's patience and with
	// nothing else: it takes all of its policy's Timeout.
	Hangs bool
	// TLS says that the receiver is reached over https, and not through a
	// Network: TLS waits in ways that a synctest bubble does not know.
	TLS bool

	certificate certificate
	http2       bool
	serve       func(p *peer)
}

// Hazards lists all of them, a fresh copy at each call: answers that have no
// end, that are slow, that are broken, that lead elsewhere, that carry control
// characters, TLS that fails, and HTTP/2 that asks for the same request again.
//
// A good sender sends each request once, records one attempt for it, keeps to
// its time and to little memory, and is left with no goroutine.
func Hazards() []Hazard {
	return slices.Concat(endlessHazards(), slowHazards(), brokenHazards(), redirectHazards(), textHazards(), tlsHazards(), http2Hazards())
}

// Hostile is a receiver with one hazard. Its methods may be called
// concurrently.
type Hostile struct {
	// URL is where it is to be reached.
	URL string

	hazard   Hazard
	listener net.Listener
	config   *tls.Config // of the server; nil for http
	roots    *x509.CertPool
	servers  *pool.Pool
	done     chan struct{}
	close    sync.Once

	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted int
	requests int
}

// NewHostile returns a receiver on loopback that ends with the test.
func NewHostile(tb testing.TB, h Hazard) *Hostile {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("webhooktest: %v", err)
	}
	s := newHostile(h, l)
	s.URL = "http://" + l.Addr().String() + "/hook"
	if h.TLS {
		s.URL = "https://" + l.Addr().String() + "/hook"
		if s.config, s.roots, err = h.certificate.make(h.http2); err != nil {
			tb.Fatalf("webhooktest: %v", err)
		}
	}
	tb.Cleanup(s.Close)
	s.start()
	return s
}

// Hostile adds a host with one hazard that needs no TLS. It ends with the
// network.
func (n *Network) Hostile(name string, h Hazard) *Hostile {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := newHostile(h, l)
	s.URL = "http://" + name + "/hook"
	n.add(name, &host{listener: l, end: s.Close})
	s.start()
	return s
}

func newHostile(h Hazard, l net.Listener) *Hostile {
	return &Hostile{
		hazard: h, listener: l, servers: pool.New(pool.Options{}),
		done: make(chan struct{}), open: make(map[net.Conn]bool),
	}
}

// Transport returns a profile, named "hostile", that reaches loopback, with
// TLS as a sender would use it.
func (s *Hostile) Transport() webhook.Transport {
	return webhook.Transport{Name: "hostile", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: s.roots}
}

// Requests returns how many requests have begun to arrive. A receiver that
// reads nothing counts each connection for one.
func (s *Hostile) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Conns returns how many connections were made.
func (s *Hostile) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Close ends the receiver and all its connections.
func (s *Hostile) Close() {
	s.close.Do(func() {
		close(s.done)
		_ = s.listener.Close()
		s.mu.Lock()
		for c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.servers.Wait()
	})
}

func (s *Hostile) start() {
	s.servers.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.servers.Go(func() { s.serve(c) })
		}
	})
}

func (s *Hostile) serve(raw net.Conn) {
	if !s.enter(raw) {
		return
	}
	defer s.leave(raw)
	c := raw
	if s.config != nil {
		c = tls.Server(raw, s.config)
	}
	s.hazard.serve(&peer{Conn: c, raw: raw, own: s, in: bufio.NewReaderSize(c, 4<<10)})
}

func (s *Hostile) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		_ = c.Close()
		return false
	default:
	}
	s.open[c] = true
	s.accepted++
	return true
}

func (s *Hostile) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	_ = c.Close()
}

// peer is the receiving side of one connection.
type peer struct {
	net.Conn
	raw net.Conn // below TLS
	own *Hostile
	in  *bufio.Reader

	mu  sync.Mutex // guards what frames are written through
	out []byte
}

// begun counts a request.
func (p *peer) begun() {
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	p.own.requests++
}

// header reads the header of the next request.
func (p *peer) header() (*http.Request, bool) {
	if _, err := p.in.Peek(1); err != nil {
		return nil, false
	}
	p.begun()
	req, err := http.ReadRequest(p.in)
	return req, err == nil
}

// request reads the next request whole.
func (p *peer) request() bool {
	req, ok := p.header()
	if !ok {
		return false
	}
	_, err := io.Copy(io.Discard, req.Body)
	return err == nil
}

// say writes, and reports whether there is somebody to write to.
func (p *peer) say(s string) bool {
	_, err := io.WriteString(p.Conn, s)
	return err == nil
}

// hang waits until the other side goes away.
func (p *peer) hang() { _, _ = io.Copy(io.Discard, p.in) }

// rest waits a moment; false means that the receiver ends.
func (p *peer) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.own.done:
		return false
	}
}

// once makes a hazard of a receiver that reads one request, answers by text
// and closes.
func once(name, text string) Hazard {
	return Hazard{Name: name, serve: func(p *peer) {
		if p.request() {
			p.say(text)
			p.finish()
		}
	}}
}

// finish lets what was written arrive: a close with unread input would reset
// the connection, and take the answer along.
func (p *peer) finish() {
	if c, ok := p.raw.(*net.TCPConn); ok && c.CloseWrite() == nil {
		p.hang()
	}
}

// forever makes a hazard of a receiver that reads one request, begins to
// answer and repeats a part until nobody listens any more.
func forever(name, begin, part string) Hazard {
	bytes := []byte(part)
	return Hazard{Name: name, serve: func(p *peer) {
		if !p.request() || !p.say(begin) {
			return
		}
		for {
			if _, err := p.Write(bytes); err != nil {
				return
			}
		}
	}}
}

// drip is forever with a pause before each part; the sender's time ends first.
func drip(name, begin, part string) Hazard {
	return Hazard{Name: name, Hangs: true, serve: func(p *peer) {
		if !p.request() || !p.say(begin) {
			return
		}
		for p.rest(50*time.Millisecond) && p.say(part) {
			continue
		}
	}}
}

func statusLine(status int) string {
	return "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n"
}
