package payload

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// unreservedTable has a 1 for each byte that url.QueryEscape leaves alone:
// letters, digits, and - _ . ~.
const unreservedTable = "00000000000000000000000000000000" +
	"00000000000001101111111111000000" +
	"01111111111111111111111111100001" +
	"01111111111111111111111111100010" +
	"00000000000000000000000000000000" +
	"00000000000000000000000000000000" +
	"00000000000000000000000000000000" +
	"00000000000000000000000000000000"

func unreserved(c byte) bool { return unreservedTable[c] == '1' }

// appendEscaped percent-encodes s as url.QueryEscape does. Space is what a
// space becomes: '+', or any other byte for %20.
func appendEscaped[S string | []byte](dst []byte, s S, space byte) []byte {
	const upper = "0123456789ABCDEF"
	start := 0
	for i := range len(s) {
		c := s[i]
		if unreserved(c) {
			continue
		}
		dst = append(dst, s[start:i]...)
		if c == ' ' && space == '+' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', upper[c>>4], upper[c&15])
		}
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// appendChecked is appendEscaped for text that must be UTF-8. False means that
// it is not; dst is then as it was.
func appendChecked(dst []byte, s string, space byte) ([]byte, bool) {
	const upper = "0123456789ABCDEF"
	before, start, checked := len(dst), 0, false
	for i := range len(s) {
		c := s[i]
		if unreserved(c) {
			continue
		}
		if c >= utf8.RuneSelf && !checked {
			if !utf8.ValidString(s[i:]) {
				return dst[:before], false
			}
			checked = true
		}
		dst = append(dst, s[start:i]...)
		if c == ' ' && space == '+' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', upper[c>>4], upper[c&15])
		}
		start = i + 1
	}
	return append(dst, s[start:]...), true
}

// validUTF8 tells whether s is UTF-8; plain ASCII is found out fast.
func validUTF8[S string | []byte](s S) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return utf8.ValidString(string(s[i:]))
		}
	}
	return true
}

// clashQuery tells whether a URL's query has name, however it is escaped.
func clashQuery(query, name string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if key == name {
			return true
		}
		if dec, err := url.QueryUnescape(key); err == nil && dec == name {
			return true
		}
	}
	return false
}
