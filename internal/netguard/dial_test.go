package netguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

var errStopped = errors.New("stopped by the test")

// recorder stands where the connect would be: it notes the address and stops.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) last(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, netip.MustParseAddrPort(address).Addr().String())
	return errStopped
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	slices.Sort(seen)
	return seen
}

// TestDial judges names by the addresses that a dial would have connected to.
// Each word of want is what one dial reaches, apart by commas; "-" is nothing.
func TestDial(t *testing.T) {
	const (
		public  = "8.8.8.8"
		public2 = "9.9.9.9"
		public6 = "2606:4700::1"
	)
	for _, tt := range []struct {
		name    string
		answers []string
		policy  netguard.Policy
		four    bool
		want    string
	}{
		{name: "public", answers: []string{public}, want: public},
		{name: "two public", answers: []string{public + " " + public2}, want: public + "," + public2},
		{name: "both families", answers: []string{public + " " + public6}, want: public6 + "," + public},
		{name: "IPv4 only", answers: []string{public + " " + public6}, four: true, want: public},
		{name: "loopback", answers: []string{"127.0.0.1"}, want: "-"},
		{name: "loopback 6", answers: []string{"::1"}, want: "-"},
		{name: "unspecified", answers: []string{"0.0.0.0"}, want: "-"},
		{name: "unspecified 6", answers: []string{"::"}, want: "-"},
		{name: "metadata", answers: []string{"169.254.169.254"}, want: "-"},
		{name: "private", answers: []string{"192.168.1.1"}, want: "-"},
		{name: "unique local", answers: []string{"fd00:ec2::254"}, want: "-"},
		{name: "mapped loopback", answers: []string{"::ffff:127.0.0.1"}, want: "-"},
		{name: "mapped public", answers: []string{"::ffff:8.8.8.8"}, want: public},
		{name: "compatible loopback", answers: []string{"::127.0.0.1"}, want: "-"},
		{name: "6to4", answers: []string{"2002:7f00:1::1"}, want: "-"},
		{name: "Teredo", answers: []string{"2001:0:4136:e378:8000:63bf:3fff:fdd2"}, want: "-"},
		{name: "only private", answers: []string{"10.0.0.1 192.168.0.1 ::1"}, want: "-"},

		{name: "mixed, private first", answers: []string{"10.0.0.1 " + public}, want: public},
		{name: "mixed, private last", answers: []string{public + " 10.0.0.1"}, want: public},
		{name: "mixed, private between", answers: []string{public + " 10.0.0.1 " + public2}, want: public + "," + public2},
		{name: "mixed, loopback 6 beside public 4", answers: []string{public + " ::1"}, want: public},
		{name: "mixed, private 4 beside public 6", answers: []string{"10.0.0.1 " + public6}, want: public6},
		{name: "mixed, mapped loopback", answers: []string{public + " ::ffff:127.0.0.1"}, want: public},
		{name: "mixed, metadata twice", answers: []string{"169.254.169.254 " + public + " fd00:ec2::254"}, want: public},
		{name: "DNS64 without NAT64", answers: []string{public + " 64:ff9b::808:808"}, want: public},
		{name: "DNS64 with NAT64", answers: []string{public + " 64:ff9b::808:808"}, policy: netguard.Policy{NAT64: prefixes("64:ff9b::/96")}, want: "64:ff9b::808:808," + public},
		{name: "DNS64 of a private address", answers: []string{"10.0.0.1 64:ff9b::a00:1"}, policy: netguard.Policy{NAT64: prefixes("64:ff9b::/96")}, want: "-"},

		{name: "rebinding to loopback", answers: []string{public, "127.0.0.1"}, want: public + " -"},
		{name: "rebinding to loopback and back", answers: []string{public, "127.0.0.1", public2}, want: public + " - " + public2},
		{name: "rebinding from loopback", answers: []string{"127.0.0.1", public}, want: "- " + public},
		{name: "rebinding to metadata", answers: []string{public, public, "169.254.169.254"}, want: public + " " + public + " -"},
		{name: "rebinding to the other family", answers: []string{public, "::1"}, want: public + " -"},
		{name: "rebinding to mapped", answers: []string{public6, "::ffff:10.0.0.1"}, want: public6 + " -"},
		{name: "rebinding to a mixed answer", answers: []string{public, "127.0.0.1 " + public2}, want: public + " " + public2},
		{name: "rebinding from a mixed answer", answers: []string{"127.0.0.1 " + public, "127.0.0.1"}, want: public + " -"},
		{name: "rebinding each time", answers: []string{"10.0.0.1", public, "::1", public6, "0.0.0.0"}, want: "- " + public + " - " + public6 + " -"},

		{name: "private opened", answers: []string{"10.0.0.1"}, policy: netguard.Policy{Allow: prefixes("10.0.0.0/8")}, want: "10.0.0.1"},
		{name: "private opened, metadata not", answers: []string{"10.0.0.1 169.254.169.254"}, policy: netguard.Policy{Allow: prefixes("10.0.0.0/8")}, want: "10.0.0.1"},
		{name: "public denied", answers: []string{public + " " + public2}, policy: netguard.Policy{Deny: prefixes("8.8.8.0/24")}, want: public2},
		{name: "rebinding into the denied", answers: []string{public2, public}, policy: netguard.Policy{Deny: prefixes("8.8.8.0/24")}, want: public2 + " -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const host = "hook.receiver.test"
			dns := newDNS(t, map[string][]string{host: tt.answers})
			var rec recorder
			d := &netguard.Dialer{Guard: mustGuard(t, tt.policy), Resolver: dns.resolver(), IPv4Only: tt.four}
			d.SetLast(rec.last)
			for i, want := range strings.Fields(tt.want) {
				_, err := d.DialContext(t.Context(), "tcp", host+":443")
				got := rec.take()
				wantList := strings.Split(want, ",")
				slices.Sort(wantList)
				if want == "-" {
					wantList = nil
				}
				if !slices.Equal(got, wantList) {
					t.Errorf("dial %d reached %v, want %v (error: %v)", i+1, got, wantList, err)
				}
				if refused := errors.Is(err, netguard.ErrRefused); refused != (want == "-") {
					t.Errorf("dial %d: error %v matches ErrRefused: %t, want %t", i+1, err, refused, want == "-")
				}
			}
		})
	}
}

// TestDialAddress dials what a URL's host and port turn into, with no name in it.
func TestDialAddress(t *testing.T) {
	for _, tt := range []struct {
		name, network, addr, want string
	}{
		{name: "public", network: "tcp", addr: "8.8.8.8:443", want: "8.8.8.8"},
		{name: "public 6", network: "tcp", addr: "[2606:4700::1]:443", want: "2606:4700::1"},
		{name: "mapped public", network: "tcp", addr: "[::ffff:8.8.8.8]:443", want: "8.8.8.8"},
		{name: "empty host", network: "tcp", addr: ":80"},
		{name: "empty", network: "tcp", addr: ""},
		{name: "no port", network: "tcp", addr: "8.8.8.8"},
		{name: "loopback", network: "tcp", addr: "127.0.0.1:80"},
		{name: "localhost", network: "tcp", addr: "localhost:80"},
		{name: "unspecified", network: "tcp", addr: "[::]:80"},
		{name: "unspecified 4", network: "tcp4", addr: "0.0.0.0:80"},
		{name: "zone", network: "tcp", addr: "[fe80::1%lo]:80"},
		{name: "mapped with zone", network: "tcp", addr: "[::ffff:127.0.0.1%lo]:80"},
		{name: "mapped loopback", network: "tcp6", addr: "[::ffff:127.0.0.1]:80"},
		{name: "short", network: "tcp", addr: "127.1:80"},
		{name: "decimal", network: "tcp", addr: "2130706433:80"},
		{name: "hexadecimal", network: "tcp", addr: "0x7f000001:80"},
		{name: "octal", network: "tcp", addr: "0177.0.0.1:80"},
		{name: "named port of smtp", network: "tcp", addr: "8.8.8.8:25"},
		{name: "port 0", network: "tcp", addr: "8.8.8.8:0"},
		{name: "udp", network: "udp", addr: "8.8.8.8:443"},
		{name: "unix", network: "unix", addr: "/run/docker.sock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dns := newDNS(t, nil)
			var rec recorder
			d := &netguard.Dialer{Guard: mustGuard(t, netguard.Policy{}), Resolver: dns.resolver()}
			d.SetLast(rec.last)
			_, err := d.DialContext(t.Context(), tt.network, tt.addr)
			if got := strings.Join(rec.take(), ","); got != tt.want || err == nil {
				t.Errorf("DialContext(%q, %q) reached %q with error %v, want %q", tt.network, tt.addr, got, err, tt.want)
			}
		})
	}
}

func TestDialMixed(t *testing.T) {
	const host = "hook.receiver.test"
	for _, tt := range []struct {
		name, answer string
		want         string
	}{
		{name: "mixed", answer: "10.0.0.1 8.8.8.8", want: "hook.receiver.test 1 1"},
		{name: "public", answer: "8.8.8.8"},
		{name: "private", answer: "10.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rec recorder
			got := ""
			d := &netguard.Dialer{
				Guard:    mustGuard(t, netguard.Policy{}),
				Resolver: newDNS(t, map[string][]string{host: {tt.answer}}).resolver(),
				Mixed: func(host string, refused, allowed int) {
					got += host + " " + strconv.Itoa(refused) + " " + strconv.Itoa(allowed)
				},
			}
			d.SetLast(rec.last)
			_, err := d.DialContext(t.Context(), "tcp", host+":443")
			if got != tt.want || err == nil {
				t.Errorf("Mixed was told %q (error %v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestDialUnknownName(t *testing.T) {
	d := &netguard.Dialer{Guard: mustGuard(t, netguard.Policy{}), Resolver: newDNS(t, nil).resolver()}
	_, err := d.DialContext(t.Context(), "tcp", "nobody.receiver.test:443")
	var dnsErr *net.DNSError
	if !errors.As(err, &dnsErr) || !dnsErr.IsNotFound || errors.Is(err, netguard.ErrRefused) {
		t.Errorf("DialContext = %v, want a DNS error that is not found", err)
	}
}

func TestDialDNSBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := newDNS(t, map[string][]string{"hook.receiver.test": {"8.8.8.8"}})
		dns.silent = true
		d := &netguard.Dialer{Guard: mustGuard(t, netguard.Policy{}), Resolver: dns.resolver(), DNS: 3 * time.Second}
		start := time.Now()
		_, err := d.DialContext(t.Context(), "tcp", "hook.receiver.test:443")
		var phase *netguard.PhaseError
		if !errors.As(err, &phase) || phase.Phase != "dns" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DialContext = %v, want a dns timeout", err)
		}
		if got, want := time.Since(start), 3*time.Second; got != want {
			t.Errorf("DialContext took %v, want %v", got, want)
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no net.Error that timed out", err)
		}
	})
}

func TestDialCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := newDNS(t, map[string][]string{"hook.receiver.test": {"8.8.8.8"}})
		dns.silent = true
		d := &netguard.Dialer{Guard: mustGuard(t, netguard.Policy{}), Resolver: dns.resolver()}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := d.DialContext(ctx, "tcp", "hook.receiver.test:443"); err == nil {
			t.Error("DialContext = nil, want an error")
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("DialContext took %v, want 1s", got)
		}
	})
}

// TestDialConnects goes through to a real socket.
func TestDialConnects(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	dns := newDNS(t, map[string][]string{"hook.receiver.test": {"10.0.0.1 127.0.0.1"}})
	d := &netguard.Dialer{
		Guard:    mustGuard(t, netguard.Policy{Allow: prefixes("127.0.0.1/32")}),
		Resolver: dns.resolver(),
	}
	for _, other := range []*netguard.Dialer{
		{Resolver: dns.resolver()}, // no guard is no leave
		{Resolver: dns.resolver(), Guard: mustGuard(t, netguard.Policy{})},
	} {
		if _, err := other.DialContext(t.Context(), "tcp", "hook.receiver.test:"+port); !errors.Is(err, netguard.ErrRefused) {
			t.Errorf("DialContext with guard %v = %v, want %v", other.Guard, err, netguard.ErrRefused)
		}
	}
	conn, err := d.DialContext(t.Context(), "tcp", "hook.receiver.test:"+port)
	if err != nil {
		t.Fatalf("DialContext = %v, want nil", err)
	}
	defer func() { _ = conn.Close() }()
	if got, want := conn.RemoteAddr().String(), ln.Addr().String(); got != want {
		t.Errorf("connected to %s, want %s", got, want)
	}
	proxy, err := (&netguard.Dialer{Unguarded: true}).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatalf("DialContext to a proxy = %v, want nil", err)
	}
	_ = proxy.Close()
}
