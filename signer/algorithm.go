package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // vendors' schemes (Twilio, WebSub) ask for HMAC-SHA1
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"
	"math/big"
)

// Algorithm names a way of signing.
type Algorithm uint8

// The algorithms. HMACSHA1 is for the schemes that know nothing else. ECDSA is
// on P-256, P-384 and P-521 by the size of the hash; RSA is PKCS #1 v1.5, RSAPSS
// has a salt as long as the hash.
const (
	HMACSHA256 Algorithm = iota + 1
	HMACSHA1
	HMACSHA384
	HMACSHA512
	Ed25519
	ECDSASHA256
	ECDSASHA384
	ECDSASHA512
	RSASHA256
	RSASHA384
	RSASHA512
	RSAPSSSHA256
	RSAPSSSHA384
	RSAPSSSHA512

	macAlgs = int(HMACSHA512)
)

// String gives the name in lower case, the hash last: "hmac-sha256".
func (a Algorithm) String() string {
	if a.valid() {
		return a.info().name
	}
	return "unknown algorithm"
}

// algorithm is what the standards say of an Algorithm.
type algorithm struct {
	name    string
	jose    string // RFC 7518, RFC 8037; empty: not there
	message string // RFC 9421; empty: not there
	hash    crypto.Hash
}

func (a Algorithm) valid() bool { return a >= HMACSHA256 && a <= RSAPSSSHA512 }

// info gives what the standards say, in the order of the constants.
func (a Algorithm) info() algorithm {
	return [...]algorithm{
		{name: "hmac-sha256", jose: "HS256", message: "hmac-sha256", hash: crypto.SHA256},
		{name: "hmac-sha1", hash: crypto.SHA1},
		{name: "hmac-sha384", jose: "HS384", hash: crypto.SHA384},
		{name: "hmac-sha512", jose: "HS512", hash: crypto.SHA512},
		{name: "ed25519", jose: "EdDSA", message: "ed25519"},
		{name: "ecdsa-p256-sha256", jose: "ES256", message: "ecdsa-p256-sha256", hash: crypto.SHA256},
		{name: "ecdsa-p384-sha384", jose: "ES384", message: "ecdsa-p384-sha384", hash: crypto.SHA384},
		{name: "ecdsa-p521-sha512", jose: "ES512", hash: crypto.SHA512},
		{name: "rsa-v1_5-sha256", jose: "RS256", message: "rsa-v1_5-sha256", hash: crypto.SHA256},
		{name: "rsa-v1_5-sha384", jose: "RS384", hash: crypto.SHA384},
		{name: "rsa-v1_5-sha512", jose: "RS512", hash: crypto.SHA512},
		{name: "rsa-pss-sha256", jose: "PS256", hash: crypto.SHA256},
		{name: "rsa-pss-sha384", jose: "PS384", hash: crypto.SHA384},
		{name: "rsa-pss-sha512", jose: "PS512", message: "rsa-pss-sha512", hash: crypto.SHA512},
	}[a-1]
}

// mac tells whether a is an HMAC.
func (a Algorithm) mac() bool { return a >= HMACSHA256 && a <= HMACSHA512 }

// newHash gives the constructor for HMACs; a direct function, because
// crypto.Hash.New allocates through an interface of its own.
func (a Algorithm) newHash() func() hash.Hash {
	switch a.info().hash {
	case crypto.SHA1:
		return sha1.New
	case crypto.SHA384:
		return sha512.New384
	case crypto.SHA512:
		return sha512.New
	}
	return sha256.New
}

// fits tells whether k can sign by a.
func (a Algorithm) fits(k Key) bool {
	if a.mac() {
		return k.symmetric()
	}
	if k.Kind() != KindPrivate && k.Kind() != KindSigner {
		return false
	}
	switch pub := k.m().pub.(type) {
	case ed25519.PublicKey:
		return a == Ed25519
	case *ecdsa.PublicKey:
		return a == ecdsaAlgorithm(pub)
	case *rsa.PublicKey:
		return a >= RSASHA256
	}
	return false
}

// algorithmOf gives the algorithm of a key that may have one only, and rsaAlg
// for RSA; 0 for a key that cannot sign.
func algorithmOf(k Key, rsaAlg Algorithm) Algorithm {
	if k.symmetric() {
		return HMACSHA256
	}
	if k.Kind() != KindPrivate && k.Kind() != KindSigner {
		return 0
	}
	switch pub := k.m().pub.(type) {
	case ed25519.PublicKey:
		return Ed25519
	case *ecdsa.PublicKey:
		return ecdsaAlgorithm(pub)
	case *rsa.PublicKey:
		return rsaAlg
	}
	return 0
}

func ecdsaAlgorithm(pub *ecdsa.PublicKey) Algorithm {
	switch coordinateSize(pub) {
	case 32:
		return ECDSASHA256
	case 48:
		return ECDSASHA384
	case 66:
		return ECDSASHA512
	}
	return 0
}

// coordinateSize gives the bytes of r and s on the curve; 0 for one we do not
// sign with.
func coordinateSize(pub *ecdsa.PublicKey) int {
	if pub == nil || pub.Curve == nil {
		return 0
	}
	switch pub.Curve.Params().Name {
	case "P-256":
		return 32
	case "P-384":
		return 48
	case "P-521":
		return 66
	}
	return 0
}

// sign signs msg; an ECDSA signature is ASN.1 DER.
func (a Algorithm) sign(k Key, msg []byte) ([]byte, error) {
	var opts crypto.SignerOpts
	switch {
	case !a.fits(k):
		return nil, fmt.Errorf("%w: %s cannot sign with %s", ErrKeyKind, k.Kind(), a)
	case a.mac():
		m, err := k.m().mac(a)
		if err != nil {
			return nil, err
		}
		defer k.m().putMAC(a, m)
		_, _ = m.Write(msg) // a hash never fails
		return m.Sum(nil), nil
	case a >= RSAPSSSHA256:
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.info().hash}
	default:
		opts = a.info().hash
	}
	sig, err := crypto.SignMessage(k.m().signer, rand.Reader, msg, opts)
	if err != nil {
		return nil, fmt.Errorf("sign by %s: %w", a, err)
	}
	return sig, nil
}

// signFixed signs msg; an ECDSA signature is r and s at their full length, as
// RFC 9421 and JWS have it.
func (a Algorithm) signFixed(k Key, msg []byte) ([]byte, error) {
	sig, err := a.sign(k, msg)
	if err != nil || a < ECDSASHA256 || a > ECDSASHA512 {
		return sig, err
	}
	var rs struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(sig, &rs)
	pub, ok := k.m().pub.(*ecdsa.PublicKey)
	size := coordinateSize(pub)
	if err != nil || !ok || len(rest) > 0 || rs.R.Sign() < 0 || rs.S.Sign() < 0 ||
		rs.R.BitLen() > 8*size || rs.S.BitLen() > 8*size {
		return nil, fmt.Errorf("%w: its ECDSA signature is not ASN.1 DER", ErrInvalidKey)
	}
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out, nil
}

// symmetric tells whether the key can be the key of an HMAC.
func (k Key) symmetric() bool {
	return k.Kind() == KindSecret || k.Kind() == KindRaw
}

// ed25519 tells whether the key can sign with Ed25519.
func (k Key) ed25519() bool { return Ed25519.fits(k) }
