package netguard_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

// counted counts what comes over the connections of a client.
type counted struct {
	net.Conn
	read, open *atomic.Int64
	once       sync.Once
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

type client struct {
	*netguard.Wire
	read, open, dials atomic.Int64
}

func newClient(t *testing.T, conf *tls.Config) *client {
	t.Helper()
	c := &client{}
	c.Wire = netguard.NewWire(&http.Transport{
		TLSClientConfig: conf, ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 100,
		MaxResponseHeaderBytes: 64 << 10,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: netguard.Window},
	}, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c.open.Add(1)
		c.dials.Add(1)
		return &counted{Conn: conn, read: &c.read, open: &c.open}, nil
	})
	t.Cleanup(c.Close)
	return c
}

// once is a body that cannot be sent twice.
type once struct{ r *strings.Reader }

func (o once) Read(p []byte) (int, error) { return o.r.Read(p) }
func (o once) Close() error               { return nil }

func post(ctx context.Context, t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Body, req.ContentLength = once{strings.NewReader(body)}, int64(len(body))
	}
	return req
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after 5s: %s", what)
		}
	}
}

// h1Server answers every request but those for /drop, on which it closes the
// connection.
func h1Server(t *testing.T, dropped *atomic.Int64, last *atomic.Value) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	serve := func(c net.Conn) {
		defer func() { _ = c.Close() }()
		for br := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if req.URL.Path == "/drop" {
				dropped.Add(1)
				last.Store(req)
				return
			}
			time.Sleep(20 * time.Millisecond) // so that several connections are opened
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	return "http://" + ln.Addr().String()
}

// TestOneRequestHTTP1 lets a server drop a request that came over one of eight
// idle connections. net/http alone sends it up to nine times.
func TestOneRequestHTTP1(t *testing.T) {
	for _, tt := range []struct{ name, method, body, key string }{
		{name: "body", method: http.MethodPost, body: "hello"},
		{name: "body and key", method: http.MethodPost, body: "hello", key: "k"},
		{name: "no body", method: http.MethodPost},
		{name: "no body and key", method: http.MethodPost, key: "k"},
		{name: "PUT without body and key", method: http.MethodPut, key: "k"},
		{name: "GET", method: http.MethodGet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var dropped atomic.Int64
			var last atomic.Value
			url := h1Server(t, &dropped, &last)
			c := newClient(t, nil)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if resp, err := c.RoundTrip(post(t.Context(), t, url+"/", "warm")); err == nil {
						_ = resp.Body.Close()
					}
				})
			}
			wg.Wait()
			req := post(t.Context(), t, url+"/drop", tt.body)
			req.Method = tt.method
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(tt.body)), nil }
			if tt.key != "" {
				req.Header.Set("Idempotency-Key", tt.key)
			}
			resp, err := c.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Error("RoundTrip = nil, want an error")
			}
			time.Sleep(20 * time.Millisecond) // a second one may be on its way
			if got := dropped.Load(); got != 1 {
				t.Errorf("the server got %d requests, want 1", got)
			}
			if got, _ := last.Load().(*http.Request); got != nil && (len(got.TransferEncoding) > 0 || got.ContentLength != int64(len(tt.body))) {
				t.Errorf("the request had length %d and encoding %v, want length %d", got.ContentLength, got.TransferEncoding, len(tt.body))
			}
		})
	}
}

// h2Server is a HTTP/2 server that knows just enough to be hostile.
type h2Server struct {
	addr     string
	conf     *tls.Config // for clients
	requests atomic.Int64
	conns    atomic.Int64
	resets   atomic.Int64
	// answer is called once for each request; it writes frames.
	answer func(w *frames, stream uint32)
}

// frames writes frames to one connection.
type frames struct {
	net.Conn
	mu sync.Mutex
}

func (f *frames) frame(kind, flags byte, stream uint32, payload []byte) error {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = append(binary.BigEndian.AppendUint32(b, stream), payload...)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.Write(b)
	return err
}

const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	endStream, endHeaders, ack = 1, 4, 1
)

func newH2Server(t *testing.T, answer func(w *frames, stream uint32)) *h2Server {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.EnableHTTP2 = true
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	pool := x509Pool(t, borrowed)
	borrowed.Close()

	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	s := &h2Server{addr: ln.Addr().String(), conf: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, answer: answer}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			wg.Go(func() { s.serve(&frames{Conn: c}, &wg) })
		}
	})
	return s
}

func (s *h2Server) serve(w *frames, wg *sync.WaitGroup) {
	defer func() { _ = w.Close() }()
	if _, err := io.ReadFull(w, make([]byte, 24)); err != nil {
		return
	}
	_ = w.frame(frameSettings, 0, 0, nil)
	for {
		var h [9]byte
		if _, err := io.ReadFull(w, h[:]); err != nil {
			return
		}
		payload := make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))
		if _, err := io.ReadFull(w, payload); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(h[5:])
		switch {
		case h[3] == frameHeaders:
			s.requests.Add(1)
			wg.Go(func() { s.answer(w, stream) })
		case h[3] == frameReset:
			s.resets.Add(1)
		case h[3] == frameSettings && h[4]&ack == 0:
			_ = w.frame(frameSettings, ack, 0, nil)
		case h[3] == framePing && h[4]&ack == 0:
			_ = w.frame(framePing, ack, 0, payload)
		}
	}
}

// TestOneRequestHTTP2 lets a server refuse a request in the ways after which
// net/http sends it again.
func TestOneRequestHTTP2(t *testing.T) {
	code := func(n byte) []byte { return []byte{0, 0, 0, n} }
	for _, way := range []struct {
		name   string
		answer func(w *frames, stream uint32)
	}{
		{name: "go away", answer: func(w *frames, _ uint32) {
			_ = w.frame(frameGoAway, 0, 0, make([]byte, 8))
			time.Sleep(5 * time.Millisecond)
			_ = w.Close()
		}},
		{name: "refused stream", answer: func(w *frames, stream uint32) { _ = w.frame(frameReset, 0, stream, code(7)) }},
		{name: "protocol error", answer: func(w *frames, stream uint32) { _ = w.frame(frameReset, 0, stream, code(1)) }},
		{name: "cancel", answer: func(w *frames, stream uint32) { _ = w.frame(frameReset, 0, stream, code(8)) }},
		{name: "close", answer: func(w *frames, _ uint32) { _ = w.Close() }},
	} {
		for _, body := range []string{"", "hello"} {
			t.Run(way.name+"/"+body, func(t *testing.T) {
				s := newH2Server(t, way.answer)
				c := newClient(t, s.conf)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				resp, err := c.RoundTrip(post(ctx, t, "https://"+s.addr+"/", body))
				if err == nil {
					_ = resp.Body.Close()
					t.Error("RoundTrip = nil, want an error")
				}
				if ctx.Err() != nil {
					t.Error("RoundTrip went on until the deadline")
				}
				time.Sleep(20 * time.Millisecond)
				if got := s.requests.Load(); got != 1 {
					t.Errorf("the server got %d requests, want 1 (error: %v)", got, err)
				}
			})
		}
	}
}

const readLimit = 4096

// readAndClose reads what a sender would, and closes.
func readAndClose(t *testing.T, resp *http.Response) {
	t.Helper()
	if n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, readLimit)); n != readLimit || err != nil {
		t.Errorf("read %d bytes with error %v, want %d", n, err, readLimit)
	}
	_ = resp.Body.Close()
}

// handshakeBytes is more than what TLS and the answer's header bring.
const handshakeBytes = 4 << 10

// TestEndlessAnswer holds that of an endless answer at most the limit and 64
// KiB are read.
func TestEndlessAnswer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		http2     bool
		length    string
		wantConns int64
	}{
		{name: "HTTP/1.1 chunked"},
		{name: "HTTP/1.1 with a length", length: "1000000000000"},
		{name: "HTTP/2", http2: true, wantConns: 1},
		{name: "HTTP/2 with a length", http2: true, length: "1000000000000", wantConns: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ended atomic.Bool
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer ended.Store(true)
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				for buf := make([]byte, 16<<10); ; {
					if _, err := w.Write(buf); err != nil {
						return
					}
				}
			}))
			s.EnableHTTP2 = tt.http2
			s.StartTLS()
			defer s.Close()
			c := newClient(t, &tls.Config{RootCAs: x509Pool(t, s), MinVersion: tls.VersionTLS12})
			resp, err := c.RoundTrip(post(t.Context(), t, s.URL, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // let it come
			readAndClose(t, resp)
			until(t, "the server notices", ended.Load)
			time.Sleep(20 * time.Millisecond)
			if got, most := c.read.Load(), int64(readLimit+64<<10+handshakeBytes); got > most {
				t.Errorf("%d bytes were read, want at most %d", got, most)
			}
			if got := c.open.Load(); got != tt.wantConns {
				t.Errorf("%d connections are open, want %d", got, tt.wantConns)
			}
		})
	}
}

// TestFlood holds that a HTTP/2 peer that ignores the end of a stream is cut
// off. net/http alone reads some 300 MB/s from it, for ever.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flood func(w *frames, stream uint32) error
	}{
		{name: "data", flood: func(w *frames, stream uint32) error {
			return w.frame(frameData, 0, stream, make([]byte, 16<<10))
		}},
		{name: "pings", flood: func(w *frames, _ uint32) error { return w.frame(framePing, 0, 0, make([]byte, 8)) }},
		{name: "settings", flood: func(w *frames, _ uint32) error { return w.frame(frameSettings, 0, 0, nil) }},
		{name: "headers", flood: func(w *frames, stream uint32) error {
			return w.frame(frameHeaders, endHeaders, stream, []byte{0x88})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reset := make(chan struct{})
			s := newH2Server(t, func(w *frames, stream uint32) {
				_ = w.frame(frameHeaders, endHeaders, stream, []byte{0x88}) // :status 200
				_ = w.frame(frameData, 0, stream, make([]byte, 8<<10))
				<-reset
				for tt.flood(w, stream) == nil {
					continue
				}
			})
			c := newClient(t, s.conf)
			resp, err := c.RoundTrip(post(t.Context(), t, "https://"+s.addr+"/", "hello"))
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
			until(t, "the stream is reset", func() bool { return s.resets.Load() > 0 })
			close(reset)
			until(t, "the connection is closed", func() bool { return c.open.Load() == 0 })
			if got, most := c.read.Load(), int64(readLimit+64<<10+handshakeBytes); got > most {
				t.Errorf("%d bytes were read, want at most %d", got, most)
			}
		})
	}
}

// TestAllowance holds that a peer which keeps to the rules is never cut off,
// however many answers of full size it sends at once and one after the other.
func TestAllowance(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 300<<10)
	for _, http2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("X-Long", strings.Repeat("h", 48<<10))
			_, _ = w.Write(body)
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		c := newClient(t, &tls.Config{RootCAs: x509Pool(t, s), MinVersion: tls.VersionTLS12})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 8 {
					resp, err := c.RoundTrip(post(t.Context(), t, s.URL, "hello"))
					if err != nil {
						t.Errorf("RoundTrip = %v, want nil", err)
						return
					}
					limit := int64(len(body) + 1)
					if (n+i)%3 == 0 {
						limit = readLimit // give some up half-way
					}
					if got, err := io.Copy(io.Discard, io.LimitReader(resp.Body, limit)); err != nil || got != min(limit, int64(len(body))) {
						t.Errorf("read %d bytes with error %v, want %d", got, err, min(limit, int64(len(body))))
					}
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		if dials := c.dials.Load(); http2 && dials > 8 {
			t.Errorf("HTTP/2 opened %d connections, want at most 8", dials)
		}
		s.Close()
	}
}

func TestWireClose(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	dialling := make(chan struct{})
	w := netguard.NewWire(&http.Transport{}, func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "hangs.test:80" {
			close(dialling)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	})
	resp, err := w.RoundTrip(post(t.Context(), t, s.URL, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	ended := make(chan error)
	go func() {
		resp, err := w.RoundTrip(post(t.Context(), t, "http://hangs.test/", "hello"))
		if err == nil {
			_ = resp.Body.Close()
		}
		ended <- err
	}()
	<-dialling
	w.Close()
	if err := <-ended; err == nil {
		t.Error("a dial that was under way at Close succeeded")
	}
	if resp, err := w.RoundTrip(post(t.Context(), t, s.URL, "hello")); err == nil {
		_ = resp.Body.Close()
		t.Error("RoundTrip after Close = nil, want an error")
	}
	w.Close()
}

// TestDialEndsWithRequest holds that no dial outlives the request that it is
// for, and that the next request is not kept waiting by it.
func TestDialEndsWithRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials, under atomic.Int64
		w := netguard.NewWire(&http.Transport{}, func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials.Add(1)
			under.Add(1)
			defer under.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		defer w.Close()
		for i := range int64(3) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if resp, err := w.RoundTrip(post(ctx, t, "http://hangs.test/", "hello")); err == nil {
				_ = resp.Body.Close()
				t.Error("RoundTrip = nil, want an error")
			}
			cancel()
			synctest.Wait()
			if got := under.Load(); got != 0 {
				t.Errorf("%d dials are under way after the request, want 0", got)
			}
			if got := dials.Load(); got != i+1 {
				t.Errorf("%d dials after %d requests", got, i+1)
			}
		}
	})
}

// TestDialsAsManyAsRequests answers slowly and connects more slowly still: a
// request that finds no idle connection gets the next one that becomes free.
func TestDialsAsManyAsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		var servers sync.WaitGroup
		w := netguard.NewWire(&http.Transport{MaxIdleConnsPerHost: 100, MaxResponseHeaderBytes: 64 << 10}, func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			time.Sleep(300 * time.Millisecond)
			client, server := net.Pipe()
			servers.Go(func() {
				for br := bufio.NewReader(server); ; {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					time.Sleep(100 * time.Millisecond)
					_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			return client, nil
		})
		const workers = 4
		var wg sync.WaitGroup
		start := time.Now()
		for i := range workers {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 70 * time.Millisecond)
				for range 25 {
					resp, err := w.RoundTrip(post(t.Context(), t, "http://receiver.test/", "hello"))
					if err != nil {
						t.Errorf("RoundTrip = %v, want nil", err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if got := dials.Load(); got > workers {
			t.Errorf("%d requests at a time opened %d connections", workers, got)
		}
		// 25 answers of 100 ms, a dial, and the late start of the last worker.
		if got, most := time.Since(start), 3200*time.Millisecond; got > most {
			t.Errorf("the requests took %v, want at most %v", got, most)
		}
		w.Close()
		servers.Wait()
	})
}

// TestDialPatience holds that a request which waits for another's dial does
// not wait for long.
func TestDialPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		var servers sync.WaitGroup
		w := netguard.NewWire(&http.Transport{MaxIdleConnsPerHost: 100, MaxResponseHeaderBytes: 64 << 10}, func(ctx context.Context, _, _ string) (net.Conn, error) {
			if dials.Add(1) == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			client, server := net.Pipe()
			servers.Go(func() {
				for br := bufio.NewReader(server); ; {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					d, _ := time.ParseDuration(req.URL.Query().Get("for"))
					time.Sleep(d)
					_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
			return client, nil
		})
		var wg sync.WaitGroup
		for _, r := range []struct{ at, takes, ends time.Duration }{
			{at: 0, takes: time.Second, ends: time.Second},                                                     // makes the first connection
			{at: 500 * time.Millisecond, takes: 9 * time.Second, ends: 10 * time.Second},                       // dials in vain, then takes it over
			{at: 2 * time.Second, takes: time.Second, ends: 4 * time.Second},                                   // waits a second
			{at: 4500 * time.Millisecond, takes: time.Second, ends: 5500 * time.Millisecond},                   // finds it idle
			{at: 5 * time.Second, takes: 3 * time.Second, ends: 8500 * time.Millisecond},                       // takes it over in its turn, and its dial is let be
			{at: 20 * time.Second, takes: 100 * time.Millisecond, ends: 20*time.Second + 100*time.Millisecond}, // as ever
		} {
			wg.Go(func() {
				start := time.Now()
				time.Sleep(r.at)
				resp, err := w.RoundTrip(post(t.Context(), t, "http://receiver.test/?for="+r.takes.String(), "hello"))
				if err != nil {
					t.Errorf("RoundTrip at %v = %v, want nil", r.at, err)
					return
				}
				_ = resp.Body.Close()
				if got := time.Since(start); got != r.ends {
					t.Errorf("the request at %v ended at %v, want %v", r.at, got, r.ends)
				}
			})
		}
		wg.Wait()
		if got := dials.Load(); got != 3 {
			t.Errorf("%d dials, want 3", got)
		}
		w.Close()
		servers.Wait()
	})
}

func BenchmarkWire(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer s.Close()
	dialer := new(net.Dialer)
	plain := &http.Transport{DisableCompression: true, DialContext: dialer.DialContext}
	wire := netguard.NewWire(&http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}, dialer.DialContext)
	defer wire.Close()
	defer plain.CloseIdleConnections()
	for _, bb := range []struct {
		name string
		rt   http.RoundTripper
	}{{name: "net/http", rt: plain}, {name: "wire", rt: wire}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL, http.NoBody)
				if err != nil {
					b.Fatal(err)
				}
				req.Body, req.ContentLength = once{strings.NewReader("hello")}, 5
				resp, err := bb.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

func x509Pool(t *testing.T, s *httptest.Server) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}
