package signer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Reveal gives the text to store, the secret in clear; ParseKey reads it back.
// It is one of
//
//	whsec_<base64>   from ParseSecret, GenerateSecret
//	raw:<text>       from RawSecret
//	token:<text>     from Token
//	whsk_<base64>    from ParsePrivateKey, GeneratePrivateKey
//	whpk_<base64>    from ParsePublicKey, Public
//
// and before it, for a key with an end of validity, "until=<RFC 3339>;". The
// zero Key gives "". A SignerKey gives "signer:***", which ParseKey refuses.
func (k Key) Reveal() string {
	if k.p == nil {
		return ""
	}
	return k.stored(k.m().text)
}

// ParseKey reads what Reveal gave, and nothing else: text without a prefix is
// refused, never guessed. Errors wrap ErrInvalidKey, or ErrRedacted for the
// text that String and MarshalJSON give.
func ParseKey(stored string) (Key, error) {
	var ends time.Time
	if rest, ok := strings.CutPrefix(stored, untilPrefix); ok {
		at, key, ok := strings.Cut(rest, ";")
		t, err := time.Parse(time.RFC3339Nano, at)
		if !ok || err != nil || t.IsZero() {
			return Key{}, fmt.Errorf("%w: %s must be followed by an RFC 3339 time and a semicolon", ErrInvalidKey, untilPrefix)
		}
		stored, ends = key, t
	}
	k, err := parsePrefixed(stored)
	if err != nil {
		return Key{}, err
	}
	return k.Until(ends), nil
}

func parsePrefixed(s string) (Key, error) {
	if text, ok := strings.CutPrefix(s, KindRaw.String()); ok {
		return RawSecret(text)
	}
	if text, ok := strings.CutPrefix(s, KindToken.String()); ok {
		return Token(text)
	}
	switch {
	case strings.HasPrefix(s, KindSecret.String()):
		return ParseSecret(s)
	case strings.HasPrefix(s, KindPrivate.String()):
		return ParsePrivateKey(s)
	case strings.HasPrefix(s, KindPublic.String()):
		return ParsePublicKey(s)
	case isMask(s):
		return Key{}, ErrRedacted
	}
	return Key{}, fmt.Errorf("%w: none of the prefixes whsec_, raw:, token:, whsk_, whpk_", ErrInvalidKey)
}

// stored puts prefix and end of validity before the text.
func (k Key) stored(text string) string {
	s := k.m().kind.String() + text
	if k.ends.IsZero() {
		return s
	}
	return untilPrefix + k.ends.Format(time.RFC3339Nano) + ";" + s
}

// decodeKey takes the prefix off and decodes strictly: padded, no line ends, no
// stray bits at the end.
func decodeKey(kind Kind, s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, kind.String())
	switch {
	case isMask(s):
		return nil, ErrRedacted
	case !ok:
		return nil, fmt.Errorf("%w: it must begin with %s", ErrInvalidKey, kind)
	case strings.ContainsAny(text, "\r\n"):
		return nil, fmt.Errorf("%w: line end in it", ErrInvalidKey)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil { // the decoder's error is left out: it may quote the text
		return nil, fmt.Errorf("%w: what follows %s must be standard base64 with padding", ErrInvalidKey, kind)
	}
	return b, nil
}

// isMask tells whether s is the redacted form of any key.
func isMask(s string) bool {
	if rest, ok := strings.CutPrefix(s, untilPrefix); ok {
		if _, key, cut := strings.Cut(rest, ";"); cut {
			s = key
		}
	}
	for k := KindSecret; k <= KindSigner; k++ {
		if rest, ok := strings.CutPrefix(s, k.String()); ok {
			return rest == mask
		}
	}
	return s == mask
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
