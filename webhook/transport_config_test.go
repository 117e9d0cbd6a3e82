package webhook //nolint:testpackage // a Transport in use is not exported

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

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
