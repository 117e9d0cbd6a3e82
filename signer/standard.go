package signer

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// StandardOptions are the choices of a StandardSigner.
type StandardOptions struct {
	// Prefix of the three header names: "webhook" gives webhook-id,
	// webhook-timestamp and webhook-signature; Svix has "svix".
	//
	// Defaults to "webhook".
	Prefix string

	// Key is the kind of the shared secrets: KindSecret as the specification has
	// it, or KindRaw for receivers that take the secret's text as the key.
	//
	// Defaults to KindSecret.
	Key Kind
}

// StandardSigner signs by the Standard Webhooks specification 1.0.0: v1
// (HMAC-SHA256) with a secret, v1a (Ed25519) with a private key, over
// "id.timestamp.body". Several live keys give several signatures in one header,
// separated by single spaces, in the order of Request.Keys. No reference library
// verifies v1a so far: give its receivers a secret beside the private key.
//
// Of the request's keys it takes the secrets (see StandardOptions.Key) and the
// Ed25519 private keys, and leaves the others to other signers.
//
// With no keys it sets id and timestamp alone. The names go out in Go's
// canonical form (Webhook-Id): HTTP/1.1 receivers do not tell the case apart,
// HTTP/2 lowers it, and only that form is found by Header.Get.
type StandardSigner struct {
	id, timestamp, signature string // canonical header names
	kind                     Kind
}

var _ Signer = (*StandardSigner)(nil)

// Standard gives the signer of Standard Webhooks with the names of the
// specification.
func Standard() *StandardSigner {
	return standard("webhook", KindSecret)
}

// NewStandard gives a signer with other header names. It fails on a prefix that
// no header name can have, and on another kind of secrets than the two.
func NewStandard(o StandardOptions) (*StandardSigner, error) {
	if o.Prefix == "" {
		o.Prefix = "webhook"
	}
	if err := checkHeaderName(o.Prefix); err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	if o.Key == 0 {
		o.Key = KindSecret
	}
	if o.Key != KindSecret && o.Key != KindRaw {
		return nil, fmt.Errorf("%w: standard webhooks have whsec_ or raw secrets, not %s", ErrKeyKind, o.Key)
	}
	return standard(o.Prefix, o.Key), nil
}

func standard(prefix string, kind Kind) *StandardSigner {
	return &StandardSigner{
		id:        http.CanonicalHeaderKey(prefix + "-id"),
		timestamp: http.CanonicalHeaderKey(prefix + "-timestamp"),
		signature: http.CanonicalHeaderKey(prefix + "-signature"),
		kind:      kind,
	}
}

// Sign sets the three headers, in place of what was there; with no keys the
// signature header is removed. Errors wrap ErrRequest for a message id that the
// specification forbids, ErrKeyKind for a key that cannot sign, ErrNoLiveKey
// when all the keys have ended.
func (s *StandardSigner) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return err
	}
	if err := checkID(r.ID); err != nil {
		return err
	}
	b := scratch.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.free()
	b.out = strconv.AppendInt(b.out[:0], r.Time.Unix(), 10)
	n := len(b.out)
	out, err := s.appendSignatures(b.out, r, b.out[:n])
	if err != nil {
		return err
	}
	b.out = out

	text := string(out) // one string and one array for all three values
	values := [3]string{r.ID, text[:n], text[n:]}
	s.clear(r.Header)
	r.Header[s.id] = values[0:1:1]
	r.Header[s.timestamp] = values[1:2:2]
	if len(out) > n {
		r.Header[s.signature] = values[2:3:3]
	}
	return nil
}

// clear takes away what stands under the three names, in whatever case. It is
// setOne for all of them in one walk: that is half the price of a map so small.
func (s *StandardSigner) clear(h http.Header) {
	for k := range h {
		for _, name := range [...]string{s.id, s.timestamp, s.signature} {
			if len(k) == len(name) && strings.EqualFold(k, name) {
				delete(h, k)
			}
		}
	}
}

// AppendSignature appends the value of the signature header to dst and gives
// the extended slice: nothing with no keys. For secrets it does not allocate
// when dst has room. Errors are those of Sign; the header is not touched.
func (s *StandardSigner) AppendSignature(dst []byte, r *Request) ([]byte, error) {
	if err := checkID(r.ID); err != nil {
		return dst, err
	}
	var ts [20]byte
	return s.appendSignatures(dst, r, strconv.AppendInt(ts[:0], r.Time.Unix(), 10))
}

func (s *StandardSigner) appendSignatures(dst []byte, r *Request, ts []byte) ([]byte, error) {
	n := len(dst)
	for _, k := range r.Keys {
		if !s.fits(k) || !k.Live(r.Time) {
			continue
		}
		if len(dst) > n {
			dst = append(dst, ' ')
		}
		var err error
		if k.Kind() == s.kind {
			dst, err = appendV1(dst, k, r.ID, ts, r.Body)
		} else {
			dst, err = appendV1a(dst, k, r.ID, ts, r.Body)
		}
		if err != nil {
			return dst[:n], err
		}
	}
	if len(dst) == n && len(r.Keys) > 0 {
		return dst, noKey(r.Keys, s.fits, s.wants())
	}
	return dst, nil
}

func (s *StandardSigner) fits(k Key) bool { return k.Kind() == s.kind || k.ed25519() }

func (s *StandardSigner) wants() string {
	return "standard webhooks sign with " + s.kind.String() + " secrets and Ed25519 private keys"
}

// CheckKeys implements KeyChecker.
func (s *StandardSigner) CheckKeys(keys []Key) error { return checkKeys(keys, s.fits, s.wants()) }

func appendV1(dst []byte, k Key, id string, ts, body []byte) ([]byte, error) {
	m, err := k.m().mac(HMACSHA256)
	if err != nil {
		return dst, err
	}
	m.sumStandard(id, ts, body)
	dst = append(dst, "v1,"...)
	dst = base64.StdEncoding.AppendEncode(dst, m.buf)
	k.m().putMAC(HMACSHA256, m)
	return dst, nil
}

// sumStandard leaves the HMAC of "id.ts.body" in m.buf.
func (m *mac) sumStandard(id string, ts, body []byte) {
	m.buf = appendStandardHead(m.buf[:0], id, ts)
	_, _ = m.Write(m.buf) // a hash never fails
	_, _ = m.Write(body)
	m.buf = m.Sum(m.buf[:0])
}

func appendV1a(dst []byte, k Key, id string, ts, body []byte) ([]byte, error) {
	b := scratch.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.free()
	b.msg = append(appendStandardHead(b.msg[:0], id, ts), body...)
	sig, err := Ed25519.sign(k, b.msg)
	if err != nil {
		return dst, err
	}
	return base64.StdEncoding.AppendEncode(append(dst, "v1a,"...), sig), nil
}

func appendStandardHead(dst []byte, id string, ts []byte) []byte {
	dst = append(dst, id...)
	dst = append(dst, '.')
	dst = append(dst, ts...)
	return append(dst, '.')
}
