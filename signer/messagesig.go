package signer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Digest is the hash of a Content-Digest, RFC 9530.
type Digest uint8

// The digests.
const (
	DigestSHA256 Digest = iota + 1
	DigestSHA512
)

// String gives the name in the header.
func (d Digest) String() string {
	switch d {
	case DigestSHA256:
		return "sha-256"
	case DigestSHA512:
		return "sha-512"
	}
	return "unknown digest"
}

// MessageOptions are the choices of a MessageSigner.
type MessageOptions struct {
	// Label of the signature in its two headers.
	//
	// Defaults to "sig1".
	Label string

	// Components that are signed, in order: @method, @authority, @scheme, @path,
	// @query, @request-target, @target-uri, and names of headers in lower case.
	// A header that the request lacks is an error, but for content-length, which
	// is known, and content-digest, which is made. Leave content-digest in: no
	// receiver's library looks at the body otherwise. @target-uri and @scheme
	// are lost behind a proxy that ends TLS.
	//
	// Defaults to "@method", "@authority", "@path", "@query", "content-digest",
	// "content-type".
	Components []string

	// Digest is the hash of content-digest.
	//
	// Defaults to DigestSHA256.
	Digest Digest

	// Algorithm is one of the six of RFC 9421: HMACSHA256, Ed25519, ECDSASHA256,
	// ECDSASHA384, RSASHA256, RSAPSSSHA512.
	//
	// Defaults to what the key is made for, and RSAPSSSHA512 for RSA.
	Algorithm Algorithm

	// Key of the host. Some receivers refuse an HMAC with less than 64 bytes:
	// GenerateLongSecret.
	//
	// Defaults to a live key of the request that fits, see Rotation.
	Key Key

	// KeyID is the keyid parameter. Empty: none.
	KeyID string

	// Rotation is SignNewest or SignOldest, of the request's live keys.
	//
	// Defaults to SignNewest.
	Rotation Rotation

	// Lifetime from created to expires, in whole seconds.
	//
	// Defaults to none: no expires parameter. Negative is refused.
	Lifetime time.Duration

	// Tag is the tag parameter. Empty: none.
	Tag string

	// Nonce adds 16 random bytes as the nonce parameter.
	Nonce bool

	// NameAlgorithm adds the alg parameter, which some receivers refuse.
	NameAlgorithm bool
}

// MessageSigner signs by HTTP Message Signatures (RFC 9421) with a digest of the
// body (RFC 9530). With no keys it sets the digest alone. It sets the headers
// Content-Digest, Signature-Input and Signature.
type MessageSigner struct {
	o      MessageOptions
	list   string // the components as they stand in Signature-Input
	digest bool
	wants  string // the keys, for errors
}

var _ Signer = (*MessageSigner)(nil)

// NewMessageSigner checks the options.
func NewMessageSigner(o MessageOptions) (*MessageSigner, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("message signature: %w", err)
	}
	s := &MessageSigner{o: o, digest: slices.Contains(o.Components, "content-digest"), wants: o.wanted()}
	if !o.Key.IsZero() && !s.fits(o.Key) {
		return nil, fmt.Errorf("message signature: %w: %s", ErrKeyKind, s.wants)
	}
	quoted := make([]string, len(o.Components))
	for i, c := range o.Components {
		quoted[i] = `"` + c + `"`
	}
	s.list = "(" + strings.Join(quoted, " ") + ")"
	return s, nil
}

func (o MessageOptions) withDefaults() MessageOptions {
	if o.Label == "" {
		o.Label = "sig1"
	}
	if len(o.Components) == 0 {
		o.Components = []string{"@method", "@authority", "@path", "@query", "content-digest", "content-type"}
	}
	o.Components = slices.Clone(o.Components)
	if o.Digest == 0 {
		o.Digest = DigestSHA256
	}
	if o.Rotation == 0 {
		o.Rotation = SignNewest
	}
	return o
}

func (o MessageOptions) check() error {
	if !isKey(o.Label) {
		return fmt.Errorf("label %q: want lower-case letters, digits, _-.*", o.Label)
	}
	for i, c := range o.Components {
		if slices.Contains(o.Components[:i], c) {
			return fmt.Errorf("component %q twice", c)
		}
		if err := checkComponent(c); err != nil {
			return err
		}
	}
	if !visible(o.KeyID) || !visible(o.Tag) {
		return errors.New("only visible ASCII and spaces may stand in KeyID and Tag")
	}
	return o.checkChoices()
}

func (o MessageOptions) checkChoices() error {
	if o.Algorithm != 0 && (!o.Algorithm.valid() || o.Algorithm.info().message == "") {
		return fmt.Errorf("RFC 9421 has no %s", o.Algorithm)
	}
	if o.Digest > DigestSHA512 || o.Rotation > SignOldest {
		return fmt.Errorf("%s, rotation %s", o.Digest, o.Rotation)
	}
	if o.Lifetime < 0 || o.Lifetime%time.Second != 0 {
		return fmt.Errorf("lifetime %v; want whole seconds", o.Lifetime)
	}
	return nil
}

// isKey tells whether s is a key of a structured field dictionary, RFC 8941.
func isKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		first := (c >= 'a' && c <= 'z') || c == '*'
		if !first && (i == 0 || ((c < '0' || c > '9') && c != '_' && c != '-' && c != '.')) {
			return false
		}
	}
	return s != ""
}

func checkComponent(c string) error {
	if strings.HasPrefix(c, "@") {
		switch c {
		case "@method", "@authority", "@scheme", "@path", "@query", "@request-target", "@target-uri":
			return nil
		}
		return fmt.Errorf("component %q is not one that a request has here", c)
	}
	if err := checkHeaderName(c); err != nil {
		return err
	}
	if c != strings.ToLower(c) || c == "signature" || c == "signature-input" {
		return fmt.Errorf("component %q: want a header's name in lower case, and not the signature's own", c)
	}
	return nil
}

// Sign sets the headers, in place of what was there. Errors wrap ErrRequest,
// ErrKeyKind or ErrNoLiveKey, or come from the key's crypto.Signer.
func (s *MessageSigner) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return fmt.Errorf("message signature: %w", err)
	}
	setOne(r.Header, "Signature-Input", []string{""})
	setOne(r.Header, "Signature", []string{""})
	if s.digest {
		setOne(r.Header, "Content-Digest", []string{s.o.Digest.header(r.Body)})
	}
	k, err := pick(r, s.o.Key, s.o.Rotation, s.fits, s.wants)
	if err == nil && !k.IsZero() {
		err = s.sign(k, r)
	}
	if err != nil {
		return fmt.Errorf("message signature: %w", err)
	}
	return nil
}

func (s *MessageSigner) sign(k Key, r *Request) error {
	alg := s.algorithm(k)
	b := scratch.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.free()
	params := s.appendParams(b.out[:0], alg, r.Time)
	b.out = params
	base, err := s.appendBase(b.msg[:0], r, params)
	b.msg = base
	if err != nil {
		return err
	}
	sig, err := alg.signFixed(k, base)
	if err != nil {
		return err
	}
	input := s.o.Label + "=" + string(params)
	out := append(b.msg[:0], s.o.Label...)
	out = base64.StdEncoding.AppendEncode(append(out, "=:"...), sig)
	out = append(out, ':')
	b.msg = out
	values := [2]string{input, string(out)}
	setOne(r.Header, "Signature-Input", values[0:1:1])
	setOne(r.Header, "Signature", values[1:2:2])
	return nil
}

// CheckKeys implements KeyChecker.
func (s *MessageSigner) CheckKeys(keys []Key) error {
	if !s.o.Key.IsZero() {
		return nil
	}
	return checkKeys(keys, s.fits, s.wants)
}

// algorithm gives the algorithm for a key; 0 where there is none.
func (s *MessageSigner) algorithm(k Key) Algorithm {
	alg := s.o.Algorithm
	if alg == 0 {
		alg = algorithmOf(k, RSAPSSSHA512)
	}
	if alg == 0 || alg.info().message == "" || !alg.fits(k) {
		return 0
	}
	return alg
}

func (s *MessageSigner) fits(k Key) bool { return s.algorithm(k) != 0 }

func (o MessageOptions) wanted() string {
	if o.Algorithm == 0 {
		return "wanted is a key for one of the six algorithms of RFC 9421"
	}
	return "wanted is a key for " + o.Algorithm.String()
}

// appendParams appends the components and parameters, which stand in
// Signature-Input and in the last line of the signature base.
func (s *MessageSigner) appendParams(dst []byte, alg Algorithm, at time.Time) []byte {
	dst = append(dst, s.list...)
	dst = strconv.AppendInt(append(dst, ";created="...), at.Unix(), 10)
	if s.o.Lifetime > 0 {
		dst = strconv.AppendInt(append(dst, ";expires="...), at.Unix()+int64(s.o.Lifetime/time.Second), 10)
	}
	if s.o.Nonce {
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // never fails, as documented
		dst = append(dst, `;nonce="`...)
		dst = append(base64.RawURLEncoding.AppendEncode(dst, nonce[:]), '"')
	}
	if s.o.NameAlgorithm {
		dst = appendParam(dst, "alg", alg.info().message)
	}
	if s.o.KeyID != "" {
		dst = appendParam(dst, "keyid", s.o.KeyID)
	}
	if s.o.Tag != "" {
		dst = appendParam(dst, "tag", s.o.Tag)
	}
	return dst
}

// appendParam appends a string of a structured field, RFC 8941 section 3.3.3.
func appendParam(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ';'), name...), `="`...)
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// appendBase appends the signature base, RFC 9421 section 2.5.
func (s *MessageSigner) appendBase(dst []byte, r *Request, params []byte) ([]byte, error) {
	t, err := parseTarget(r.URL)
	if err == nil && hasControl(r.Method) {
		err = fmt.Errorf("%w: control character in the method", ErrRequest)
	}
	if err != nil {
		return dst, err
	}
	for _, c := range s.o.Components {
		dst = append(append(append(dst, '"'), c...), `": `...)
		if c[0] == '@' {
			dst = t.appendDerived(dst, c, r.Method)
		} else if dst, err = appendField(dst, c, r); err != nil {
			return dst, err
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, `"@signature-params": `...)
	return append(dst, params...), nil
}

// appendField appends the values of a header, RFC 9421 section 2.1.
func appendField(dst []byte, name string, r *Request) ([]byte, error) {
	values := lookup(r.Header, name)
	if len(values) == 0 {
		if name == "content-length" {
			return strconv.AppendInt(dst, int64(len(r.Body)), 10), nil
		}
		return dst, fmt.Errorf("%w: component %q is not among its headers", ErrRequest, name)
	}
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if hasControl(v) {
			return dst, fmt.Errorf("%w: control character in header %q", ErrRequest, name)
		}
		dst = append(dst, strings.TrimSpace(v)...)
	}
	return dst, nil
}

func (d Digest) header(body []byte) string {
	out := make([]byte, 0, 104)
	out = append(append(out, d.String()...), "=:"...)
	if d == DigestSHA512 {
		sum := sha512.Sum512(body)
		out = base64.StdEncoding.AppendEncode(out, sum[:])
	} else {
		sum := sha256.Sum256(body)
		out = base64.StdEncoding.AppendEncode(out, sum[:])
	}
	return string(append(out, ':'))
}
