package netguard_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/outhook/outhook/internal/netguard"
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func mustGuard(tb testing.TB, p netguard.Policy) *netguard.Guard {
	tb.Helper()
	g, err := netguard.New(p)
	if err != nil {
		tb.Fatalf("New(%+v) = %v, want nil", p, err)
	}
	return g
}

// defaultVerdicts are judged by the zero Policy: the first, the last and an
// inner address of each special block, and their public neighbours.
func defaultVerdicts() map[string]bool {
	verdicts := map[string]bool{}
	for a := range strings.FieldsSeq(`
		0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255
		10.0.0.0 10.0.0.1 10.255.255.255
		100.64.0.0 100.96.0.96 100.100.100.200 100.127.255.255
		127.0.0.0 127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.255
		168.63.129.16
		169.254.0.0 169.254.169.254 169.254.170.2 169.254.170.23 169.254.255.255
		172.16.0.0 172.16.0.1 172.20.10.5 172.31.255.255
		192.0.0.0 192.0.0.7 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255
		192.0.2.0 192.0.2.1 192.0.2.255
		192.31.196.0 192.31.196.1 192.31.196.255
		192.52.193.0 192.52.193.1 192.52.193.255
		192.88.99.0 192.88.99.1 192.88.99.255
		192.168.0.0 192.168.1.1 192.168.255.255
		192.175.48.0 192.175.48.1 192.175.48.255
		198.18.0.0 198.18.0.1 198.19.255.255
		198.51.100.0 198.51.100.1 198.51.100.255
		203.0.113.0 203.0.113.1 203.0.113.255
		224.0.0.0 224.0.0.1 239.255.255.255
		240.0.0.0 240.0.0.1 255.255.255.254 255.255.255.255

		:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff
		::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:192.168.1.1
		::ffff:100.64.0.1 ::ffff:172.16.0.1 ::ffff:255.255.255.255 ::ffff:7f00:1
		::ffff:0:7f00:1 ::ffff:0:808:808
		64:ff9b::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1:ffff:ffff:ffff:ffff:ffff
		100:: 100::1 100:0:0:1:: 100:0:0:1::1
		200::1 3ff::1 400::1 1000::1 1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
		2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:1::2 2001:1::3 2001:2::1 2001:3::1
		2001:4:112::1 2001:5::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
		2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
		2002:: 2002:7f00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
		2620:4f:8000:: 2620:4f:8000::1 2620:4f:8000:ffff:ffff:ffff:ffff:ffff
		3fff:: 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
		4000:: 4000::1 5f00::1 8000::1 a000::1 c000::1 e000::1
		fc00:: fc00::1 fd00::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
		fe00::1 fe80:: fe80::1 fe80::a9fe:a9fe febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
		fec0::1 feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ff00:: ff02::1 ff0e::1
		fe80::1%eth0 2606:4700::1%eth0 ::1%lo ::ffff:8.8.8.8%eth0`) {
		verdicts[a] = false
	}
	for a := range strings.FieldsSeq(`
		1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0
		100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
		168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0
		172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0
		192.31.195.255 192.31.197.0 192.52.192.255 192.52.194.0 192.88.98.255 192.88.100.0
		192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0
		198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
		::ffff:8.8.8.8 ::ffff:1.1.1.1 ::ffff:808:808
		2000::1 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2003::1
		2600::1 2606:4700:4700::1111 2620:4f:7fff::1 2620:4f:8001::1 2620:fe::fe
		2a00:1450::1 3000::1 3ffe:ffff::1 3fff:1000::1`) {
		verdicts[a] = true
	}
	return verdicts
}

func TestCheckDefault(t *testing.T) {
	g := mustGuard(t, netguard.Policy{})
	verdicts := defaultVerdicts()
	if len(verdicts) < 200 {
		t.Fatalf("the table has %d rows, want at least 200", len(verdicts))
	}
	for text, want := range verdicts {
		addr := netip.MustParseAddr(text)
		if err := g.Check(addr); (err == nil) != want {
			t.Errorf("Check(%s) = %v, want allowed: %t", text, err, want)
		}
		network := "tcp6"
		if addr.Unmap().Is4() {
			network = "tcp4"
		}
		if err := g.Control(network, netip.AddrPortFrom(addr, 443).String(), nil); (err == nil) != want {
			t.Errorf("Control(%s) = %v, want allowed: %t", text, err, want)
		}
	}
	if err := g.Check(netip.Addr{}); err == nil {
		t.Error("Check(zero) = nil, want refused")
	}
}

func TestCheckPolicy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		policy  netguard.Policy
		allowed string
		refused string
	}{
		{
			name:    "private prefix",
			policy:  netguard.Policy{Allow: prefixes("10.20.0.0/16", "fd00:1::/32")},
			allowed: "10.20.0.1 10.20.255.255 ::ffff:10.20.0.1 fd00:1::5 8.8.8.8",
			refused: "10.19.0.1 10.21.0.1 127.0.0.1 fd00:2::5 fd00:1::5%eth0 169.254.169.254",
		},
		{
			name:    "private prefix written as mapped",
			policy:  netguard.Policy{Allow: prefixes("::ffff:127.0.0.0/104")},
			allowed: "127.0.0.1 ::ffff:127.0.0.1",
			refused: "::1 10.0.0.1",
		},
		{
			name:    "all of IPv6 opens no IPv4",
			policy:  netguard.Policy{Allow: prefixes("::/0")},
			allowed: "::1 fe80::1",
			refused: "127.0.0.1 ::ffff:127.0.0.1",
		},
		{
			name:    "denial wins over public and over allowed",
			policy:  netguard.Policy{Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.1.0.0/16", "8.8.8.0/24", "2606:4700::/32")},
			allowed: "10.2.0.1 8.8.4.4",
			refused: "10.1.0.1 8.8.8.8 ::ffff:8.8.8.8 2606:4700::1",
		},
		{
			name:    "well-known NAT64",
			policy:  netguard.Policy{NAT64: prefixes("64:ff9b::/96")},
			allowed: "64:ff9b::8.8.8.8 64:ff9b::101:101",
			refused: "64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::168.63.129.16 64:ff9b:1::808:808",
		},
		{
			name:    "NAT64 judged with the allowed and the denied",
			policy:  netguard.Policy{NAT64: prefixes("64:ff9b::/96"), Allow: prefixes("10.0.0.0/8"), Deny: prefixes("8.8.8.8/32")},
			allowed: "64:ff9b::10.0.0.1 64:ff9b::8.8.4.4",
			refused: "64:ff9b::8.8.8.8 64:ff9b::127.0.0.1",
		},
		// RFC 6052, section 2.4, moved from 192.0.2.33 to 8.8.2.33 and 10.8.2.33.
		{name: "NAT64 /32", policy: netguard.Policy{NAT64: prefixes("2a01:db8::/32")}, allowed: "2a01:db8:808:221::", refused: "2a01:db8:a08:221:: 2a01:db8:808:221:100::"},
		{name: "NAT64 /40", policy: netguard.Policy{NAT64: prefixes("2a01:db8:100::/40")}, allowed: "2a01:db8:108:802:21::", refused: "2a01:db8:10a:802:21::"},
		{name: "NAT64 /48", policy: netguard.Policy{NAT64: prefixes("2a01:db8:122::/48")}, allowed: "2a01:db8:122:808:2:2100::", refused: "2a01:db8:122:a08:2:2100::"},
		{name: "NAT64 /56", policy: netguard.Policy{NAT64: prefixes("2a01:db8:122:300::/56")}, allowed: "2a01:db8:122:308:8:221::", refused: "2a01:db8:122:30a:8:221::"},
		{name: "NAT64 /64", policy: netguard.Policy{NAT64: prefixes("2a01:db8:122:344::/64")}, allowed: "2a01:db8:122:344:8:802:2100::", refused: "2a01:db8:122:344:a:802:2100::"},
		{name: "NAT64 /96", policy: netguard.Policy{NAT64: prefixes("2a01:db8:122:344::/96")}, allowed: "2a01:db8:122:344::8.8.2.33", refused: "2a01:db8:122:344::10.8.2.33"},
		{
			name: "own addresses",
			policy: netguard.Policy{DenyOwn: true, Allow: prefixes("10.0.0.0/8"), Interfaces: func() ([]net.Addr, error) {
				return []net.Addr{
					&net.IPNet{IP: net.IPv4(198, 60, 0, 9), Mask: net.CIDRMask(24, 32)},
					&net.IPNet{IP: net.ParseIP("2a00:1::9"), Mask: net.CIDRMask(64, 128)},
					&net.IPAddr{IP: net.IPv4(10, 0, 0, 9)},
				}, nil
			}},
			allowed: "198.60.0.8 2a00:1::8 10.0.0.8",
			refused: "198.60.0.9 ::ffff:198.60.0.9 2a00:1::9 10.0.0.9",
		},
		{
			name:    "own addresses unknown",
			policy:  netguard.Policy{DenyOwn: true, Interfaces: func() ([]net.Addr, error) { return nil, errors.New("no netlink") }},
			refused: "8.8.8.8 2a00:1::9",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := mustGuard(t, tt.policy)
			for a := range strings.FieldsSeq(tt.allowed) {
				if err := g.Check(netip.MustParseAddr(a)); err != nil {
					t.Errorf("Check(%s) = %v, want nil", a, err)
				}
			}
			for a := range strings.FieldsSeq(tt.refused) {
				if err := g.Check(netip.MustParseAddr(a)); !errors.Is(err, netguard.ErrRefused) {
					t.Errorf("Check(%s) = %v, want %v", a, err, netguard.ErrRefused)
				}
			}
		})
	}
}

func TestNewErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy netguard.Policy
		want   string
	}{
		{name: "zero prefix", policy: netguard.Policy{Allow: []netip.Prefix{{}}}, want: "Allow[0] is no valid prefix"},
		{name: "host bits", policy: netguard.Policy{Deny: prefixes("10.1.2.3/8")}, want: "write 10.0.0.0/8"},
		{name: "mixed families", policy: netguard.Policy{Allow: prefixes("::ffff:0:0/90")}, want: "Allow[0]"},
		{name: "NAT64 length", policy: netguard.Policy{NAT64: prefixes("64:ff9b::/95")}, want: "RFC 6052"},
		{name: "NAT64 family", policy: netguard.Policy{NAT64: prefixes("10.0.0.0/32", "10.0.0.0/8")}, want: "must be IPv6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := netguard.New(tt.policy); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestControl(t *testing.T) {
	g := mustGuard(t, netguard.Policy{})
	for _, tt := range []struct {
		name, network, address string
		want                   bool
	}{
		{name: "public 4", network: "tcp4", address: "8.8.8.8:443", want: true},
		{name: "public 6", network: "tcp6", address: "[2606:4700::1]:443", want: true},
		{name: "8080", network: "tcp4", address: "8.8.8.8:8080", want: true},
		{name: "top port", network: "tcp4", address: "8.8.8.8:65535", want: true},
		{name: "loopback", network: "tcp4", address: "127.0.0.1:443"},
		{name: "unspecified 6", network: "tcp6", address: "[::]:80"},
		{name: "unspecified 4", network: "tcp4", address: "0.0.0.0:80"},
		{name: "empty host", network: "tcp4", address: ":80"},
		{name: "nothing", network: "tcp4", address: ""},
		{name: "no port", network: "tcp4", address: "8.8.8.8"},
		{name: "empty port", network: "tcp4", address: "8.8.8.8:"},
		{name: "name", network: "tcp4", address: "example.com:80"},
		{name: "port 0", network: "tcp4", address: "8.8.8.8:0"},
		{name: "port 65536", network: "tcp4", address: "8.8.8.8:65536"},
		{name: "port 65616", network: "tcp4", address: "8.8.8.8:65616"},
		{name: "negative port", network: "tcp4", address: "8.8.8.8:-80"},
		{name: "smtp", network: "tcp4", address: "8.8.8.8:25"},
		{name: "zone on IPv4", network: "tcp4", address: "127.0.0.1%lo:80"},
		{name: "zone on public IPv4", network: "tcp4", address: "8.8.8.8%lo:80"},
		{name: "zone", network: "tcp6", address: "[fe80::1%eth0]:80"},
		{name: "zone on public", network: "tcp6", address: "[2606:4700::1%eth0]:80"},
		{name: "mapped", network: "tcp6", address: "[::ffff:127.0.0.1]:80"},
		{name: "octal", network: "tcp4", address: "0177.0.0.1:80"},
		{name: "brackets and IPv4", network: "tcp4", address: "[8.8.8.8]:80"},
		{name: "udp", network: "udp4", address: "8.8.8.8:443"},
		{name: "tcp", network: "tcp", address: "8.8.8.8:443"},
		{name: "unix", network: "unix", address: "/run/docker.sock"},
		{name: "ip", network: "ip4:icmp", address: "8.8.8.8"},
		{name: "no network", network: "", address: "8.8.8.8:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := g.Control(tt.network, tt.address, nil)
			if (err == nil) != tt.want {
				t.Errorf("Control(%q, %q) = %v, want allowed: %t", tt.network, tt.address, err, tt.want)
			}
			if err != nil && !errors.Is(err, netguard.ErrRefused) {
				t.Errorf("Control(%q, %q) = %v, want %v", tt.network, tt.address, err, netguard.ErrRefused)
			}
		})
	}
}

// TestBadPorts compares the switch with the list as the standard prints it.
func TestBadPorts(t *testing.T) {
	bad := map[uint16]bool{}
	for span := range strings.FieldsSeq(`0-1 7 9 11 13 15 17 19-23 25 37 42 43 53 69 77 79 87 95 101-104
		109-111 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512-515 526 530-532 540 548 554 556
		563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665-6669
		6679 6697 10080`) {
		var from, to uint16
		if n, _ := fmt.Sscanf(span, "%d-%d", &from, &to); n == 1 {
			to = from
		}
		for p := from; p <= to; p++ {
			bad[p] = true
		}
	}
	for p := range 1 << 16 {
		if got, want := netguard.BadPort(uint16(p)), bad[uint16(p)]; got != want {
			t.Errorf("badPort(%d) = %t, want %t", p, got, want)
		}
	}
}

func TestRefusedThroughWrapping(t *testing.T) {
	g := mustGuard(t, netguard.Policy{})
	inner := g.Control("tcp4", "127.0.0.1:80", nil)
	err := error(&url.Error{Op: "Post", URL: "http://h/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: inner}})
	if !errors.Is(err, netguard.ErrRefused) {
		t.Errorf("errors.Is(%v, ErrRefused) = false, want true", err)
	}
	var refused *netguard.RefusedError
	if !errors.As(err, &refused) || refused.Address != "127.0.0.1:80" {
		t.Errorf("errors.As(%v) = %+v, want the address 127.0.0.1:80", err, refused)
	}
}
