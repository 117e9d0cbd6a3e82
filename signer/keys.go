package signer

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Errors of keys. They are wrapped with what was wrong, never with the secret.
var (
	// ErrInvalidKey is a text that is no key: too short, too long, of the wrong
	// type or wrongly encoded, or a pair whose halves differ.
	ErrInvalidKey = errors.New("invalid key")
	// ErrRedacted is the redacted form of a key where the key itself is needed.
	ErrRedacted = errors.New("redacted key: give the secret itself, or keep the one that is stored")
	// ErrKeyKind is a good key that the scheme at hand cannot use.
	ErrKeyKind = errors.New("key of the wrong kind")
	// ErrNoLiveKey means that keys were given and that all of them have ended.
	ErrNoLiveKey = errors.New("no live key: each of the keys has ended")
)

// Kind tells what a Key is.
type Kind uint8

// The kinds of keys.
const (
	KindSecret  Kind = iota + 1 // whsec_: shared, the bytes are base64-decoded
	KindRaw                     // shared, the bytes are the text itself
	KindToken                   // a credential that is sent as it is, and signs nothing
	KindPrivate                 // whsk_: Ed25519
	KindPublic                  // whpk_: Ed25519
	KindSigner                  // a crypto.Signer; the key is held elsewhere
)

// String gives the prefix of the kind in stored text.
func (k Kind) String() string {
	switch k {
	case KindSecret:
		return "whsec_"
	case KindRaw:
		return "raw:"
	case KindToken:
		return "token:"
	case KindPrivate:
		return "whsk_"
	case KindPublic:
		return "whpk_"
	case KindSigner:
		return "signer:"
	}
	return "none"
}

const (
	mask        = "***"
	untilPrefix = "until="

	minSecret, maxSecret = 24, 64 // bytes, decoded; Standard Webhooks spec
	minRaw, maxRaw       = 16, 4096
	minToken             = 4
	minRSABits           = 2048
)

// Key is a secret or a key of a pair, with an optional end of validity. Every
// way of printing or encoding it shows its kind and nothing else of it; Reveal
// is the one door to its text. A public key, which is no secret, shows itself.
//
// The zero Key is no key: IsZero tells, no signer takes it. A Key is a small
// value, safe to copy and for concurrent use. Compare with Equal, not with ==.
type Key struct {
	// In an unexported field of a host's struct fmt prints a Key without calling
	// its methods. It follows one pointer there (under a verb that does not fit,
	// such as %s), and never two.
	p    **material
	ends time.Time
}

func newKey(m *material) Key { return Key{p: &m} }

// m gives the material; nil for the zero Key.
func (k Key) m() *material {
	if k.p == nil {
		return nil
	}
	return *k.p
}

// material is immutable but for the keyed states, whose zero value is ready.
type material struct {
	kind   Kind
	text   string // what follows the prefix of the kind in stored text
	raw    []byte // HMAC key, credential, or Ed25519 public key
	signer crypto.Signer
	pub    crypto.PublicKey // of signer
	macs   [macAlgs][macSlots]atomic.Pointer[mac]
}

// ParseSecret reads a Standard Webhooks secret: "whsec_" and 24 to 64 bytes in
// standard base64 with padding. The key is the decoded bytes. The same text at
// Stripe is the key itself: there use RawSecret. Errors wrap ErrInvalidKey or
// ErrRedacted.
func ParseSecret(s string) (Key, error) {
	b, err := decodeKey(KindSecret, s)
	if err != nil {
		return Key{}, err
	}
	if len(b) < minSecret || len(b) > maxSecret {
		return Key{}, fmt.Errorf("%w: a whsec_ secret has %d to %d bytes, this one %d", ErrInvalidKey, minSecret, maxSecret, len(b))
	}
	return secretKey(b), nil
}

// RawSecret takes the text itself as the key of an HMAC, as Stripe, GitHub,
// Slack and most others do, a "whsec_" before it included. It must be valid
// UTF-8 of 16 to 4096 bytes without control characters. Errors wrap
// ErrInvalidKey or ErrRedacted.
func RawSecret(s string) (Key, error) {
	return literal(KindRaw, s, minRaw)
}

// Token takes a credential that is sent as it is: a password, a bearer token,
// an API key. It must be valid UTF-8 of 4 to 4096 bytes without control
// characters; it signs nothing. Errors wrap ErrInvalidKey or ErrRedacted.
func Token(s string) (Key, error) {
	return literal(KindToken, s, minToken)
}

func literal(kind Kind, s string, least int) (Key, error) {
	switch {
	case isMask(s):
		return Key{}, ErrRedacted
	case len(s) < least || len(s) > maxRaw:
		return Key{}, fmt.Errorf("%w: a %s key has %d to %d bytes, this one %d", ErrInvalidKey, kind, least, maxRaw, len(s))
	case !utf8.ValidString(s):
		return Key{}, fmt.Errorf("%w: not valid UTF-8", ErrInvalidKey)
	case hasControl(s):
		return Key{}, fmt.Errorf("%w: control character; was it read with its line end?", ErrInvalidKey)
	}
	return newKey(&material{kind: kind, text: s, raw: []byte(s)}), nil
}

// ParsePrivateKey reads an Ed25519 private key: "whsk_" and the base64 of seed
// and public key, 64 bytes, as Svix writes it. A pair whose halves differ is
// refused. Errors wrap ErrInvalidKey or ErrRedacted.
func ParsePrivateKey(s string) (Key, error) {
	b, err := decodeKey(KindPrivate, s)
	if err != nil {
		return Key{}, err
	}
	if len(b) != ed25519.PrivateKeySize {
		return Key{}, fmt.Errorf("%w: a whsk_ key has %d bytes, seed and public key, this one %d", ErrInvalidKey, ed25519.PrivateKeySize, len(b))
	}
	k := privateKey(b[:ed25519.SeedSize])
	if subtle.ConstantTimeCompare(k.m().raw, b[ed25519.SeedSize:]) != 1 {
		return Key{}, fmt.Errorf("%w: the public half of the whsk_ key does not belong to its private half", ErrInvalidKey)
	}
	return k, nil
}

// ParsePublicKey reads an Ed25519 public key: "whpk_" and the base64 of 32
// bytes. It verifies only. Errors wrap ErrInvalidKey.
func ParsePublicKey(s string) (Key, error) {
	b, err := decodeKey(KindPublic, s)
	if err != nil {
		return Key{}, err
	}
	if len(b) != ed25519.PublicKeySize {
		return Key{}, fmt.Errorf("%w: a whpk_ key has %d bytes, this one %d", ErrInvalidKey, ed25519.PublicKeySize, len(b))
	}
	return publicKey(b), nil
}

// SignerKey wraps a private key that is held elsewhere (a KMS, an HSM), or an
// RSA or ECDSA key in memory. It must be Ed25519, ECDSA on P-256, P-384 or
// P-521, or RSA of at least 2048 bits, and safe for concurrent use. Such a key
// cannot be stored: ParseKey refuses what Reveal gives. Errors wrap
// ErrInvalidKey.
func SignerKey(s crypto.Signer) (Key, error) { //nolint:revive // a Key from a crypto.Signer
	if s == nil {
		return Key{}, fmt.Errorf("%w: no crypto.Signer", ErrInvalidKey)
	}
	var raw []byte
	switch pub := s.Public().(type) {
	case ed25519.PublicKey:
		if len(pub) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("%w: Ed25519 public key of %d bytes", ErrInvalidKey, len(pub))
		}
		raw = bytes.Clone(pub)
	case *ecdsa.PublicKey:
		if coordinateSize(pub) == 0 {
			return Key{}, fmt.Errorf("%w: ECDSA on another curve than P-256, P-384 or P-521", ErrInvalidKey)
		}
	case *rsa.PublicKey:
		if pub == nil || pub.N == nil || pub.N.BitLen() < minRSABits {
			return Key{}, fmt.Errorf("%w: RSA below %d bits", ErrInvalidKey, minRSABits)
		}
	default:
		return Key{}, fmt.Errorf("%w: public key of type %T; want Ed25519, ECDSA or RSA", ErrInvalidKey, pub)
	}
	return newKey(&material{kind: KindSigner, text: mask, raw: raw, signer: s, pub: s.Public()}), nil
}

// GenerateSecret makes a new shared secret of 48 bytes: 64 base64 characters
// without padding, on which strict and lax decoders agree.
func GenerateSecret() Key { return generate(48) }

// GenerateLongSecret makes a new shared secret of 64 bytes, which HS512 and some
// receivers of RFC 9421's hmac-sha256 ask for.
func GenerateLongSecret() Key { return generate(maxSecret) }

func generate(n int) Key {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, as documented
	return secretKey(b)
}

// GeneratePrivateKey makes a new Ed25519 key; Public gives what receivers need.
func GeneratePrivateKey() Key {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails, as documented
	return privateKey(seed)
}

// Until gives a copy that is valid before t, and no longer at t. The zero time
// takes an end away.
func (k Key) Until(t time.Time) Key {
	if !t.IsZero() {
		t = t.Round(0).UTC() // what Reveal writes and ParseKey reads
	}
	k.ends = t
	return k
}

// Ends gives the end of validity; zero means never.
func (k Key) Ends() time.Time { return k.ends }

// Live tells whether the key may be used at now. The zero Key never is.
func (k Key) Live(now time.Time) bool {
	return k.p != nil && (k.ends.IsZero() || now.Before(k.ends))
}

// IsZero tells whether k is no key at all.
func (k Key) IsZero() bool { return k.p == nil }

// Kind tells what the key is; 0 for the zero Key.
func (k Key) Kind() Kind {
	if k.p == nil {
		return 0
	}
	return k.m().kind
}

// Equal tells in constant time whether both are the same key with the same end
// of validity. A SignerKey equals its own copies only.
func (k Key) Equal(o Key) bool {
	if !k.ends.Equal(o.ends) || k.Kind() != o.Kind() {
		return false
	}
	if k.p == o.p || k.Kind() == KindSigner {
		return k.p == o.p
	}
	return subtle.ConstantTimeCompare([]byte(k.m().text), []byte(o.m().text)) == 1
}

// Public gives the public key of an Ed25519 key, to be handed to receivers; its
// String is "whpk_...". Other keys give an error that wraps ErrKeyKind.
func (k Key) Public() (Key, error) {
	switch k.Kind() {
	case KindPrivate, KindPublic, KindSigner:
		if k.m().raw != nil {
			return publicKey(k.m().raw), nil
		}
	case KindSecret, KindRaw, KindToken:
	}
	return Key{}, fmt.Errorf("%w: only an Ed25519 key has a public half here", ErrKeyKind)
}

func secretKey(b []byte) Key {
	return newKey(&material{kind: KindSecret, text: base64.StdEncoding.EncodeToString(b), raw: b})
}

func privateKey(seed []byte) Key {
	p := ed25519.NewKeyFromSeed(seed)
	return newKey(&material{
		kind: KindPrivate, text: base64.StdEncoding.EncodeToString(p),
		raw: bytes.Clone(p[ed25519.SeedSize:]), signer: p, pub: p.Public(),
	})
}

func publicKey(b []byte) Key {
	return newKey(&material{kind: KindPublic, text: base64.StdEncoding.EncodeToString(b), raw: b})
}
