package netguard_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

// FuzzURL holds that a URL which the rules let through dials public addresses
// only, whatever its name resolves to: net/http is given the URL, and whatever
// it then wants to connect to is judged by a predicate of the test's own.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/hook?a=b", "http://8.8.8.8:8080/", "https://[2606:4700::1]/x", "http://[::ffff:8.8.8.8]/",
		"http://127.0.0.1/", "http://[::1]:80/", "http://0x7f.1/", "http://2130706433/", "http://localhost/",
		"http://:80/", "http://[::ffff:127.0.0.1%25lo]/", "http://a:b:c/", "http://１２７.0.0.1/", "http://x@y/",
		"http://127.0.0.1./", "http://h:25/", "http://xn--0.example/", "HTTP://H/", "http://[fe80::1%25eth0]/",
	} {
		f.Add(seed, []byte{127, 0, 0, 1}, []byte{8, 8, 8, 8})
	}
	f.Fuzz(func(t *testing.T, raw string, first, second []byte) {
		guard := mustGuard(t, netguard.Policy{})
		u, err := netguard.CheckURL(raw, netguard.URLRules{Guard: guard})
		if err != nil {
			return
		}
		var answer []string
		for _, b := range [][]byte{first, second} {
			if a, ok := netip.AddrFromSlice(b); ok {
				answer = append(answer, a.String())
			}
		}
		dns := newDNS(t, map[string][]string{u.Hostname(): {strings.Join(answer, " ")}})
		d := &netguard.Dialer{Guard: guard, Resolver: dns.resolver()}
		d.SetLast(func(address string) error {
			if ap, err := netip.ParseAddrPort(address); err != nil || !public(ap.Addr()) || ap.Port() == 0 {
				t.Errorf("CheckURL(%q) passed and dialled %q", raw, address)
			}
			return errStopped
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), http.NoBody)
		if err != nil {
			t.Fatalf("CheckURL(%q) passed and net/http does not take it: %v", raw, err)
		}
		transport := &http.Transport{DialContext: d.DialContext}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			t.Fatalf("RoundTrip(%q) = nil, want an error", raw)
		}
		if ctx.Err() != nil {
			t.Errorf("RoundTrip(%q) hung: %v", raw, err)
		}
	})
}

// FuzzControl holds that whatever text the dialer is given, no address but a
// public one passes and nothing panics.
func FuzzControl(f *testing.F) {
	for _, seed := range []string{":80", "", "127.0.0.1%lo:80", "[::]:80", "8.8.8.8:443", "[::ffff:8.8.8.8]:1", "[2606:4700::1]:443", "[::1%]:1"} {
		f.Add("tcp4", seed)
		f.Add("tcp6", seed)
	}
	f.Fuzz(func(t *testing.T, network, address string) {
		if mustGuard(t, netguard.Policy{}).Control(network, address, nil) != nil {
			return
		}
		if ap, err := netip.ParseAddrPort(address); err != nil || !public(ap.Addr()) {
			t.Errorf("Control(%q, %q) = nil, want refused", network, address)
		}
	})
}
