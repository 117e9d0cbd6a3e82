package signer_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

const (
	vectorSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorPrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	vectorPublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	canary        = "cAnArY!<\"&'/é%zq0123456789"
)

// must is for keys that a test knows to be good.
func must(k signer.Key, err error) signer.Key {
	if err != nil {
		panic(err)
	}
	return k
}

func b64(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func TestParseRefuses(t *testing.T) {
	secret, raw, token := signer.ParseSecret, signer.RawSecret, signer.Token
	private, public, stored := signer.ParsePrivateKey, signer.ParsePublicKey, signer.ParseKey
	swapped := base64.StdEncoding.EncodeToString(append(make([]byte, 32), bytes.Repeat([]byte{7}, 32)...))
	for _, tt := range []struct {
		name  string
		parse func(string) (signer.Key, error)
		in    string
		want  error
	}{
		{name: "empty secret", parse: secret, in: "", want: signer.ErrInvalidKey},
		{name: "prefix alone", parse: secret, in: "whsec_", want: signer.ErrInvalidKey},
		{name: "no prefix", parse: secret, in: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", want: signer.ErrInvalidKey},
		{name: "23 bytes", parse: secret, in: "whsec_" + b64(23), want: signer.ErrInvalidKey},
		{name: "65 bytes", parse: secret, in: "whsec_" + b64(65), want: signer.ErrInvalidKey},
		{name: "unpadded", parse: secret, in: strings.TrimRight("whsec_"+b64(25), "="), want: signer.ErrInvalidKey},
		{name: "base64url", parse: secret, in: "whsec_" + strings.Repeat("-_", 16), want: signer.ErrInvalidKey},
		{name: "line end", parse: secret, in: vectorSecret + "\n", want: signer.ErrInvalidKey},
		{name: "stray bits", parse: secret, in: "whsec_" + strings.Repeat("A", 33) + "B==", want: signer.ErrInvalidKey},
		{name: "plain text", parse: secret, in: "whsec_correct horse battery staple", want: signer.ErrInvalidKey},
		{name: "supabase style", parse: secret, in: "v1," + vectorSecret, want: signer.ErrInvalidKey},
		{name: "private as secret", parse: secret, in: vectorPrivate, want: signer.ErrInvalidKey},
		{name: "redacted secret", parse: secret, in: "whsec_***", want: signer.ErrRedacted},
		{name: "short raw", parse: raw, in: "fifteen bytes..", want: signer.ErrInvalidKey},
		{name: "long raw", parse: raw, in: strings.Repeat("x", 4097), want: signer.ErrInvalidKey},
		{name: "raw with line end", parse: raw, in: "sixteen bytes...\n", want: signer.ErrInvalidKey},
		{name: "raw with NUL", parse: raw, in: "sixteen\x00bytes...", want: signer.ErrInvalidKey},
		{name: "raw not UTF-8", parse: raw, in: "sixteen bytes..\xff", want: signer.ErrInvalidKey},
		{name: "redacted raw", parse: raw, in: "raw:***", want: signer.ErrRedacted},
		{name: "empty token", parse: token, in: "", want: signer.ErrInvalidKey},
		{name: "redacted token", parse: token, in: "***", want: signer.ErrRedacted},
		{name: "truncated private", parse: private, in: "whsk_" + b64(32), want: signer.ErrInvalidKey},
		{name: "halves differ", parse: private, in: "whsk_" + swapped, want: signer.ErrInvalidKey},
		{name: "redacted private", parse: private, in: "whsk_***", want: signer.ErrRedacted},
		{name: "long public", parse: public, in: "whpk_" + b64(33), want: signer.ErrInvalidKey},
		{name: "stored without prefix", parse: stored, in: "correct horse battery staple", want: signer.ErrInvalidKey},
		{name: "stored empty", parse: stored, in: "", want: signer.ErrInvalidKey},
		{name: "stored bad time", parse: stored, in: "until=tomorrow;" + vectorSecret, want: signer.ErrInvalidKey},
		{name: "stored time alone", parse: stored, in: "until=2026-01-02T03:04:05Z", want: signer.ErrInvalidKey},
		{name: "stored twice until", parse: stored, in: "until=2026-01-02T03:04:05Z;until=2026-01-02T03:04:05Z;" + vectorSecret, want: signer.ErrInvalidKey},
		{name: "stored redacted with end", parse: stored, in: "until=2026-01-02T03:04:05Z;whsec_***", want: signer.ErrRedacted},
		{name: "stored redacted raw", parse: stored, in: "raw:***", want: signer.ErrRedacted},
		{name: "stored signer", parse: stored, in: "signer:***", want: signer.ErrRedacted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := tt.parse(tt.in)
			if !errors.Is(err, tt.want) || !k.IsZero() {
				t.Errorf("parse(%q) = %v, %v, want error %v", tt.in, k, err, tt.want)
			}
			if err != nil && len(tt.in) > 12 && strings.Contains(err.Error(), tt.in[6:]) {
				t.Errorf("parse(%q) shows its input: %v", tt.in, err)
			}
		})
	}
}

func TestRevealRoundTrip(t *testing.T) {
	end := time.Date(2026, 11, 21, 1, 2, 3, 456, time.FixedZone("CET", 3600))
	for _, tt := range []struct {
		name string
		key  signer.Key
		want string
	}{
		{name: "secret", key: must(signer.ParseSecret(vectorSecret)), want: vectorSecret},
		{name: "stripe", key: must(signer.RawSecret(vectorSecret)), want: "raw:" + vectorSecret},
		{name: "raw of a stored text", key: must(signer.RawSecret("raw:raw:raw:raw:raw:")), want: "raw:raw:raw:raw:raw:raw:"},
		{name: "token", key: must(signer.Token("pass; w:ord")), want: "token:pass; w:ord"},
		{name: "private", key: must(signer.ParsePrivateKey(vectorPrivate)), want: vectorPrivate},
		{name: "public", key: must(signer.ParsePublicKey(vectorPublic)), want: vectorPublic},
		{
			name: "with an end", key: must(signer.RawSecret("until=x;whsec_**")).Until(end),
			want: "until=2026-11-21T00:02:03.000000456Z;raw:until=x;whsec_**",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.key.Reveal(); got != tt.want {
				t.Errorf("Reveal() = %q, want %q", got, tt.want)
			}
			back, err := signer.ParseKey(tt.want)
			if err != nil || !back.Equal(tt.key) || back.Kind() != tt.key.Kind() || !back.Ends().Equal(tt.key.Ends()) {
				t.Errorf("ParseKey(Reveal()) = %v, %v, want %v", back, err, tt.key)
			}
			if !reflect.DeepEqual(back, tt.key) {
				t.Errorf("ParseKey(Reveal()) and the key differ under reflect.DeepEqual")
			}
			var fromText signer.Key
			if err := json.Unmarshal([]byte(mustJSON(t, tt.want)), &fromText); err != nil || !fromText.Equal(tt.key) {
				t.Errorf("UnmarshalJSON(%q) = %v, %v, want %v", tt.want, fromText, err, tt.key)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEqual(t *testing.T) {
	a := must(signer.ParseSecret(vectorSecret))
	end := time.Now()
	for _, tt := range []struct {
		name string
		a, b signer.Key
		want bool
	}{
		{name: "same text", a: a, b: must(signer.ParseSecret(vectorSecret)), want: true},
		{name: "zero", a: signer.Key{}, b: signer.Key{}, want: true},
		{name: "zero and not", a: signer.Key{}, b: a, want: false},
		{name: "decoded and literal", a: a, b: must(signer.RawSecret(vectorSecret)), want: false},
		{name: "another end", a: a, b: a.Until(end), want: false},
		{name: "end taken away", a: a, b: a.Until(end).Until(time.Time{}), want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Equal(tt.b); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLive(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := must(signer.ParseSecret(vectorSecret))
	for _, tt := range []struct {
		name string
		key  signer.Key
		want bool
	}{
		{name: "no end", key: k, want: true},
		{name: "before its end", key: k.Until(now.Add(1)), want: true},
		{name: "at its end", key: k.Until(now), want: false},
		{name: "after its end", key: k.Until(now.Add(-1)), want: false},
		{name: "zero", key: signer.Key{}, want: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.key.Live(now); got != tt.want {
				t.Errorf("Live = %v, want %v", got, tt.want)
			}
		})
	}
}

// fake is a KMS with any public key.
type fake struct{ pub crypto.PublicKey }

func (f fake) Public() crypto.PublicKey { return f.pub }

func (fake) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

func TestSignerKey(t *testing.T) {
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(nil)
	if _, err := signer.SignerKey(nil); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("SignerKey(nil) error = %v, want ErrInvalidKey", err)
	}
	if _, err := signer.SignerKey(p224); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("SignerKey(P-224) error = %v, want ErrInvalidKey", err)
	}
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: p256.D, E: 65537}}
	if _, err := signer.SignerKey(small); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("SignerKey(RSA-256) error = %v, want ErrInvalidKey", err)
	}
	for _, pub := range []crypto.PublicKey{(*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil), ed25519.PublicKey{1}, "text", nil} {
		if _, err := signer.SignerKey(fake{pub}); !errors.Is(err, signer.ErrInvalidKey) {
			t.Errorf("SignerKey(%T) error = %v, want ErrInvalidKey", pub, err)
		}
	}
	k := must(signer.SignerKey(p256))
	if _, err := k.Public(); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Public() of P-256 error = %v, want ErrKeyKind", err)
	}
	if _, err := signer.ParseKey(k.Reveal()); !errors.Is(err, signer.ErrRedacted) {
		t.Errorf("ParseKey(%q) error = %v, want ErrRedacted", k.Reveal(), err)
	}
	pub, err := must(signer.SignerKey(ed)).Public()
	want := "whpk_" + base64.StdEncoding.EncodeToString(ed[32:])
	if err != nil || pub.String() != want {
		t.Errorf("Public() = %v, %v, want %v", pub, err, want)
	}
}

func TestZeroKey(t *testing.T) {
	var k signer.Key
	if k.Reveal() != "" || k.String() != "" || k.GoString() != "" || k.Kind() != 0 || k.Kind().String() != "none" || !k.IsZero() {
		t.Errorf("the zero Key is %q, %q, %v", k.Reveal(), k.String(), k.Kind())
	}
	if _, err := k.Public(); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Public() error = %v, want ErrKeyKind", err)
	}
	if err := gob.NewDecoder(bytes.NewReader(nil)).Decode(&k); err == nil {
		t.Error("Decode error = nil")
	}
	if err := k.GobDecode([]byte(vectorSecret)); !errors.Is(err, signer.ErrRedacted) || !k.IsZero() {
		t.Errorf("GobDecode = %v, %v, want ErrRedacted", k, err)
	}
}

func TestGenerate(t *testing.T) {
	a, b := signer.GenerateSecret(), signer.GenerateSecret()
	if a.Equal(b) || strings.Contains(a.Reveal(), "=") || len(a.Reveal()) != len("whsec_")+64 {
		t.Errorf("GenerateSecret() gives %d characters, twice the same %v", len(a.Reveal()), a.Equal(b))
	}
	p := signer.GeneratePrivateKey()
	if _, err := signer.ParsePrivateKey(p.Reveal()); err != nil {
		t.Errorf("ParsePrivateKey(GeneratePrivateKey()) error = %v", err)
	}
	if pub := must(must(signer.ParsePrivateKey(vectorPrivate)).Public()); pub.String() != vectorPublic {
		t.Errorf("Public() = %v, want %v", pub, vectorPublic)
	}
}
