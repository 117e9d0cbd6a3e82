package netguard

import (
	"encoding/binary"
	"net/netip"
)

// block4 and block6 are prefixes in the form that costs least to test. No
// special-purpose IPv6 block inside 2000::/3 is longer than 64 bits.
type (
	block4 struct{ net, mask uint32 }
	block6 struct{ net, mask uint64 }
)

// special4 lists the IPv4 blocks that hold no public receiver, most often met
// first. Sources: the IANA IPv4 Special-Purpose Address Registry (2025-10-09),
// RFC 5771 (multicast), RFC 1112 section 4 (240.0.0.0/4).
func special4() []block4 {
	return blocks4(
		"10.0.0.0/8",       // private use, RFC 1918
		"127.0.0.0/8",      // loopback
		"172.16.0.0/12",    // private use, RFC 1918
		"192.168.0.0/16",   // private use, RFC 1918
		"169.254.0.0/16",   // link local, and most metadata services
		"100.64.0.0/10",    // shared address space of carriers, RFC 6598
		"0.0.0.0/8",        // this network; Linux connects 0.0.0.0 to itself
		"192.0.0.0/24",     // IETF protocol assignments, with all its parts
		"192.0.2.0/24",     // TEST-NET-1
		"198.51.100.0/24",  // TEST-NET-2
		"203.0.113.0/24",   // TEST-NET-3
		"198.18.0.0/15",    // benchmarking, RFC 2544
		"192.31.196.0/24",  // AS112-v4
		"192.52.193.0/24",  // AMT
		"192.88.99.0/24",   // 6to4 relay anycast, deprecated
		"192.175.48.0/24",  // direct delegation AS112
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, with 255.255.255.255
		"168.63.129.16/32", // Azure's host agent; not in any registry
	)
}

// special6 lists the blocks inside 2000::/3 that hold no public receiver;
// everything outside 2000::/3 is refused as a whole. Source: the IANA IPv6
// Special-Purpose Address Registry (2025-10-09).
func special6() []block6 {
	return blocks6(
		"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, benchmarking, anycasts
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4
		"2620:4f:8000::/48", // direct delegation AS112
		"3fff::/20",         // documentation
	)
}

func blocks4(prefixes ...string) []block4 {
	blocks := make([]block4, len(prefixes))
	for i, s := range prefixes {
		p := netip.MustParsePrefix(s)
		blocks[i] = block4{net: bits4(p.Addr()), mask: ^uint32(0) << (32 - p.Bits())}
	}
	return blocks
}

func blocks6(prefixes ...string) []block6 {
	blocks := make([]block6, len(prefixes))
	for i, s := range prefixes {
		p := netip.MustParsePrefix(s)
		blocks[i] = block6{net: high6(p.Addr()), mask: ^uint64(0) << (64 - p.Bits())}
	}
	return blocks
}

// bits4 returns an IPv4 address as a number.
func bits4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// high6 returns the upper 64 bits of an IPv6 address.
func high6(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// badPort reports whether browsers refuse to speak HTTP to port: the list of
// "bad ports" of the WHATWG Fetch standard, section 2.9, and port 0.
func badPort(port uint16) bool {
	switch port {
	case 0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95,
		101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179,
		389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601,
		636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566,
		6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080:
		return true
	}
	return false
}
