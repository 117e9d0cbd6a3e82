package signer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// JWTOptions are the choices of a JWT signer.
type JWTOptions struct {
	// Header that carries the token.
	//
	// Defaults to "Authorization".
	Header string

	// Prefix before the token.
	//
	// Defaults to "Bearer " under Authorization, else to nothing.
	Prefix string

	// Algorithm of the signature, any but HMACSHA1. An HMAC wants a key at least
	// as long as its hash (RFC 7518 section 3.2).
	//
	// Defaults to what the key is made for; HMACSHA256 for shared secrets, and
	// RSASHA256 for RSA.
	Algorithm Algorithm

	// Key of the host.
	//
	// Defaults to the newest live key of the request that fits.
	Key Key

	// KeyID is the kid of the token's header. Empty: none.
	KeyID string

	// Issuer and Subject are iss and sub. Empty: none.
	Issuer, Subject string

	// Audience is aud.
	//
	// Defaults to the URL of the request as sent.
	Audience string

	// Lifetime is the time from iat to exp, at most an hour.
	//
	// Defaults to 5 minutes.
	Lifetime time.Duration

	// BodyHash names a claim for the hex of the body's SHA-256, such as
	// "request_body_sha256". Empty: the token does not cover the body.
	BodyHash string

	// Claims are further claims. They may not be those named here.
	Claims map[string]any
}

// JWT sends a JSON Web Token (RFC 7519) that is made anew for each attempt: iat
// and exp from the attempt's time, jti is the message id. With no keys it sends
// none.
type JWT struct {
	o JWTOptions
	joseSigner
}

var (
	_ Signer = (*JWT)(nil)
	_ Masker = (*JWT)(nil)
)

// NewJWT checks the options.
func NewJWT(o JWTOptions) (*JWT, error) {
	if o.Header == "" {
		o.Header = "Authorization"
	}
	o.Header = http.CanonicalHeaderKey(o.Header)
	if o.Prefix == "" && o.Header == "Authorization" {
		o.Prefix = "Bearer "
	}
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Minute
	}
	if o.Lifetime < time.Second || o.Lifetime > time.Hour {
		return nil, fmt.Errorf("jwt: lifetime %v; want 1s to 1h", o.Lifetime)
	}
	if !visible(o.Prefix) {
		return nil, errors.New("jwt: only visible ASCII and spaces may stand in Prefix")
	}
	for _, name := range []string{"iss", "sub", "aud", "iat", "exp", "jti", o.BodyHash} {
		if _, clash := o.Claims[name]; clash {
			return nil, fmt.Errorf("jwt: claim %q is set by the signer", name)
		}
	}
	o.Claims = maps.Clone(o.Claims)
	if _, err := json.Marshal(o.Claims); err != nil {
		return nil, fmt.Errorf("jwt: claims: %w", err)
	}
	j := joseSigner{name: "jwt", header: o.Header, alg: o.Algorithm, own: o.Key, kid: o.KeyID}
	if err := j.check(); err != nil {
		return nil, err
	}
	return &JWT{o: o, joseSigner: j}, nil
}

// Sign sets the header, in place of what was there. Errors wrap ErrRequest,
// ErrKeyKind or ErrNoLiveKey, or come from the key's crypto.Signer.
func (s *JWT) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return fmt.Errorf("jwt: %w", err)
	}
	k, alg, err := s.pick(r)
	if err != nil || k.IsZero() {
		setOne(r.Header, s.header, []string{""})
		return err
	}
	claims := maps.Clone(s.o.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	now := r.Time.Unix()
	claims["iat"], claims["exp"] = now, now+int64(s.o.Lifetime/time.Second)
	claims["aud"] = r.URL
	for name, v := range map[string]string{"iss": s.o.Issuer, "sub": s.o.Subject, "aud": s.o.Audience, "jti": r.ID} {
		if v != "" {
			claims[name] = v
		}
	}
	if s.o.BodyHash != "" {
		sum := sha256.Sum256(r.Body)
		claims[s.o.BodyHash] = hex.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return fmt.Errorf("jwt: claims: %w", err)
	}
	head, err := s.head(alg, map[string]any{"typ": "JWT"})
	if err != nil {
		return err
	}
	msg := append(head, '.')
	msg = base64.RawURLEncoding.AppendEncode(msg, payload)
	sig, err := alg.signFixed(k, msg)
	if err != nil {
		return fmt.Errorf("jwt: %w", err)
	}
	msg = base64.RawURLEncoding.AppendEncode(append(msg, '.'), sig)
	setOne(r.Header, s.header, []string{s.o.Prefix + string(msg)})
	return nil
}

// MaskSent implements Masker.
func (s *JWT) MaskSent(b []byte, r *Request) []byte { return maskHeader(b, r, s.header) }

// JWSOptions are the choices of a JWS signer.
type JWSOptions struct {
	// Header that carries the signature.
	//
	// Defaults to "X-Jws-Signature".
	Header string

	// Algorithm is as in JWTOptions.
	Algorithm Algorithm

	// Key of the host.
	//
	// Defaults to the newest live key of the request that fits.
	Key Key

	// KeyID is the kid of the protected header. Empty: none.
	KeyID string

	// Payload says how the body enters what is signed.
	//
	// Defaults to PayloadEncoded.
	Payload JWSPayload
}

// JWSPayload says how the body enters a detached JWS.
type JWSPayload uint8

// The ways: in base64url (RFC 7515 appendix F), or as it is (RFC 7797, b64 is
// false), which spares the copy.
const (
	PayloadEncoded JWSPayload = iota + 1
	PayloadRaw
)

// String names the way.
func (p JWSPayload) String() string {
	switch p {
	case PayloadEncoded:
		return "encoded payload"
	case PayloadRaw:
		return "raw payload"
	}
	return "unknown payload"
}

// JWS sends a detached JSON Web Signature over the body, "<header>..<signature>".
// The protected header has alg, kid, and the attempt's time as iat. With no keys
// it sends none.
type JWS struct {
	payload JWSPayload
	joseSigner
}

var _ Signer = (*JWS)(nil)

// NewJWS checks the options.
func NewJWS(o JWSOptions) (*JWS, error) {
	if o.Header == "" {
		o.Header = "X-Jws-Signature"
	}
	if o.Payload == 0 {
		o.Payload = PayloadEncoded
	}
	if o.Payload > PayloadRaw {
		return nil, fmt.Errorf("jws: %s", o.Payload)
	}
	j := joseSigner{name: "jws", header: http.CanonicalHeaderKey(o.Header), alg: o.Algorithm, own: o.Key, kid: o.KeyID}
	if err := j.check(); err != nil {
		return nil, err
	}
	return &JWS{payload: o.Payload, joseSigner: j}, nil
}

// Sign sets the header, in place of what was there. Errors wrap ErrRequest,
// ErrKeyKind or ErrNoLiveKey, or come from the key's crypto.Signer.
func (s *JWS) Sign(_ context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return fmt.Errorf("jws: %w", err)
	}
	k, alg, err := s.pick(r)
	if err != nil || k.IsZero() {
		setOne(r.Header, s.header, []string{""})
		return err
	}
	protected := map[string]any{"iat": r.Time.Unix()}
	if s.payload == PayloadRaw {
		protected["b64"], protected["crit"] = false, []string{"b64"}
	}
	head, err := s.head(alg, protected)
	if err != nil {
		return err
	}
	n := len(head)
	msg := append(head, '.')
	if s.payload == PayloadRaw {
		msg = append(msg, r.Body...)
	} else {
		msg = base64.RawURLEncoding.AppendEncode(msg, r.Body)
	}
	sig, err := alg.signFixed(k, msg)
	if err != nil {
		return fmt.Errorf("jws: %w", err)
	}
	setOne(r.Header, s.header, []string{string(msg[:n]) + ".." + base64.RawURLEncoding.EncodeToString(sig)})
	return nil
}

// joseSigner is what JWT and JWS have in common.
type joseSigner struct {
	name, header, kid string
	alg               Algorithm
	own               Key
}

const joseWanted = "wanted is a key for the algorithm, for an HMAC at least as long as its hash"

func (s *joseSigner) check() error {
	if err := checkHeaderName(s.header); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if s.alg != 0 && (!s.alg.valid() || s.alg.info().jose == "") {
		return fmt.Errorf("%s: JOSE has no %s", s.name, s.alg)
	}
	if !s.own.IsZero() && !s.fits(s.own) {
		return fmt.Errorf("%s: %w: %s", s.name, ErrKeyKind, joseWanted)
	}
	return nil
}

// algorithm gives the algorithm for a key; 0 where there is none.
func (s *joseSigner) algorithm(k Key) Algorithm {
	alg := s.alg
	if alg == 0 {
		alg = algorithmOf(k, RSASHA256)
	}
	if alg == 0 || !alg.fits(k) || (alg.mac() && len(k.m().raw) < alg.info().hash.Size()) {
		return 0
	}
	return alg
}

func (s *joseSigner) fits(k Key) bool { return s.algorithm(k) != 0 }

// CheckKeys implements KeyChecker.
func (s *joseSigner) CheckKeys(keys []Key) error {
	if !s.own.IsZero() {
		return nil
	}
	return checkKeys(keys, s.fits, joseWanted)
}

func (s *joseSigner) pick(r *Request) (Key, Algorithm, error) {
	k, err := pick(r, s.own, SignNewest, s.fits, joseWanted)
	if err != nil || k.IsZero() {
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
		}
		return Key{}, 0, err
	}
	return k, s.algorithm(k), nil
}

// head gives the protected header in base64url.
func (s *joseSigner) head(alg Algorithm, fields map[string]any) ([]byte, error) {
	fields["alg"] = alg.info().jose
	if s.kid != "" {
		fields["kid"] = s.kid
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("%s: header: %w", s.name, err)
	}
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}
