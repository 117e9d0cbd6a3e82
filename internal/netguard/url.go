package netguard

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// defaultMaxURL is the longest URL that CheckURL lets through by default.
const defaultMaxURL = 2048

// URLRules says how strict [CheckURL] is. The zero value is ready to use.
type URLRules struct {
	// HTTPSOnly refuses http URLs. Defaults to false.
	HTTPSOnly bool
	// MaxLength is the longest URL in bytes.
	//
	// Defaults to 2048.
	MaxLength int
	// Guard judges a host that is a literal address. Defaults to none: then
	// literal addresses are left to the judgement at the dial.
	Guard *Guard
}

// CheckURL parses a URL that a stranger wrote, or says by a *[URLError] which
// rule it breaks. Nothing is looked up. The URL that it returns has its scheme
// and host in lower case.
//
// The rules do not lean on url.Parse: the authority is taken apart here, must
// be in the form that every parser reads alike, and is then compared with what
// url.Parse made of it. The names of the rules, in the order in which they are
// tried: empty, length, characters, scheme, https, fragment, userinfo,
// host-brackets, host-empty, host-zone, host-idna, host-dot, host-number,
// host-name, port, address, escape, syntax.
func CheckURL(raw string, rules URLRules) (*url.URL, error) {
	rest, err := checkWhole(raw, rules)
	if err != nil {
		return nil, err
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority = rest[:end]
	}
	if err := checkAuthority(authority, rules.Guard); err != nil {
		return nil, err
	}
	if err := checkTail(rest[len(authority):]); err != nil {
		return nil, err
	}
	u, parseErr := url.Parse(raw)
	if parseErr != nil || u.Host != authority || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, broken("syntax", "the URL cannot be parsed: write it as https://host/path")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func broken(rule, format string, args ...any) error {
	return &URLError{Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

// checkWhole tries the rules that need no parts, and returns what follows the
// scheme.
func checkWhole(raw string, rules URLRules) (string, error) {
	most := rules.MaxLength
	if most <= 0 {
		most = defaultMaxURL
	}
	if raw == "" {
		return "", broken("empty", "the URL is empty")
	}
	if len(raw) > most {
		return "", broken("length", "the URL has %d bytes: at most %d are taken", len(raw), most)
	}
	if i := strings.IndexFunc(raw, unwritable); i >= 0 {
		return "", broken("characters", "the URL holds a space, a control character or a backslash at byte %d: remove it, or write it as %%%02X", i, raw[i])
	}
	scheme, rest, found := strings.Cut(raw, "://")
	isHTTPS := strings.EqualFold(scheme, "https")
	if !found || !isHTTPS && !strings.EqualFold(scheme, "http") {
		return "", broken("scheme", "the URL must begin with https:// or http://")
	}
	if rules.HTTPSOnly && !isHTTPS {
		return "", broken("https", "the URL must begin with https://")
	}
	if strings.IndexByte(rest, '#') >= 0 {
		return "", broken("fragment", "the URL has a fragment, which is never sent: remove the # and what follows")
	}
	return rest, nil
}

// unwritable reports whether no part of a URL may hold c, since parsers cut it
// out, end at it, or take it for a slash.
func unwritable(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }

// checkAuthority judges host and port. It quotes them in errors only after it
// is sure that they hold no userinfo.
func checkAuthority(authority string, guard *Guard) error {
	if strings.IndexByte(authority, '@') >= 0 {
		return broken("userinfo", "the URL holds a user name or password: remove it and set a header or a parameter instead")
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return err
	}
	addr, err := checkHost(host)
	if err != nil {
		return err
	}
	if err := checkPort(port); err != nil {
		return err
	}
	if guard != nil && addr.IsValid() && guard.Check(addr) != nil {
		return broken("address", "the address %s is not public: use the public address or name of the receiver", quote(host))
	}
	return nil
}

// splitAuthority returns the host, with its brackets, and the port, with its
// colon.
func splitAuthority(authority string) (host, port string, err error) {
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 || strings.LastIndexByte(authority, '[') > 0 ||
			end+1 < len(authority) && authority[end+1] != ':' || strings.LastIndexByte(authority, ']') > end {
			return "", "", broken("host-brackets", "the brackets of the host %s do not match: write an IPv6 address as [2001:db8::1]", quote(authority))
		}
		return authority[:end+1], authority[end+1:], nil
	}
	if strings.ContainsAny(authority, "[]") {
		return "", "", broken("host-brackets", "the host %s has stray brackets: they belong around an IPv6 address only", quote(authority))
	}
	colon := strings.IndexByte(authority, ':')
	if colon < 0 {
		return authority, "", nil
	}
	if strings.LastIndexByte(authority, ':') != colon {
		return "", "", broken("host-brackets", "the host %s has several colons: write an IPv6 address in brackets", quote(authority))
	}
	return authority[:colon], authority[colon:], nil
}

// checkHost returns the address that a literal host stands for, or the zero
// address for a name.
func checkHost(host string) (netip.Addr, error) {
	switch {
	case host == "" || host == "[]":
		return netip.Addr{}, broken("host-empty", "the URL has no host: write it as https://host/path")
	case host[0] == '[':
		return checkIPv6(host)
	case !isASCII(host):
		return netip.Addr{}, broken("host-idna", "the host %s is not ASCII: write its labels in punycode, as xn--bcher-kva.example", quote(host))
	case host[len(host)-1] == '.':
		return netip.Addr{}, broken("host-dot", "the host %s ends with a dot: remove it", quote(host))
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last != "" && isDigit(last[0]) {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is4() {
			return netip.Addr{}, broken("host-number", "the host %s looks like a number: write an IPv4 address as four decimal numbers without leading zeros, as 192.0.2.1", quote(host))
		}
		return addr, nil
	}
	return netip.Addr{}, checkName(host)
}

func checkIPv6(host string) (netip.Addr, error) {
	if strings.IndexByte(host, '%') >= 0 {
		return netip.Addr{}, broken("host-zone", "the host %s has a zone, which means something on one machine only: remove it", quote(host))
	}
	addr, err := netip.ParseAddr(host[1 : len(host)-1])
	if err != nil || !addr.Is6() {
		return netip.Addr{}, broken("host-brackets", "the host %s is no IPv6 address: only one may stand in brackets", quote(host))
	}
	return addr, nil
}

// checkName holds a host to the letters, digits, hyphens and lengths of RFC
// 1123, section 2.1, and RFC 1035, section 2.3.4; underscores are taken too,
// since names in use have them.
func checkName(host string) error {
	if len(host) > 253 {
		return broken("host-name", "the host has %d bytes: a name has at most 253", len(host))
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || !isLabel(label) {
			return broken("host-name", "the host %s is no host name: its parts between dots are 1 to 63 letters, digits, hyphens or underscores, and neither begin nor end with a hyphen", quote(host))
		}
	}
	return nil
}

func isLabel(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// checkPort judges a port that comes with its colon, or an empty string.
func checkPort(port string) error {
	if port == "" {
		return nil
	}
	digits := port[1:]
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || !isDigit(digits[0]) || digits[0] == '0' {
		return broken("port", "the port %s must be a decimal number from 1 to 65535 without leading zeros: mend it, or remove it with its colon", quote(digits))
	}
	if badPort(uint16(n)) {
		return broken("port", "the port %d belongs to another protocol than HTTP: use 443, 80 or another that browsers use", n)
	}
	return nil
}

// checkTail judges path and query: the characters of RFC 3986 and whole escapes.
func checkTail(tail string) error {
	for i := 0; i < len(tail); i++ {
		c := tail[i]
		switch {
		case c == '%':
			if i+2 >= len(tail) || !isHex(tail[i+1]) || !isHex(tail[i+2]) {
				return broken("escape", "a %% in the path or query is not followed by two hexadecimal digits: write a bare %% as %%25")
			}
			i += 2
		case c >= 0x80 || strings.IndexByte("\"<>^`{|}", c) >= 0:
			return broken("escape", "the path or query holds a character that a URL cannot carry as it is: write its bytes as %%XX, here %%%02X", c)
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
