package payload

import (
	"net"
	"net/netip"
	"reflect"
)

// ipProblem is the complaint about a field with an address and no rule for it.
const ipProblem = "holds an IP address; tag the field webhook:\"ip=anonymized\" or webhook:\"ip=allow\", or leave it out"

// addressTypes lists what the rule about IP addresses looks at.
func addressTypes() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.AddrPort](),
		reflect.TypeFor[net.IPNet](), reflect.TypeFor[net.IPAddr](), reflect.TypeFor[net.TCPAddr](),
		reflect.TypeFor[net.UDPAddr](),
	}
}

// ipTypeOf returns the address type that t is, or is defined as; nil for all
// other types.
func ipTypeOf(t reflect.Type) reflect.Type {
	if t == reflect.TypeFor[net.IP]() {
		return t
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "" {
		return nil
	}
	types := addressTypes()
	for _, base := range types {
		if t == base {
			return base
		}
	}
	for _, base := range types {
		if t.ConvertibleTo(base) {
			return base
		}
	}
	return nil
}

// ipText gives the text of an address. Anonymized, an IPv4 address loses its
// last octet and an IPv6 address all but its first 48 bits; ports and zones go.
func ipText(v reflect.Value, base reflect.Type, rule ipRule) (string, *FieldError) {
	if base == nil { // a string that holds an address
		return ipString(v.String(), rule)
	}
	if v.Type() != base {
		v = v.Convert(base)
	}
	addr, full := ipParts(v.Interface())
	if rule == ipAllow {
		return full, nil
	}
	if !addr.IsValid() {
		if full == "" {
			return "", nil
		}
		return "", invalid("an IP address that cannot be read cannot be anonymized")
	}
	return anonymize(addr), nil
}

// ipParts splits a value of one of the address types into the address and its
// full text.
func ipParts(x any) (netip.Addr, string) {
	switch a := x.(type) {
	case netip.Addr:
		if !a.IsValid() {
			return a, ""
		}
		return a, a.String()
	case netip.Prefix:
		if !a.IsValid() {
			return a.Addr(), ""
		}
		return a.Addr(), a.String()
	case netip.AddrPort:
		if !a.IsValid() {
			return a.Addr(), ""
		}
		return a.Addr(), a.String()
	case net.IP:
		return fromSlice(a, a.String())
	case net.IPNet:
		return fromSlice(a.IP, a.String())
	case net.IPAddr:
		return fromSlice(a.IP, a.String())
	case net.TCPAddr:
		return fromSlice(a.IP, a.String())
	case net.UDPAddr:
		return fromSlice(a.IP, a.String())
	}
	return netip.Addr{}, ""
}

func fromSlice(ip net.IP, full string) (netip.Addr, string) {
	if len(ip) == 0 {
		return netip.Addr{}, ""
	}
	a, _ := netip.AddrFromSlice(ip)
	return a, full
}

// ipString is ipText for a field that holds an address as a string.
func ipString(s string, rule ipRule) (string, *FieldError) {
	if s == "" || rule == ipAllow {
		return s, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", invalid("a text that is no IP address cannot be anonymized")
	}
	return anonymize(a), nil
}

func anonymize(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.Addr().String()
}
