package netguard_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
