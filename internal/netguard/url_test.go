package netguard_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/outhook/outhook/internal/netguard"
)

func TestCheckURL(t *testing.T) {
	long := "https://example.com/" + strings.Repeat("a", 2048-20)
	for _, tt := range []struct {
		name, url string
		want      string // the rule, or the host when it passes
	}{
		{name: "plain", url: "https://example.com/hook", want: "example.com"},
		{name: "http", url: "http://example.com/hook", want: "example.com"},
		{name: "capitals", url: "HTTPS://EXAMPLE.com/Hook", want: "example.com"},
		{name: "no path", url: "https://example.com", want: "example.com"},
		{name: "query only", url: "https://example.com?a=b", want: "example.com"},
		{name: "question mark in query", url: "https://example.com/?a=b?c", want: "example.com"},
		{name: "at sign in path", url: "https://example.com/@me", want: "example.com"},
		{name: "url in query", url: "https://example.com/?u=http://u:p@h/", want: "example.com"},
		{name: "specials of the form system", url: "https://example.com/$-_.+!*'(),", want: "example.com"},
		{name: "escapes", url: "https://example.com/a%20b?c=%0d%0A", want: "example.com"},
		{name: "port", url: "https://example.com:8443/", want: "example.com:8443"},
		{name: "port 80", url: "http://example.com:80/", want: "example.com:80"},
		{name: "top port", url: "http://example.com:65535/", want: "example.com:65535"},
		{name: "punycode", url: "https://xn--bcher-kva.example/", want: "xn--bcher-kva.example"},
		{name: "underscore", url: "https://my_hook.example.com/", want: "my_hook.example.com"},
		{name: "digits inside", url: "https://1.2.3.example/", want: "1.2.3.example"},
		{name: "digit label first", url: "https://7.example/", want: "7.example"},
		{name: "single label", url: "https://intranet/", want: "intranet"},
		{name: "public address", url: "https://8.8.8.8/", want: "8.8.8.8"},
		{name: "public address 6", url: "https://[2606:4700::1]/", want: "[2606:4700::1]"},
		{name: "public address 6 and port", url: "https://[2606:4700::A]:8443/", want: "[2606:4700::a]:8443"},
		{name: "mapped public", url: "https://[::ffff:8.8.8.8]/", want: "[::ffff:8.8.8.8]"},
		{name: "longest", url: long, want: "example.com"},

		{name: "empty", url: "", want: "empty"},
		{name: "too long", url: long + "a", want: "length"},
		{name: "leading space", url: " https://example.com/", want: "characters"},
		{name: "trailing space", url: "https://example.com/ ", want: "characters"},
		{name: "newline", url: "https://example.com/\n", want: "characters"},
		{name: "carriage return", url: "https://exa\rmple.com/", want: "characters"},
		{name: "tab", url: "https://exa\tmple.com/", want: "characters"},
		{name: "null", url: "https://example.com\x00.evil/", want: "characters"},
		{name: "delete", url: "https://example.com/\x7f", want: "characters"},
		{name: "backslash", url: `https:\\example.com\`, want: "characters"},
		{name: "backslash at", url: `https://example.com\@127.0.0.1/`, want: "characters"},

		{name: "no scheme", url: "example.com/hook", want: "scheme"},
		{name: "relative", url: "//example.com/hook", want: "scheme"},
		{name: "path", url: "/hook", want: "scheme"},
		{name: "one slash", url: "https:/example.com/", want: "scheme"},
		{name: "opaque", url: "https:example.com", want: "scheme"},
		{name: "ftp", url: "ftp://example.com/", want: "scheme"},
		{name: "file", url: "file:///etc/passwd", want: "scheme"},
		{name: "gopher", url: "gopher://127.0.0.1:25/", want: "scheme"},
		{name: "unix", url: "unix:///run/docker.sock", want: "scheme"},
		{name: "http+unix", url: "http+unix://x/", want: "scheme"},
		{name: "javascript", url: "javascript://example.com/%0aalert(1)", want: "scheme"},
		{name: "nested", url: "url:https://example.com", want: "scheme"},

		{name: "user", url: "https://user@example.com/", want: "userinfo"},
		{name: "user and password", url: "https://user:pass@example.com/", want: "userinfo"},
		{name: "empty user", url: "https://@example.com/", want: "userinfo"},
		{name: "host as user", url: "https://example.com@127.0.0.1/", want: "userinfo"},
		{name: "two at signs", url: "https://a@b@example.com/", want: "userinfo"},

		{name: "fragment", url: "https://example.com/#x", want: "fragment"},
		{name: "empty fragment", url: "https://example.com/#", want: "fragment"},
		{name: "fragment before at", url: "https://127.0.0.1#@example.com/", want: "fragment"},

		{name: "no host", url: "https:///hook", want: "host-empty"},
		{name: "no host but query", url: "https://?x", want: "host-empty"},
		{name: "nothing", url: "https://", want: "host-empty"},
		{name: "port alone", url: "http://:80/", want: "host-empty"},
		{name: "empty brackets", url: "http://[]/", want: "host-empty"},
		{name: "empty brackets and port", url: "http://[]:80/", want: "host-empty"},

		{name: "open bracket", url: "https://[::1/", want: "host-brackets"},
		{name: "close bracket", url: "https://::1]/", want: "host-brackets"},
		{name: "no brackets", url: "https://::1/", want: "host-brackets"},
		{name: "no brackets and port", url: "https://2606:4700::1:443/", want: "host-brackets"},
		{name: "two colons", url: "https://example.com:80:80/", want: "host-brackets"},
		{name: "name in brackets", url: "https://[example.com]/", want: "host-brackets"},
		{name: "IPv4 in brackets", url: "https://[127.0.0.1]/", want: "host-brackets"},
		{name: "text after brackets", url: "https://[2606:4700::1]example.com/", want: "host-brackets"},
		{name: "text before brackets", url: "https://x[::1]/", want: "host-brackets"},
		{name: "double brackets", url: "https://[[::1]]/", want: "host-brackets"},
		{name: "future address", url: "https://[v1.x]/", want: "host-brackets"},

		{name: "zone", url: "https://[fe80::1%25eth0]/", want: "host-zone"},
		{name: "zone unescaped", url: "https://[fe80::1%eth0]/", want: "host-zone"},
		{name: "mapped and zone", url: "https://[::ffff:127.0.0.1%25lo]/", want: "host-zone"},

		{name: "umlaut", url: "https://bücher.example/", want: "host-idna"},
		{name: "full width", url: "http://１２７.0.0.1/", want: "host-idna"},
		{name: "ideographic stops", url: "http://127。0。0。1/", want: "host-idna"},
		{name: "circled", url: "http://①②⑦.0.0.1/", want: "host-idna"},
		{name: "soft hyphen", url: "http://local\u00adhost/", want: "host-idna"},
		{name: "no UTF-8", url: "http://exam\xffple.com/", want: "host-idna"},

		{name: "trailing dot", url: "https://example.com./", want: "host-dot"},
		{name: "trailing dot and port", url: "https://localhost.:80/", want: "host-dot"},
		{name: "address and dot", url: "http://127.0.0.1./", want: "host-dot"},
		{name: "dot", url: "http://./", want: "host-dot"},

		{name: "short", url: "http://127.1/", want: "host-number"},
		{name: "three parts", url: "http://127.0.1/", want: "host-number"},
		{name: "decimal", url: "http://2130706433/", want: "host-number"},
		{name: "hexadecimal", url: "http://0x7f000001/", want: "host-number"},
		{name: "capital hexadecimal", url: "http://0X7F000001/", want: "host-number"},
		{name: "hexadecimal parts", url: "http://0x7f.0x0.0x0.0x1/", want: "host-number"},
		{name: "octal", url: "http://0177.0.0.1/", want: "host-number"},
		{name: "octal of a public one", url: "http://010.8.8.8/", want: "host-number"},
		{name: "leading zeros", url: "http://127.000.000.001/", want: "host-number"},
		{name: "five parts", url: "http://1.2.3.4.5/", want: "host-number"},
		{name: "256", url: "http://256.1.1.1/", want: "host-number"},
		{name: "zero", url: "http://0/", want: "host-number"},
		{name: "one", url: "http://1/", want: "host-number"},
		{name: "name and number", url: "http://example.1/", want: "host-number"},
		{name: "name and hexadecimal", url: "http://example.0x7f/", want: "host-number"},
		{name: "digit first in last label", url: "http://example.3com/", want: "host-number"},

		{name: "percent in host", url: "http://127%2e0.0.1/", want: "host-number"},
		{name: "percent in name", url: "http://loc%61lhost/", want: "host-name"},
		{name: "empty label", url: "http://a..example/", want: "host-name"},
		{name: "leading dot", url: "http://.example/", want: "host-name"},
		{name: "leading hyphen", url: "http://-a.example/", want: "host-name"},
		{name: "trailing hyphen", url: "http://a-.example/", want: "host-name"},
		{name: "comma", url: "http://a,b.example/", want: "host-name"},
		{name: "asterisk", url: "http://*.example/", want: "host-name"},
		{name: "quote", url: "http://\"example\"/", want: "host-name"},
		{name: "semicolon", url: "http://example.com;a.b/", want: "host-name"},
		{name: "ampersand", url: "http://example.com&a.b/", want: "host-name"},
		{name: "long label", url: "http://" + strings.Repeat("a", 64) + ".example/", want: "host-name"},
		{name: "long name", url: "http://" + strings.Repeat("a.", 126) + "aa/", want: "host-name"},

		{name: "empty port", url: "http://example.com:/", want: "port"},
		{name: "port 0", url: "http://example.com:0/", want: "port"},
		{name: "port 65536", url: "http://example.com:65536/", want: "port"},
		{name: "huge port", url: "http://example.com:4294967376/", want: "port"},
		{name: "negative port", url: "http://example.com:-80/", want: "port"},
		{name: "signed port", url: "http://example.com:+80/", want: "port"},
		{name: "zeros before port", url: "http://example.com:0080/", want: "port"},
		{name: "hexadecimal port", url: "http://example.com:0x50/", want: "port"},
		{name: "named port", url: "http://example.com:http/", want: "port"},
		{name: "port in full width", url: "http://example.com:８０/", want: "port"},
		{name: "smtp", url: "http://example.com:25/", want: "port"},
		{name: "irc", url: "http://example.com:6667/", want: "port"},
		{name: "x11", url: "http://example.com:6000/", want: "port"},
		{name: "port of an address", url: "http://[2606:4700::1]:25/", want: "port"},
		{name: "empty port of an address", url: "http://[2606:4700::1]:/", want: "port"},

		{name: "loopback", url: "http://127.0.0.1/", want: "address"},
		{name: "loopback 6", url: "http://[::1]/", want: "address"},
		{name: "long loopback 6", url: "http://[0:0:0:0:0:0:0:1]:8080/", want: "address"},
		{name: "unspecified", url: "http://0.0.0.0/", want: "address"},
		{name: "unspecified 6", url: "http://[::]/", want: "address"},
		{name: "metadata", url: "http://169.254.169.254/latest/meta-data/", want: "address"},
		{name: "mapped", url: "http://[::ffff:169.254.169.254]/", want: "address"},
		{name: "mapped in hexadecimal", url: "http://[::ffff:7f00:1]/", want: "address"},
		{name: "NAT64", url: "http://[64:ff9b::7f00:1]/", want: "address"},
		{name: "6to4", url: "http://[2002:7f00:1::]/", want: "address"},
		{name: "broadcast", url: "http://255.255.255.255/", want: "address"},

		{name: "bare percent", url: "https://example.com/100%", want: "escape"},
		{name: "percent and letters", url: "https://example.com/?a=%zz", want: "escape"},
		{name: "half an escape", url: "https://example.com/?a=%4", want: "escape"},
		{name: "accent in path", url: "https://example.com/città", want: "escape"},
		{name: "accent in query", url: "https://example.com/?città=1", want: "escape"},
		{name: "braces", url: "https://example.com/{id}", want: "escape"},
		{name: "quotes", url: `https://example.com/?a="b"`, want: "escape"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := netguard.CheckURL(tt.url, netguard.URLRules{Guard: mustGuard(t, netguard.Policy{})})
			got := ""
			var ue *netguard.URLError
			switch {
			case err == nil:
				got = u.Host
			case errors.As(err, &ue):
				got = ue.Rule
			}
			if got != tt.want {
				t.Errorf("CheckURL(%q) = %q (%v), want %q", tt.url, got, err, tt.want)
			}
		})
	}
}

func TestCheckURLRules(t *testing.T) {
	open := mustGuard(t, netguard.Policy{Allow: prefixes("127.0.0.0/8")})
	for _, tt := range []struct {
		name, url string
		rules     netguard.URLRules
		want      string
	}{
		{name: "https only", url: "http://example.com/", rules: netguard.URLRules{HTTPSOnly: true}, want: "https"},
		{name: "https only, https", url: "https://example.com/", rules: netguard.URLRules{HTTPSOnly: true}},
		{name: "https only, ftp", url: "ftp://example.com/", rules: netguard.URLRules{HTTPSOnly: true}, want: "scheme"},
		{name: "short limit", url: "https://example.com/", rules: netguard.URLRules{MaxLength: 19}, want: "length"},
		{name: "at the limit", url: "https://example.com/", rules: netguard.URLRules{MaxLength: 20}},
		{name: "opened", url: "http://127.0.0.1:8080/", rules: netguard.URLRules{Guard: open}},
		{name: "not opened", url: "http://10.0.0.1:8080/", rules: netguard.URLRules{Guard: open}, want: "address"},
		{name: "left to the dial", url: "http://10.0.0.1:8080/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			var ue *netguard.URLError
			if _, err := netguard.CheckURL(tt.url, tt.rules); errors.As(err, &ue) {
				got = ue.Rule
			}
			if got != tt.want {
				t.Errorf("CheckURL(%q, %+v) broke %q, want %q", tt.url, tt.rules, got, tt.want)
			}
		})
	}
}

// TestCheckURLKeepsSecrets breaks every rule with a canary in the parts of the
// URL that may be secret.
func TestCheckURLKeepsSecrets(t *testing.T) {
	const canary = "c4n4ry"
	g := mustGuard(t, netguard.Policy{})
	for _, url := range []string{
		canary, canary + "://h/", "https:" + canary + "@h/",
		"https://h/" + canary + " x", "https://h/" + canary + "\\", "https://h/#" + canary, "ftp://h/" + canary,
		"https://u:" + canary + "@h/", "https://" + canary + "@h/", "https://u:p/" + canary + "@h",
		"https:///" + canary, "https://[::1/" + canary, "https://[::1%25a]/?" + canary, "https://bü/" + canary,
		"https://h./" + canary, "https://0x1/" + canary, "https://a..b/" + canary, "https://h:0/" + canary,
		"https://127.0.0.1/?a=" + canary, "https://h/%zz" + canary, "https://h/?{" + canary,
		"https://h/" + strings.Repeat(canary, 400),
	} {
		_, err := netguard.CheckURL(url, netguard.URLRules{Guard: g})
		if err == nil {
			t.Errorf("CheckURL(%q) = nil, want an error", url)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("CheckURL(%q) = %v, which holds the canary", url, err)
		}
	}
}

// public is the predicate of the fuzz test, written anew on purpose: a guard
// that is judged by its own tables would judge itself innocent.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return false
	}
	for p := range strings.FieldsSeq(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32
		169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24
		192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20`) {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}
