package signer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

// pairs are one private key for each algorithm, made once.
type pairs struct {
	rsa              *rsa.PrivateKey
	p256, p384, p521 *ecdsa.PrivateKey
	ed               ed25519.PrivateKey
}

var keyPairs = sync.OnceValue(func() pairs {
	var p pairs
	var errs [4]error
	p.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	p.p256, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.p384, errs[2] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p.p521, errs[3] = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, p.ed, _ = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return p
})

// checkSignature verifies by the standard library alone, with ECDSA as r and s.
func checkSignature(pub any, pss bool, h crypto.Hash, msg, sig []byte) bool {
	digest := msg
	if h != 0 {
		hh := h.New()
		hh.Write(msg)
		digest = hh.Sum(nil)
	}
	switch pub := pub.(type) {
	case []byte:
		m := hmac.New(h.New, pub)
		m.Write(msg)
		return hmac.Equal(m.Sum(nil), sig)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, msg, sig)
	case *ecdsa.PublicKey:
		n := (pub.Curve.Params().BitSize + 7) / 8
		return len(sig) == 2*n && ecdsa.Verify(pub, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
	case *rsa.PublicKey:
		if pss {
			return rsa.VerifyPSS(pub, h, digest, sig, &rsa.PSSOptions{SaltLength: h.Size()}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, h, digest, sig) == nil
	}
	return false
}

type joseCase struct {
	name string
	alg  signer.Algorithm
	key  signer.Key
	pub  any
	hash crypto.Hash
	want string
}

func joseCases(t *testing.T) []joseCase {
	t.Helper()
	p := keyPairs()
	long := signer.GenerateLongSecret()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(long.Reveal(), "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	text := must(signer.RawSecret(strings.Repeat("x", 32)))
	return []joseCase{
		{name: "HS256 by default", key: long, pub: raw, hash: crypto.SHA256, want: "HS256"},
		{name: "HS256 of text", key: text, pub: []byte(strings.Repeat("x", 32)), hash: crypto.SHA256, want: "HS256"},
		{name: "HS384", alg: signer.HMACSHA384, key: long, pub: raw, hash: crypto.SHA384, want: "HS384"},
		{name: "HS512", alg: signer.HMACSHA512, key: long, pub: raw, hash: crypto.SHA512, want: "HS512"},
		{name: "RS256 by default", key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA256, want: "RS256"},
		{name: "RS384", alg: signer.RSASHA384, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA384, want: "RS384"},
		{name: "RS512", alg: signer.RSASHA512, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA512, want: "RS512"},
		{name: "PS256", alg: signer.RSAPSSSHA256, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA256, want: "PS256"},
		{name: "PS384", alg: signer.RSAPSSSHA384, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA384, want: "PS384"},
		{name: "PS512", alg: signer.RSAPSSSHA512, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA512, want: "PS512"},
		{name: "ES256", key: must(signer.SignerKey(p.p256)), pub: &p.p256.PublicKey, hash: crypto.SHA256, want: "ES256"},
		{name: "ES384", key: must(signer.SignerKey(kms{p.p384})), pub: &p.p384.PublicKey, hash: crypto.SHA384, want: "ES384"},
		{name: "ES512", key: must(signer.SignerKey(p.p521)), pub: &p.p521.PublicKey, hash: crypto.SHA512, want: "ES512"},
		{name: "EdDSA", key: must(signer.SignerKey(p.ed)), pub: p.ed.Public(), want: "EdDSA"},
	}
}

func decodeSegment(t *testing.T, s string, v any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatalf("segment %q: %v", s, err)
	}
}

func TestJWT(t *testing.T) {
	for _, tt := range joseCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			s, err := signer.NewJWT(signer.JWTOptions{
				Algorithm: tt.alg, Key: tt.key, KeyID: "k1", Issuer: "us", Subject: "hook",
				BodyHash: "request_body_sha256", Claims: map[string]any{"email": "a@example.com"},
			})
			if err != nil {
				t.Fatal(err)
			}
			r := vector()
			if err := s.Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			parts := strings.Split(token, ".")
			if !ok || len(parts) != 3 {
				t.Fatalf("Authorization = %q", r.Header.Get("Authorization"))
			}
			var head map[string]string
			var claims map[string]any
			decodeSegment(t, parts[0], &head)
			decodeSegment(t, parts[1], &claims)
			if want := map[string]string{"alg": tt.want, "kid": "k1", "typ": "JWT"}; !reflect.DeepEqual(head, want) {
				t.Errorf("header = %v, want %v", head, want)
			}
			sum := sha256.Sum256(r.Body)
			want := map[string]any{
				"iss": "us", "sub": "hook", "aud": r.URL, "jti": r.ID, "iat": 1614265330.0, "exp": 1614265630.0,
				"request_body_sha256": hex.EncodeToString(sum[:]), "email": "a@example.com",
			}
			if !reflect.DeepEqual(claims, want) {
				t.Errorf("claims = %v, want %v", claims, want)
			}
			sig, err := base64.RawURLEncoding.DecodeString(parts[2])
			msg := []byte(parts[0] + "." + parts[1])
			pss := strings.HasPrefix(tt.want, "PS")
			if err != nil || !checkSignature(tt.pub, pss, tt.hash, msg, sig) {
				t.Errorf("the signature of %s does not verify (%v)", token, err)
			}
			msg[0] ^= 1
			if checkSignature(tt.pub, pss, tt.hash, msg, sig) {
				t.Error("the signature verifies over other bytes")
			}
		})
	}
}

func TestJWS(t *testing.T) {
	for _, payload := range []signer.JWSPayload{signer.PayloadEncoded, signer.PayloadRaw} {
		for _, tt := range joseCases(t) {
			t.Run(payload.String()+"/"+tt.name, func(t *testing.T) {
				s, err := signer.NewJWS(signer.JWSOptions{Algorithm: tt.alg, Key: tt.key, Payload: payload})
				if err != nil {
					t.Fatal(err)
				}
				r := vector()
				if err := s.Sign(context.Background(), r); err != nil {
					t.Fatal(err)
				}
				head, sig64, ok := strings.Cut(r.Header.Get("X-Jws-Signature"), "..")
				if !ok {
					t.Fatalf("X-Jws-Signature = %q", r.Header.Get("X-Jws-Signature"))
				}
				var fields map[string]any
				decodeSegment(t, head, &fields)
				want := map[string]any{"alg": tt.want, "iat": 1614265330.0}
				msg := head + "." + base64.RawURLEncoding.EncodeToString(r.Body)
				if payload == signer.PayloadRaw {
					want["b64"], want["crit"] = false, []any{"b64"}
					msg = head + "." + string(r.Body)
				}
				if !reflect.DeepEqual(fields, want) {
					t.Errorf("header = %v, want %v", fields, want)
				}
				sig, err := base64.RawURLEncoding.DecodeString(sig64)
				if err != nil || !checkSignature(tt.pub, strings.HasPrefix(tt.want, "PS"), tt.hash, []byte(msg), sig) {
					t.Errorf("the signature over %q does not verify (%v)", msg, err)
				}
			})
		}
	}
}

func TestJOSEKeysOfTheRequest(t *testing.T) {
	jwt, err := signer.NewJWT(signer.JWTOptions{Algorithm: signer.Ed25519, Audience: "them", Header: "x-token"})
	if err != nil {
		t.Fatal(err)
	}
	r := vector(signer.GenerateSecret(), signer.GeneratePrivateKey())
	if err := jwt.Sign(context.Background(), r); err != nil || strings.Count(r.Header.Get("X-Token"), ".") != 2 {
		t.Errorf("Sign = %v, %v", r.Header, err)
	}
	var claims map[string]any
	decodeSegment(t, strings.Split(r.Header.Get("X-Token"), ".")[1], &claims)
	if claims["aud"] != "them" {
		t.Errorf("aud = %v, want them", claims["aud"])
	}
	unsigned := vector()
	unsigned.Header.Set("X-Token", "stale")
	if err := jwt.Sign(context.Background(), unsigned); err != nil || len(unsigned.Header) != 0 {
		t.Errorf("Sign without keys = %v, %v", unsigned.Header, err)
	}
	short := must(signer.RawSecret(strings.Repeat("x", 31)))
	jws, err := signer.NewJWS(signer.JWSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []interface {
		signer.Signer
		signer.KeyChecker
	}{jwt, jws} {
		if err := s.Sign(context.Background(), vector(short)); !errors.Is(err, signer.ErrKeyKind) {
			t.Errorf("Sign with 31 bytes error = %v, want ErrKeyKind", err)
		}
		if err := s.CheckKeys([]signer.Key{short}); !errors.Is(err, signer.ErrKeyKind) {
			t.Errorf("CheckKeys with 31 bytes error = %v, want ErrKeyKind", err)
		}
	}
	if err := jws.Sign(context.Background(), vector(signer.GenerateSecret().Until(time.Unix(1, 0)))); !errors.Is(err, signer.ErrNoLiveKey) {
		t.Errorf("Sign with an ended key error = %v, want ErrNoLiveKey", err)
	}
}

func TestJOSERefuses(t *testing.T) {
	p := keyPairs()
	for _, tt := range []struct {
		name string
		o    signer.JWTOptions
	}{
		{name: "line end in header", o: signer.JWTOptions{Header: "a\nb"}},
		{name: "line end in prefix", o: signer.JWTOptions{Prefix: "a\nb"}},
		{name: "HMAC-SHA1", o: signer.JWTOptions{Algorithm: signer.HMACSHA1}},
		{name: "unknown algorithm", o: signer.JWTOptions{Algorithm: 99}},
		{name: "P-256 for ES384", o: signer.JWTOptions{Algorithm: signer.ECDSASHA384, Key: must(signer.SignerKey(p.p256))}},
		{name: "RSA for HS256", o: signer.JWTOptions{Algorithm: signer.HMACSHA256, Key: must(signer.SignerKey(p.rsa))}},
		{name: "48 bytes for HS512", o: signer.JWTOptions{Algorithm: signer.HMACSHA512, Key: signer.GenerateSecret()}},
		{name: "public key", o: signer.JWTOptions{Key: must(signer.ParsePublicKey(vectorPublic))}},
		{name: "a day", o: signer.JWTOptions{Lifetime: 24 * time.Hour}},
		{name: "negative lifetime", o: signer.JWTOptions{Lifetime: -1}},
		{name: "own exp", o: signer.JWTOptions{Claims: map[string]any{"exp": 1}}},
		{name: "own body hash", o: signer.JWTOptions{BodyHash: "h", Claims: map[string]any{"h": 1}}},
		{name: "claim without JSON", o: signer.JWTOptions{Claims: map[string]any{"c": make(chan int)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := signer.NewJWT(tt.o); err == nil {
				t.Error("NewJWT error = nil")
			}
		})
	}
	if _, err := signer.NewJWS(signer.JWSOptions{Payload: 9}); err == nil {
		t.Error("NewJWS with an unknown payload error = nil")
	}
}
