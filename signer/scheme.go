package signer

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Encoding is how the bytes of a signature are written.
type Encoding uint8

// The encodings. Hex is in lower case: some receivers refuse upper case.
const (
	Hex    Encoding = iota + 1
	Base64          // standard alphabet, padded
)

// String names the encoding.
func (e Encoding) String() string {
	switch e {
	case Hex:
		return "hex"
	case Base64:
		return "base64"
	}
	return "unknown encoding"
}

// Scheme describes a signature in a header over parts of the request, as most
// vendors have one. It is plain data: Stripe, GitHub and the others give theirs,
// a host may change it or write its own. NewScheme makes the signer.
type Scheme struct {
	// Name of the scheme, for errors.
	//
	// Defaults to "scheme".
	Name string

	// Algorithm is one of the HMACs, Ed25519, or ECDSASHA256, whose signature
	// stays ASN.1 DER here.
	//
	// Defaults to HMACSHA256.
	Algorithm Algorithm

	// Key is the kind of the shared secrets of an HMAC: KindRaw, whose text is
	// the key as most vendors have it, or KindSecret. Keys of another kind are
	// left to other signers.
	//
	// Defaults to KindRaw.
	Key Kind

	// Content is what is signed. In braces stand {body}, {timestamp}, {id},
	// {method}, {url} (as sent), {form} (the names and values of a form body,
	// sorted, as Twilio has it) and {hubspot-url} (the URL with the few escapes
	// undone that HubSpot names); the rest is literal.
	//
	// Defaults to "{body}".
	Content string

	// Encoding of the signature.
	//
	// Defaults to Hex.
	Encoding Encoding

	// Header has the name of the header with the signature. Required.
	Header string

	// Lead stands once before the signatures; {timestamp} may stand in it.
	Lead string

	// Prefix stands before each signature, for example "sha256=".
	Prefix string

	// Joiner stands between signatures under SignAll.
	//
	// Defaults to ",".
	Joiner string

	// Rotation says which of several live keys sign. SignAll is for receivers
	// that read lists.
	//
	// Defaults to SignNewest.
	Rotation Rotation

	// TimestampHeader and IDHeader name the headers of the attempt's time and of
	// the message id. Empty: not sent.
	TimestampHeader, IDHeader string

	// TimestampUnit is time.Second or time.Millisecond.
	//
	// Defaults to time.Second.
	TimestampUnit time.Duration

	// BodyHashParam names a query parameter that holds the body's SHA-256 in
	// hex. A signer changes no URL: SchemeSigner.URL makes the one to send, and
	// Sign refuses a request whose URL does not carry the hash.
	BodyHashParam string
}

// NewScheme checks s and gives its signer. It fails on what no request could
// carry, on an unknown field in braces, and on what the runtime's FIPS mode
// forbids (ErrFIPS).
func NewScheme(s Scheme) (*SchemeSigner, error) {
	s = s.withDefaults()
	out := &SchemeSigner{s: s, wants: s.wanted()}
	err := s.check()
	if err == nil {
		out.content, err = parseTemplate(s.Content)
	}
	if err == nil {
		out.lead, err = parseTemplate(s.Lead)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	for _, p := range out.lead {
		if p.field != fieldLiteral && p.field != fieldTimestamp {
			return nil, fmt.Errorf("%s: only {timestamp} may stand in Lead", s.Name)
		}
	}
	out.s.Header = http.CanonicalHeaderKey(s.Header)
	out.s.TimestampHeader = http.CanonicalHeaderKey(s.TimestampHeader)
	out.s.IDHeader = http.CanonicalHeaderKey(s.IDHeader)
	return out, nil
}

func (s Scheme) withDefaults() Scheme {
	if s.Name == "" {
		s.Name = "scheme"
	}
	if s.Algorithm == 0 {
		s.Algorithm = HMACSHA256
	}
	if s.Key == 0 {
		s.Key = KindRaw
	}
	if s.Content == "" {
		s.Content = "{body}"
	}
	if s.Encoding == 0 {
		s.Encoding = Hex
	}
	if s.Joiner == "" {
		s.Joiner = ","
	}
	if s.Rotation == 0 {
		s.Rotation = SignNewest
	}
	if s.TimestampUnit == 0 {
		s.TimestampUnit = time.Second
	}
	return s
}

func (s Scheme) check() error {
	if err := s.checkChoices(); err != nil {
		return err
	}
	if err := checkHeaderNames(s.Header, s.TimestampHeader, s.IDHeader); err != nil {
		return err
	}
	for _, v := range []string{s.Lead, s.Prefix, s.Joiner} {
		if !visible(v) {
			return errors.New("only visible ASCII and spaces may stand in Lead, Prefix and Joiner")
		}
	}
	if s.Algorithm.mac() { // FIPS rules show here, and not on the first delivery
		_, err := newHMAC(s.Algorithm, make([]byte, minRaw))
		return err
	}
	return nil
}

func (s Scheme) checkChoices() error {
	if !s.Algorithm.mac() && s.Algorithm != Ed25519 && s.Algorithm != ECDSASHA256 {
		return fmt.Errorf("algorithm %s; want an HMAC, ed25519 or ecdsa-p256-sha256", s.Algorithm)
	}
	if s.Key != KindRaw && s.Key != KindSecret {
		return fmt.Errorf("%w: an HMAC takes raw or whsec_ keys, not %s", ErrKeyKind, s.Key)
	}
	if s.Encoding > Base64 || s.Rotation > SignAll {
		return fmt.Errorf("%s, %s", s.Encoding, s.Rotation)
	}
	if s.TimestampUnit != time.Second && s.TimestampUnit != time.Millisecond {
		return fmt.Errorf("timestamp unit %v; want 1s or 1ms", s.TimestampUnit)
	}
	return nil
}
