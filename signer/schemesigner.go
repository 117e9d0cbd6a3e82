package signer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// SchemeSigner signs by a Scheme. With no keys it sets the timestamp and the id
// alone, where the scheme has headers for them.
type SchemeSigner struct {
	s       Scheme
	content []part
	lead    []part
	wants   string // the keys, for errors
}

var _ Signer = (*SchemeSigner)(nil)

// Sign sets the headers of the scheme, in place of what was there. Errors wrap
// ErrRequest, ErrKeyKind, ErrNoLiveKey or ErrFIPS.
func (s *SchemeSigner) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return fmt.Errorf("%s: %w", s.s.Name, err)
	}
	b := scratch.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.free()
	out, err := s.AppendSignature(b.out[:0], r)
	b.out = out
	if err != nil {
		return fmt.Errorf("%s: %w", s.s.Name, err)
	}
	n := len(out)
	if s.s.TimestampHeader != "" {
		out = s.appendTime(out, r.Time)
		b.out = out
	}
	text := string(out) // one string and one array for all values
	values := [3]string{text[:n], text[n:], r.ID}
	setOne(r.Header, s.s.Header, values[0:1:1])
	if s.s.TimestampHeader != "" {
		setOne(r.Header, s.s.TimestampHeader, values[1:2:2])
	}
	if s.s.IDHeader != "" {
		setOne(r.Header, s.s.IDHeader, values[2:3:3])
	}
	return nil
}

// AppendSignature appends the value of the signature's header to dst and gives
// the extended slice: nothing with no keys. An HMAC does not allocate when dst
// has room, unless {form} is signed. Errors are those of Sign.
func (s *SchemeSigner) AppendSignature(dst []byte, r *Request) ([]byte, error) {
	if len(r.Keys) == 0 && s.s.IDHeader == "" {
		return dst, nil
	}
	if err := s.checkParts(r); err != nil {
		return dst, err
	}
	if s.s.Rotation == SignAll {
		return s.appendAll(dst, r)
	}
	k, err := pick(r, Key{}, s.s.Rotation, s.fits, s.wants)
	if err != nil || k.IsZero() {
		return dst, err
	}
	return s.appendOne(s.appendLead(dst, r.Time), k, r)
}

// appendAll appends a signature for each live key.
func (s *SchemeSigner) appendAll(dst []byte, r *Request) ([]byte, error) {
	n := len(dst)
	for _, k := range r.Keys {
		if !s.fits(k) || !k.Live(r.Time) {
			continue
		}
		if len(dst) == n {
			dst = s.appendLead(dst, r.Time)
		} else {
			dst = append(dst, s.s.Joiner...)
		}
		var err error
		if dst, err = s.appendOne(dst, k, r); err != nil {
			return dst[:n], err
		}
	}
	if len(dst) == n && len(r.Keys) > 0 {
		return dst, noKey(r.Keys, s.fits, s.wants)
	}
	return dst, nil
}

// CheckKeys implements KeyChecker.
func (s *SchemeSigner) CheckKeys(keys []Key) error { return checkKeys(keys, s.fits, s.wants) }

// Header gives the name of the header with the signature, in Go's canonical form.
func (s *SchemeSigner) Header() string { return s.s.Header }

// URL gives the URL to send body to: rawURL with the body's hash in its query
// where the scheme wants it (BodyHashParam), else rawURL.
func (s *SchemeSigner) URL(rawURL string, body []byte) string {
	if s.s.BodyHashParam == "" {
		return rawURL
	}
	rawURL, fragment, _ := strings.Cut(rawURL, "#")
	joiner := "?"
	if strings.Contains(rawURL, "?") {
		joiner = "&"
	}
	rawURL += joiner + bodyHash(s.s.BodyHashParam, body)
	if fragment != "" {
		rawURL += "#" + fragment
	}
	return rawURL
}

func bodyHash(param string, body []byte) string {
	sum := sha256.Sum256(body)
	return url.QueryEscape(param) + "=" + hex.EncodeToString(sum[:])
}

func (s *SchemeSigner) fits(k Key) bool {
	if s.s.Algorithm.mac() {
		return k.Kind() == s.s.Key
	}
	return s.s.Algorithm.fits(k)
}

func (s Scheme) wanted() string {
	if s.Algorithm.mac() {
		return s.Key.String() + " keys sign here"
	}
	return s.Algorithm.String() + " private keys sign here"
}

// checkParts holds what the scheme signs or sends to its form.
func (s *SchemeSigner) checkParts(r *Request) error {
	id := s.s.IDHeader != ""
	for _, p := range s.content {
		id = id || p.field == fieldID
	}
	if id {
		if err := checkID(r.ID); err != nil {
			return err
		}
	}
	if s.s.BodyHashParam == "" {
		return nil
	}
	_, query, _ := strings.Cut(r.URL, "?")
	query, _, _ = strings.Cut(query, "#")
	want := bodyHash(s.s.BodyHashParam, r.Body)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == want {
			return nil
		}
	}
	return fmt.Errorf("%w: the URL must carry %s of this body; see SchemeSigner.URL", ErrRequest, s.s.BodyHashParam)
}

func (s *SchemeSigner) appendTime(dst []byte, t time.Time) []byte {
	if s.s.TimestampUnit == time.Millisecond {
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	}
	return strconv.AppendInt(dst, t.Unix(), 10)
}

func (s *SchemeSigner) appendLead(dst []byte, t time.Time) []byte {
	for _, p := range s.lead {
		if p.field == fieldTimestamp {
			dst = s.appendTime(dst, t)
		} else {
			dst = append(dst, p.text...)
		}
	}
	return dst
}

func (s *SchemeSigner) appendOne(dst []byte, k Key, r *Request) ([]byte, error) {
	dst = append(dst, s.s.Prefix...)
	if s.s.Algorithm.mac() {
		return s.appendMAC(dst, k, r)
	}
	b := scratch.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.free()
	b.msg = b.msg[:0]
	for _, p := range s.content {
		var err error
		if b.msg, err = s.appendPart(b.msg, p, r); err != nil {
			return dst, err
		}
	}
	sig, err := s.s.Algorithm.sign(k, b.msg)
	if err != nil {
		return dst, err
	}
	return s.encode(dst, sig), nil
}

func (s *SchemeSigner) appendMAC(dst []byte, k Key, r *Request) ([]byte, error) {
	m, err := k.m().mac(s.s.Algorithm)
	if err != nil {
		return dst, err
	}
	defer k.m().putMAC(s.s.Algorithm, m)
	for _, p := range s.content {
		if p.field == fieldBody {
			_, _ = m.Write(r.Body) // a hash never fails
			continue
		}
		if m.buf, err = s.appendPart(m.buf[:0], p, r); err != nil {
			return dst, err
		}
		_, _ = m.Write(m.buf)
	}
	return s.encode(dst, m.Sum(m.out[:0])), nil
}

func (s *SchemeSigner) encode(dst, sig []byte) []byte {
	if s.s.Encoding == Base64 {
		return base64.StdEncoding.AppendEncode(dst, sig)
	}
	return hex.AppendEncode(dst, sig)
}
