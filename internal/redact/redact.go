// Package redact makes texts that may be logged and shown out of URLs, errors
// and bytes that may hold secrets or were written by a peer.
//
// It errs on the side of hiding: what it does not know to be harmless is
// hidden. Everything here may be used concurrently.
package redact

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// hidden stands for what is not shown.
const hidden = "***"

// maxError is the longest text that Error returns, before escaping.
const maxError = 512

// URL returns the scheme, host and port of raw, and the outline of the rest:
// the common words of webhook paths stay ("api", "hooks", "v1"), every other
// part of the path is hidden, since many services put their secret there; the
// names of the query stay, their values are hidden; userinfo and fragment are
// left out. What cannot be parsed is not shown at all.
func URL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "(invalid url)"
	}
	var b strings.Builder
	b.WriteString(escape(u.Scheme, 16))
	b.WriteString("://")
	b.WriteString(escape(u.Host, 255))
	path(&b, u.EscapedPath())
	query(&b, u.RawQuery)
	return b.String()
}

func path(b *strings.Builder, escaped string) {
	for i, part := range strings.Split(escaped, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case part == "":
		case common(part):
			b.WriteString(part)
		default:
			b.WriteString(hidden)
		}
	}
}

// common reports whether a part of a path is a word that says nothing.
func common(part string) bool {
	switch part {
	case "api", "app", "apps", "callback", "callbacks", "catch", "event", "events", "form", "forms",
		"hook", "hooks", "in", "inbound", "incoming", "integration", "integrations", "lead", "leads",
		"link", "links", "list", "lists", "notification", "notifications", "notify", "post", "public",
		"receive", "receiver", "rest", "services", "task", "tasks", "user", "users", "webhook",
		"webhooks", "workflow", "workflows", "workspace", "workspaces", "v1", "v2", "v3", "v4":
		return true
	}
	return false
}

func query(b *strings.Builder, raw string) {
	if raw == "" {
		return
	}
	sep := byte('?')
	for pair := range strings.SplitSeq(raw, "&") {
		b.WriteByte(sep)
		sep = '&'
		// A bare word is as likely a token as a name.
		name, _, found := strings.Cut(pair, "=")
		if !found || !plainName(name) {
			b.WriteString(hidden)
			continue
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(hidden)
	}
}

func plainName(s string) bool {
	const most = 32
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("_-.[]", c) < 0 {
			return false
		}
	}
	return true
}

// Text returns what a peer wrote, in double quotes, with control characters,
// invalid UTF-8 and everything else that does not print escaped as in a Go
// string. It takes at most limit bytes and says how many it left out.
func Text(b []byte, limit int) string {
	kept := b[:cut(b, limit)]
	s := strconv.Quote(string(kept))
	if rest := len(b) - len(kept); rest > 0 {
		s += " and " + strconv.Itoa(rest) + " bytes more"
	}
	return s
}

// cut returns how many bytes of b to keep, at most limit, without splitting a
// character.
func cut[T string | []byte](b T, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	n := max(limit, 0)
	for back := 0; n > 0 && back < utf8.UTFMax-1 && !utf8.RuneStart(b[n]); back++ {
		n--
	}
	return n
}

// escape returns s with everything that does not print escaped, cut to limit
// bytes.
func escape(s string, limit int) string {
	cutAt := cut(s, limit)
	quoted := strconv.Quote(s[:cutAt])
	out := quoted[1 : len(quoted)-1]
	if strings.IndexByte(s, '"') >= 0 {
		out = strings.ReplaceAll(out, `\"`, `"`)
	}
	if cutAt < len(s) {
		out += "..."
	}
	return out
}

// Error returns the text of err without the URL that a *url.Error in it holds,
// with control characters escaped, and cut to 512 bytes. It returns an empty
// string for nil.
//
// It knows *url.Error alone. Who wraps a URL into an error by other means has
// to redact it himself.
func Error(err error) string {
	if err == nil {
		return ""
	}
	return escape(text(err), maxError)
}

// text returns err's text with each *url.Error in its tree replaced by what
// caused it.
func text(err error) string {
	found := urlErrors(nil, err)
	s := err.Error()
	for _, ue := range found {
		s = strings.ReplaceAll(s, ue.Error(), cause(ue))
	}
	for _, ue := range found {
		if ue.URL != "" && strings.Contains(s, ue.URL) {
			return cause(found[0]) // somebody repeats the URL around it
		}
	}
	return s
}

// cause returns the text of what ue wraps. That of a parse error quotes pieces
// of the URL.
func cause(ue *url.Error) string {
	if ue.Op == "parse" || ue.Err == nil {
		return "invalid url"
	}
	return text(ue.Err)
}

// urlErrors appends the outermost *url.Errors of a tree of errors.
func urlErrors(found []*url.Error, err error) []*url.Error {
	if ue, ok := err.(*url.Error); ok { //nolint:errorlint // this is the walk itself
		return append(found, ue)
	}
	switch e := err.(type) { //nolint:errorlint // this is the walk itself
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return urlErrors(found, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			found = urlErrors(found, inner)
		}
	}
	return found
}
