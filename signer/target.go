package signer

import (
	"fmt"
	"strings"
)

// target is a URL cut into what RFC 9421 section 2.2 derives from it. The parts
// are those that were sent, byte for byte: nothing is decoded or encoded again.
type target struct {
	scheme, authority, path string
	query                   string // with its question mark; empty: none
}

func parseTarget(rawURL string) (target, error) {
	if !visible(rawURL) || strings.Contains(rawURL, " ") {
		return target{}, fmt.Errorf("%w: the URL must be percent-encoded ASCII", ErrRequest)
	}
	rawURL, _, _ = strings.Cut(rawURL, "#")
	scheme, rest, ok := strings.Cut(rawURL, "://")
	t := target{scheme: strings.ToLower(scheme), path: "/"}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t.authority = authority(rest[:end], t.scheme)
	if !ok || t.authority == "" {
		return target{}, fmt.Errorf("%w: the URL must be absolute", ErrRequest)
	}
	path, query, hasQuery := strings.Cut(rest[end:], "?")
	if path != "" {
		t.path = path
	}
	if hasQuery {
		t.query = "?" + query
	}
	return t, nil
}

// authority takes away user and default port, and lowers the host.
func authority(s, scheme string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	s = strings.TrimSuffix(strings.ToLower(s), ":")
	switch scheme {
	case "http":
		s = strings.TrimSuffix(s, ":80")
	case "https":
		s = strings.TrimSuffix(s, ":443")
	}
	return s
}

func (t target) appendDerived(dst []byte, name, method string) []byte {
	switch name {
	case "@method":
		return append(dst, method...)
	case "@authority":
		return append(dst, t.authority...)
	case "@scheme":
		return append(dst, t.scheme...)
	case "@path":
		return append(dst, t.path...)
	case "@query":
		if t.query == "" {
			return append(dst, '?')
		}
		return append(dst, t.query...)
	case "@request-target":
		return append(append(dst, t.path...), t.query...)
	}
	// @target-uri: checkComponent lets no other name pass
	dst = append(append(dst, t.scheme...), "://"...)
	dst = append(append(dst, t.authority...), t.path...)
	return append(dst, t.query...)
}
