package webhook //nolint:testpackage // a Transport in use is not exported

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func open(t *testing.T, profile Transport) http.RoundTripper {
	t.Helper()
	rt, err := profile.build(4, nil)
	if err != nil {
		t.Fatalf("build(%v) = %v, want nil", profile, err)
	}
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		t.Cleanup(c.CloseIdleConnections)
	}
	return rt
}

func send(ctx context.Context, t *testing.T, rt http.RoundTripper, target string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.GetBody = nil
	return rt.RoundTrip(req)
}

// mustSend returns the status of the answer, having read it.
func mustSend(t *testing.T, rt http.RoundTripper, target string) int {
	t.Helper()
	resp, err := send(t.Context(), t, rt, target)
	if err != nil {
		t.Fatalf("RoundTrip = %v, want nil", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// wantError sends and returns the error, which must not be nil.
func wantError(t *testing.T, rt http.RoundTripper, target string) error {
	t.Helper()
	resp, err := send(t.Context(), t, rt, target)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("RoundTrip answered %d, want an error", resp.StatusCode)
	}
	return err
}

func poolOf(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(w, r.Body)
}

func TestTransportGuards(t *testing.T) {
	var seen atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer s.Close()
	port := s.Listener.Addr().(*net.TCPAddr).Port
	for _, tt := range []struct {
		name    string
		profile Transport
		host    string
		want    bool
	}{
		{name: "default", profile: Transport{Name: "x"}, host: "127.0.0.1"},
		{name: "default by name", profile: Transport{Name: "x"}, host: "localhost"},
		{name: "opened", profile: Transport{Name: "x", Private: loopback()}, host: "127.0.0.1", want: true},
		{name: "opened by name", profile: Transport{Name: "x", Private: loopback()}, host: "localhost", want: true},
		{name: "other prefix", profile: Transport{Name: "x", Private: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, host: "127.0.0.1"},
		{name: "denied", profile: Transport{Name: "x", Private: loopback(), Deny: loopback()}, host: "127.0.0.1"},
		{name: "own", profile: Transport{Name: "x", Private: loopback(), DenyOwn: true}, host: "127.0.0.1"},
		{name: "IPv4 only", profile: Transport{Name: "x", Private: loopback(), IPv4Only: true}, host: "localhost", want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HTTP_PROXY", s.URL)
			seen.Store(0)
			rt := open(t, tt.profile)
			target := fmt.Sprintf("http://%s:%d/?secret=1", tt.host, port)
			if tt.want {
				mustSend(t, rt, target)
			} else if err := wantError(t, rt, target); !errors.Is(err, netguard.ErrRefused) || strings.Contains(err.Error(), "secret") {
				t.Errorf("RoundTrip = %v, want %v without the URL", err, netguard.ErrRefused)
			}
			if got := seen.Load() == 1; got != tt.want {
				t.Errorf("the server was reached: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestTransportRequest(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	rt := open(t, Transport{Name: "x", Private: loopback()})
	if status := mustSend(t, rt, s.URL); status != http.StatusFound {
		t.Errorf("status %d, want 302 as it came", status)
	}
	for _, name := range []string{"Accept-Encoding", "Expect", "Cookie", "Referer", "Connection"} {
		if v, ok := got[name]; ok {
			t.Errorf("the request had %s: %v, want none", name, v)
		}
	}
}

func TestTransportProtocols(t *testing.T) {
	for _, tt := range []struct {
		name      string
		http1Only bool
		want      int
	}{
		{name: "HTTP/2", want: 2},
		{name: "HTTP/1.1 only", http1Only: true, want: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var major atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { major.Store(int64(r.ProtoMajor)) }))
			s.EnableHTTP2 = true
			s.StartTLS()
			defer s.Close()
			mustSend(t, open(t, Transport{Name: "x", Private: loopback(), RootCAs: poolOf(s), HTTP1Only: tt.http1Only}), s.URL)
			if got := int(major.Load()); got != tt.want {
				t.Errorf("the server saw HTTP/%d, want HTTP/%d", got, tt.want)
			}
		})
	}
}

// TestTransportMixedAnswer reports as the dialer does, whose own test resolves
// such names.
func TestTransportMixedAnswer(t *testing.T) {
	var logged bytes.Buffer
	var told string
	d, err := New(Config{
		Transports: []Transport{{Name: "x"}},
		Logger:     slog.New(slog.NewTextHandler(&logged, nil)),
		Hooks: Hooks{MixedAnswer: func(_ context.Context, host string, refused, allowed int) {
			told = fmt.Sprint(host, " ", refused, " ", allowed)
			panic("the host's own")
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	Transport{}.dialer(nil, d.mixedAnswer).Mixed("hook.example", 1, 2)
	if want := "hook.example 1 2"; told != want {
		t.Errorf("the hook was told %q, want %q", told, want)
	}
	if want := "host=hook.example refused=1 allowed=2"; !strings.Contains(logged.String(), want) {
		t.Errorf("the log is %s, want %s in it", logged.String(), want)
	}
}

// TestTransportPools counts connections: they are reused within a profile and
// never between two.
func TestTransportPools(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, concurrency := range []int{1, 4, 16} {
			t.Run(fmt.Sprintf("http2 %t, %d at a time", http2, concurrency), func(t *testing.T) {
				var conns atomic.Int64
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Millisecond)
					echo(w, r)
				}))
				s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						conns.Add(1)
					}
				}
				s.EnableHTTP2 = http2
				s.StartTLS()
				defer s.Close()
				profile := Transport{Name: "x", Private: loopback(), RootCAs: poolOf(s)}
				one, two := open(t, profile), open(t, profile)
				var wg sync.WaitGroup
				for range concurrency {
					wg.Go(func() {
						for range 100 / concurrency {
							resp, err := send(t.Context(), t, one, s.URL)
							if err != nil {
								t.Errorf("RoundTrip = %v, want nil", err)
								return
							}
							_, _ = io.Copy(io.Discard, resp.Body)
							_ = resp.Body.Close()
						}
					})
				}
				wg.Wait()
				if got := conns.Load(); got > int64(concurrency) {
					t.Errorf("100 requests opened %d connections, want at most %d", got, concurrency)
				}
				before := conns.Load()
				mustSend(t, two, s.URL)
				if got := conns.Load(); got != before+1 {
					t.Errorf("another profile opened %d connections, want 1", got-before)
				}
			})
		}
	}
}

func TestTransportBounds(t *testing.T) {
	bomb := new(bytes.Buffer)
	zw := gzip.NewWriter(bomb)
	_, _ = zw.Write(make([]byte, 10<<20))
	_ = zw.Close()
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
	})
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { <-release })
	s := httptest.NewServer(mux)
	defer s.Close()
	defer close(release)
	rt := open(t, Transport{Name: "x", Private: loopback(), HeaderTimeout: 50 * time.Millisecond})

	resp, err := send(t.Context(), t, rt, s.URL+"/bomb")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if n != int64(bomb.Len()) || err != nil {
		t.Errorf("read %d bytes of the bomb with error %v, want the %d of the wire", n, err, bomb.Len())
	}
	if err := wantError(t, rt, s.URL+"/headers"); !strings.Contains(err.Error(), "exceeded") {
		t.Errorf("RoundTrip with long headers = %v, want one that says exceeded", err)
	}
	var timeout net.Error
	if err := wantError(t, rt, s.URL+"/slow"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("RoundTrip to a slow server = %v, want a timeout", err)
	}
}

func TestTransportProxy(t *testing.T) {
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Store(r.RequestURI + " " + r.Header.Get("Proxy-Authorization"))
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("user", "pass")
	mustSend(t, open(t, Transport{Name: "x", Proxy: u}), "http://receiver.example/hook")
	if got, want := seen.Load(), "http://receiver.example/hook Basic dXNlcjpwYXNz"; got != want {
		t.Errorf("the proxy saw %q, want %q", got, want)
	}
}

func TestTransportOwnDialer(t *testing.T) {
	var asked string
	rt := open(t, Transport{Name: "x", DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		asked = network + " " + addr
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			if req, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			}
		}()
		return client, nil
	}})
	if got := mustSend(t, rt, "http://receiver.example/"); got != http.StatusNoContent {
		t.Errorf("status %d, want 204", got)
	}
	if want := "tcp receiver.example:80"; asked != want {
		t.Errorf("the dialer was asked for %q, want %q", asked, want)
	}
}
