package netguard_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
