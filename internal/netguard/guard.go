package netguard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// Policy says which addresses a [Guard] lets through besides public ones, and
// which it refuses besides the special ones. The zero Policy lets public
// addresses through and nothing else.
//
// Deny and DenyOwn win over Allow; Allow wins over the special blocks.
type Policy struct {
	// Allow opens prefixes that are not public, as 10.20.0.0/16.
	// Defaults to none.
	Allow []netip.Prefix
	// Deny refuses prefixes that are public. Defaults to none.
	Deny []netip.Prefix
	// NAT64 names the prefixes, of 32, 40, 48, 56, 64 or 96 bits, under which
	// a translator reaches IPv4 (RFC 6052). An address in one of them is
	// judged by the IPv4 address that it carries. Defaults to none; then
	// 64:ff9b::/96 is refused as everything outside 2000::/3 is.
	NAT64 []netip.Prefix
	// DenyOwn refuses the addresses of this machine's own interfaces.
	DenyOwn bool
	// Interfaces lists the own addresses for DenyOwn; it is asked at most once
	// in 10 seconds. Defaults to net.InterfaceAddrs.
	Interfaces func() ([]net.Addr, error)
}

// Guard judges addresses under one [Policy]. It may be used concurrently.
type Guard struct {
	allow, deny, nat64 []netip.Prefix
	special4           []block4
	special6           []block6
	own                *ownAddrs // nil: not asked
}

// New returns the guard of a policy, or everything that is wrong with it.
func New(p Policy) (*Guard, error) {
	allow, errAllow := normalise("Allow", p.Allow)
	deny, errDeny := normalise("Deny", p.Deny)
	nat64, errNAT64 := normalise("NAT64", p.NAT64)
	if err := errors.Join(errAllow, errDeny, errNAT64, checkNAT64(nat64)); err != nil {
		return nil, err
	}
	g := &Guard{allow: allow, deny: deny, nat64: nat64, special4: special4(), special6: special6()}
	if p.DenyOwn {
		list := p.Interfaces
		if list == nil {
			list = net.InterfaceAddrs
		}
		g.own = &ownAddrs{list: list}
	}
	return g, nil
}

// normalise returns prefixes with IPv4 in its own form, so that they match
// what Check compares them with.
func normalise(field string, prefixes []netip.Prefix) ([]netip.Prefix, error) {
	var errs []error
	out := make([]netip.Prefix, 0, len(prefixes))
	for i, p := range prefixes {
		if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		switch {
		case !p.IsValid():
			errs = append(errs, fmt.Errorf("%s[%d] is no valid prefix", field, i))
		case p.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("%s[%d] %v mixes IPv4 and IPv6: write IPv4 prefixes in IPv4 form", field, i, p))
		case p != p.Masked():
			errs = append(errs, fmt.Errorf("%s[%d] %v has bits set after its length: write %v", field, i, p, p.Masked()))
		default:
			out = append(out, p)
		}
	}
	return out, errors.Join(errs...)
}

func checkNAT64(prefixes []netip.Prefix) error {
	var errs []error
	for _, p := range prefixes {
		switch p.Bits() {
		case 32, 40, 48, 56, 64, 96:
			if p.Addr().Is6() {
				continue
			}
		}
		errs = append(errs, fmt.Errorf("NAT64 prefix %v must be IPv6 with a length of 32, 40, 48, 56, 64 or 96 bits (RFC 6052)", p))
	}
	return errors.Join(errs...)
}

// Check judges one address. It returns nil or a *[RefusedError]; on the way to nil
// it allocates nothing.
func (g *Guard) Check(addr netip.Addr) error {
	if reason := g.judge(addr); reason != "" {
		return &RefusedError{Address: addr.String(), Reason: reason}
	}
	return nil
}

// Control is made for net.Dialer.Control: it judges the address that is about
// to be connected to. Only TCP over IPv4 or IPv6, to a port that browsers
// would use, passes. What cannot be parsed is refused; it never panics.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &RefusedError{Address: address, Reason: "is no TCP address: its network is " + quote(network)}
	}
	// The zone is looked for first: parsing one would allocate, and a prefix
	// contains no address that has one.
	if strings.IndexByte(address, '%') >= 0 {
		return &RefusedError{Address: address, Reason: "has a zone"}
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Address: address, Reason: "is not an address and a port"}
	}
	if badPort(ap.Port()) {
		return &RefusedError{Address: address, Reason: "has a port that is not for HTTP: " + strconv.Itoa(int(ap.Port()))}
	}
	if reason := g.judge(ap.Addr()); reason != "" {
		return &RefusedError{Address: address, Reason: reason}
	}
	return nil
}

// judge returns why an address is refused, or an empty string.
func (g *Guard) judge(addr netip.Addr) string {
	if !addr.IsValid() {
		return "is no address"
	}
	if addr.Zone() != "" {
		return "has a zone"
	}
	addr = addr.Unmap()
	if reason, settled := g.byPolicy(addr); settled {
		return reason
	}
	if addr.Is4() {
		return g.judge4(addr)
	}
	for _, p := range g.nat64 {
		if p.Contains(addr) {
			return g.judgeNAT64(p, addr)
		}
	}
	return g.judge6(addr)
}

// byPolicy reports what the host's own prefixes say about an address, and
// whether that settles it.
func (g *Guard) byPolicy(addr netip.Addr) (string, bool) {
	if contains(g.deny, addr) {
		return "is in a denied prefix", true
	}
	if g.own != nil {
		if reason := g.own.judge(addr); reason != "" {
			return reason, true
		}
	}
	return "", contains(g.allow, addr)
}

func (g *Guard) judge4(addr netip.Addr) string {
	n := bits4(addr)
	for _, b := range g.special4 {
		if n&b.mask == b.net {
			return "is not a public address"
		}
	}
	return ""
}

func (g *Guard) judge6(addr netip.Addr) string {
	n := high6(addr)
	if n>>61 != 1 {
		return "is not in 2000::/3, the public part of IPv6"
	}
	for _, b := range g.special6 {
		if n&b.mask == b.net {
			return "is not a public address"
		}
	}
	return ""
}

// judgeNAT64 judges the IPv4 address that addr carries behind prefix p.
func (g *Guard) judgeNAT64(p netip.Prefix, addr netip.Addr) string {
	b := addr.As16()
	// Bits 64 to 71 are skipped by the address and must be zero: RFC 6052,
	// section 2.2.
	if p.Bits() < 96 && b[8] != 0 {
		return "is no well-formed NAT64 address"
	}
	var v4 [4]byte
	at := p.Bits() / 8
	for i := range v4 {
		if at == 8 {
			at++
		}
		v4[i] = b[at]
		at++
	}
	inner := netip.AddrFrom4(v4)
	if reason, settled := g.byPolicy(inner); settled {
		return reason
	}
	return g.judge4(inner)
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// quote makes a short, printable text of what others wrote.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
