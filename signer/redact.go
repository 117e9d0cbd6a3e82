package signer

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// String gives the kind and "***", for example "whsec_***"; a public key whole.
func (k Key) String() string {
	switch k.Kind() {
	case 0:
		return ""
	case KindPublic:
		return k.stored(k.m().text)
	case KindSecret, KindRaw, KindToken, KindPrivate, KindSigner:
	}
	return k.stored(mask)
}

// GoString gives what String gives.
func (k Key) GoString() string { return k.String() }

// Format gives what String gives, whatever the verb.
func (k Key) Format(f fmt.State, verb rune) {
	s := k.String()
	if verb == 'q' {
		s = `"` + s + `"` // nothing in it needs an escape
	}
	_, _ = io.WriteString(f, s) // fmt keeps the result to itself
}

// LogValue gives what String gives.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText gives what String gives. Store Reveal instead.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalJSON gives what String gives, as a JSON string. Store Reveal instead.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// UnmarshalText reads what ParseKey reads; no text at all gives the zero Key.
// A redacted text is refused with ErrRedacted, so that no host overwrites its
// secrets with asterisks.
func (k *Key) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = Key{}
		return nil
	}
	parsed, err := ParseKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// UnmarshalJSON reads a JSON string as UnmarshalText does; null gives the zero
// Key.
func (k *Key) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*k = Key{}
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%w: not a JSON string", ErrInvalidKey) // err may quote data
	}
	return k.UnmarshalText([]byte(s))
}

// GobEncode refuses: gob has no redacted form that GobDecode could tell from a
// key. It returns ErrRedacted.
func (k Key) GobEncode() ([]byte, error) { return nil, ErrRedacted }

// GobDecode refuses, as GobEncode does.
func (k *Key) GobDecode([]byte) error { return ErrRedacted }

// Shorter patterns would eat the text around them.
const (
	minPattern = 4
	minPartial = 8
)

// Mask replaces what shows one of the keys in b by "***": its text, its bytes,
// their base64 (at any offset, as within a Basic credential), their hex, and
// the text as forms, JSON and HTML escape it. The start of a key at the very end of b
// goes too, so that a cut answer does not show the half of it. Live or not makes
// no difference; public keys stay. The result is b itself when nothing was
// found, else a copy.
func Mask(b []byte, keys []Key) []byte {
	stars := []byte(mask)
	for _, k := range keys {
		patterns := k.patterns()
		for _, p := range patterns {
			if bytes.Contains(b, p) {
				b = bytes.ReplaceAll(b, p, stars)
			}
		}
		n := 0
		for _, p := range patterns {
			n = max(n, partial(b, p))
		}
		if n > 0 {
			b = append(slices.Clone(b[:len(b)-n]), stars...)
		}
	}
	return b
}

// maskHeader masks what was sent as the value of a header, after the name of an
// authentication scheme where there is one.
func maskHeader(b []byte, r *Request, name string) []byte {
	value := r.Header.Get(name)
	if _, after, ok := strings.Cut(value, " "); ok {
		value = after
	}
	return Mask(b, []Key{newKey(&material{kind: KindToken, text: value, raw: []byte(value)})})
}

// partial gives the length of the longest start of p at the end of b.
func partial(b, p []byte) int {
	for n := min(len(p)-1, len(b)); n >= minPartial; n-- {
		if bytes.HasSuffix(b, p[:n]) {
			return n
		}
	}
	return 0
}

// patterns gives the forms of the secret, the longest first.
func (k Key) patterns() [][]byte {
	var forms []string
	switch k.Kind() {
	case KindSecret:
		forms = secretForms(KindSecret.String()+k.m().text, k.m().text, k.m().raw)
	case KindPrivate:
		seed, _ := base64.StdEncoding.DecodeString(k.m().text)
		forms = secretForms(KindPrivate.String()+k.m().text, k.m().text, seed[:len(seed)/2])
	case KindRaw, KindToken:
		forms = secretForms(k.m().text, "", k.m().raw)
	case KindPublic, KindSigner, 0:
		return nil
	}
	out := make([][]byte, 0, len(forms))
	for _, f := range forms {
		if len(f) >= minPattern {
			out = append(out, []byte(f))
		}
	}
	slices.SortFunc(out, func(a, b []byte) int { return len(b) - len(a) })
	return out
}

func secretForms(text, bare string, raw []byte) []string {
	lower := hex.EncodeToString(raw)
	forms := []string{string(raw), lower, strings.ToUpper(lower)}
	for _, t := range []string{text, bare} {
		forms = append(forms, t, url.QueryEscape(t), url.PathEscape(t), html.EscapeString(t))
		quoted, _ := json.Marshal(t) // a string always marshals
		inner := string(quoted[1 : len(quoted)-1])
		plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(inner)
		for _, j := range []string{inner, plain} {
			forms = append(forms, j, strings.ReplaceAll(j, "/", `\/`))
		}
	}
	for offset := range 3 {
		core := base64Core(raw, offset)
		forms = append(forms, core, strings.NewReplacer("+", "-", "/", "_").Replace(core))
	}
	return forms
}

// base64Core gives the characters that raw alone decides when it stands at an
// offset modulo 3 within a longer base64 text.
func base64Core(raw []byte, offset int) string {
	padded := append(make([]byte, offset, offset+len(raw)), raw...)
	s := base64.RawStdEncoding.EncodeToString(padded)
	from, to := (offset*8+5)/6, len(padded)*8/6
	return s[min(from, to):to]
}
