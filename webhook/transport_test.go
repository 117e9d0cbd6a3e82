package webhook //nolint:testpackage // a Transport in use is not exported

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
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

func TestTransportTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	var unknown *tls.CertificateVerificationError
	if err := wantError(t, open(t, Transport{Name: "x", Private: loopback()}), s.URL); !errors.As(err, &unknown) {
		t.Errorf("RoundTrip = %v, want a certificate error", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	old.Config.ErrorLog = s.Config.ErrorLog
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	err := wantError(t, open(t, Transport{Name: "x", Private: loopback(), RootCAs: poolOf(old)}), old.URL)
	if !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("RoundTrip to TLS 1.1 = %v, want a version error", err)
	}
}

// certificate makes a client certificate with a name of its own.
func certificate(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestTransportClientCertificate rotates the certificate of a profile in use:
// open connections keep the one that they began with, new ones bring the new.
func TestTransportClientCertificate(t *testing.T) {
	for _, http1Only := range []bool{true, false} {
		t.Run(fmt.Sprintf("http1 only %t", http1Only), func(t *testing.T) {
			var name atomic.Value
			receiver := func() *httptest.Server {
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					name.Store(r.TLS.PeerCertificates[0].Subject.CommonName)
					if r.URL.Path == "/last" {
						w.Header().Set("Connection", "close")
					}
				}))
				s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
				s.EnableHTTP2 = true
				s.StartTLS()
				t.Cleanup(s.Close)
				return s
			}
			a, b := receiver(), receiver()
			var current atomic.Pointer[tls.Certificate]
			rt := open(t, Transport{
				Name: "x", Private: loopback(), RootCAs: poolOf(a), HTTP1Only: http1Only,
				ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.Load(), nil },
			})
			current.Store(certificate(t, "first"))
			want := func(why, url, cert string) {
				t.Helper()
				mustSend(t, rt, url)
				if got := name.Load(); got != cert {
					t.Errorf("%s brought the certificate %v, want %s", why, got, cert)
				}
			}
			want("the first connection", a.URL, "first")
			current.Store(certificate(t, "renewed"))
			want("the same connection", a.URL+"/last", "first")
			want("a connection to another host", b.URL, "renewed")
			if http1Only { // on HTTP/2 the server lets go of the connection later
				want("the next connection", a.URL, "renewed")
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

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportErrors(t *testing.T) {
	own := roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128"}
	for _, tt := range []struct {
		name    string
		profile Transport
		want    []string // none: no error
	}{
		{name: "zero", profile: Transport{}},
		{name: "own round tripper", profile: Transport{Name: "x", RoundTripper: own}},
		{name: "proxy and certificates", profile: Transport{Proxy: proxy, RootCAs: x509.NewCertPool()}},
		{name: "dialer and timeouts", profile: Transport{DialContext: dial, TLSTimeout: time.Second}},
		{name: "prefix", profile: Transport{Private: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/8")}}, want: []string{"write 10.0.0.0/8"}},
		{name: "negative", profile: Transport{DNSTimeout: -1, MaxIdle: -1}, want: []string{"DNSTimeout must not be negative", "MaxIdle must not be negative"}},
		{name: "proxy scheme", profile: Transport{Proxy: &url.URL{Scheme: "ftp", Host: "h"}}, want: []string{"http, https, socks5 or socks5h"}},
		{name: "proxy host", profile: Transport{Proxy: &url.URL{Scheme: "http", Host: ":3128"}}, want: []string{"a Proxy needs a host"}},
		{name: "proxy and private", profile: Transport{Proxy: proxy, Private: loopback()}, want: []string{"Private has no effect beside Proxy"}},
		{name: "dialer and guard", profile: Transport{DialContext: dial, Deny: loopback(), Proxy: proxy}, want: []string{"Deny has no effect beside DialContext", "Proxy has no effect"}},
		{name: "round tripper and all", profile: Transport{RoundTripper: own, DialContext: dial, HTTP1Only: true, MaxHeaderBytes: 1}, want: []string{"DialContext has no effect beside RoundTripper", "HTTP1Only", "MaxHeaderBytes"}},
		{name: "joined", profile: Transport{MaxIdle: -1, Proxy: &url.URL{}, NAT64: loopback()}, want: []string{"MaxIdle", "scheme", "RFC 6052", "beside Proxy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.profile.build(4, nil)
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("build(%v) = %v, want an error: %t", tt.profile, err, len(tt.want) > 0)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("build(%v) = %v, want %q in it", tt.profile, err, want)
				}
			}
		})
	}
}

func TestTransportKeepsSecrets(t *testing.T) {
	profile := Transport{
		Name: "partner", Private: loopback(),
		Proxy: &url.URL{Scheme: "http", User: url.UserPassword("user", "c4n4ry"), Host: "proxy.example:3128"},
	}
	var out bytes.Buffer
	for _, v := range []any{profile, &profile, []Transport{profile}, struct{ T Transport }{profile}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json.Marshal(%v) = %v, want nil", v, err)
		}
		out.Write(data)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "transport", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "transport", v)
	}
	_, err := (&Transport{Proxy: &url.URL{Scheme: "ftp", User: profile.Proxy.User, Host: "c4n4ry"}}).build(1, nil)
	fmt.Fprint(&out, err)
	if strings.Contains(out.String(), "c4n4ry") {
		t.Errorf("the output holds the canary:\n%s", out.String())
	}
	if want := `transport "partner" into [127.0.0.0/8] by proxy proxy.example:3128`; profile.String() != want {
		t.Errorf("String() = %s, want %s", profile.String(), want)
	}
}
