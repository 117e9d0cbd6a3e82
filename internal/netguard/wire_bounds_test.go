package netguard_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
