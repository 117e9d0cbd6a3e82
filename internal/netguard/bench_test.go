package netguard_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"testing"

	"github.com/outhook/outhook/internal/netguard"
)

// BenchmarkControl is measured beside BenchmarkHMAC: the dial check is to cost
// at most twice as much, and to allocate nothing.
func BenchmarkControl(b *testing.B) {
	for _, bb := range []struct {
		name, network, address string
		policy                 netguard.Policy
	}{
		{name: "ipv4", network: "tcp4", address: "93.184.216.34:443"},
		{name: "ipv6", network: "tcp6", address: "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443"},
		{name: "ipv6 with everything", network: "tcp6", address: "[64:ff9b::5db8:d822]:443", policy: netguard.Policy{
			Allow: prefixes("10.0.0.0/8", "fd00::/8"), Deny: prefixes("198.60.0.0/16", "2a00:1::/32"),
			NAT64: prefixes("64:ff9b::/96"), DenyOwn: true,
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			g := mustGuard(b, bb.policy)
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Control(bb.network, bb.address, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHMAC(b *testing.B) {
	body := make([]byte, 1024)
	mac := hmac.New(sha256.New, make([]byte, 32))
	sum := make([]byte, 0, sha256.Size)
	b.ReportAllocs()
	for b.Loop() {
		mac.Reset()
		mac.Write(body)
		sum = mac.Sum(sum[:0])
	}
}

func BenchmarkCheckURL(b *testing.B) {
	rules := netguard.URLRules{Guard: mustGuard(b, netguard.Policy{})}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := netguard.CheckURL("https://hooks.example.com/services/T0/B0/x?secrettoken=y", rules); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	g := mustGuard(t, netguard.Policy{NAT64: prefixes("64:ff9b::/96"), Allow: prefixes("10.0.0.0/8"), DenyOwn: true})
	addr := netip.MustParseAddr("8.8.8.8")
	for _, tt := range []struct {
		name string
		run  func() error
	}{
		{name: "Check", run: func() error { return g.Check(addr) }},
		{name: "Control 4", run: func() error { return g.Control("tcp4", "8.8.8.8:443", nil) }},
		{name: "Control 6", run: func() error { return g.Control("tcp6", "[2606:4700::1]:443", nil) }},
		{name: "Control NAT64", run: func() error { return g.Control("tcp6", "[64:ff9b::808:808]:443", nil) }},
		{name: "Control opened", run: func() error { return g.Control("tcp4", "10.0.0.250:443", nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, func() {
				if err := tt.run(); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%s allocates %v times, want 0", tt.name, got)
			}
		})
	}
}
