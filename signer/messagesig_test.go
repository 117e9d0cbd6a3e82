package signer_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func newMessage(tb testing.TB, o signer.MessageOptions) *signer.MessageSigner {
	tb.Helper()
	s, err := signer.NewMessageSigner(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// rfcRequest is the test request of RFC 9421 appendix B.2.
func rfcRequest() *signer.Request {
	return &signer.Request{
		ID: "msg_1", Time: time.Unix(1618884473, 0), Method: http.MethodPost,
		URL:    "http://example.com/foo?param=Value&Pet=dog",
		Header: http.Header{"Date": {"Tue, 20 Apr 2021 02:07:55 GMT"}, "Content-Type": {"application/json"}},
		Body:   []byte(`{"hello": "world"}`),
	}
}

func TestMessageVectors(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	ed, ok := private.(ed25519.PrivateKey)
	if !ok {
		t.Fatalf("private key is %T", private)
	}
	for _, tt := range []struct {
		name string
		o    signer.MessageOptions
		want map[string]string
	}{
		{
			name: "B.2.5",
			o: signer.MessageOptions{
				Label: "sig-b25", Components: []string{"date", "@authority", "content-type"}, KeyID: "test-shared-secret",
				Key: must(signer.ParseSecret("whsec_uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")),
			},
			want: map[string]string{
				"Signature-Input": `sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
				"Signature":       "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
			},
		},
		{
			name: "B.2.6",
			o: signer.MessageOptions{
				Label: "sig-b26", Components: []string{"date", "@method", "@path", "@authority", "content-type", "content-length"},
				KeyID: "test-key-ed25519", Key: must(signer.SignerKey(ed)),
			},
			want: map[string]string{
				"Signature-Input": `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
				"Signature":       "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rfcRequest()
			if err := newMessage(t, tt.o).Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				if got := r.Header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
	// The digest of the same request, RFC 9421 appendix B.2.
	r := rfcRequest()
	if err := newMessage(t, signer.MessageOptions{Digest: signer.DigestSHA512}).Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	want := "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
	if got := r.Header.Get("Content-Digest"); got != want || len(r.Header) != 3 {
		t.Errorf("Sign without keys sets %v, want Content-Digest %q", r.Header, want)
	}
}

// values are what a receiver sees of the request, by component.
func values(r *signer.Request) map[string]string {
	return map[string]string{
		"@method": r.Method, "@authority": "example.com", "@scheme": "http", "@path": "/foo", "@query": "?param=Value&Pet=dog",
		"@request-target": "/foo?param=Value&Pet=dog", "@target-uri": "http://example.com/foo?param=Value&Pet=dog",
		"content-digest": r.Header.Get("Content-Digest"), "content-type": "application/json", "date": "Tue, 20 Apr 2021 02:07:55 GMT",
	}
}

// verifyMessage builds the signature base anew from the headers alone.
func verifyMessage(t *testing.T, r *signer.Request, label string, check func(msg, sig []byte) bool) bool {
	t.Helper()
	params, ok := strings.CutPrefix(r.Header.Get("Signature-Input"), label+"=")
	sig64, ok2 := strings.CutPrefix(r.Header.Get("Signature"), label+"=:")
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(sig64, ":"))
	if !ok || !ok2 || err != nil {
		t.Fatalf("headers = %v (%v)", r.Header, err)
	}
	var base strings.Builder
	list, _, _ := strings.Cut(params, ")")
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(list, -1) {
		v, known := values(r)[m[1]]
		if !known {
			t.Fatalf("component %q", m[1])
		}
		fmt.Fprintf(&base, "%q: %s\n", m[1], v)
	}
	base.WriteString(`"@signature-params": ` + params)
	return check([]byte(base.String()), sig)
}

func TestMessageAlgorithms(t *testing.T) {
	p := keyPairs()
	secret := must(signer.RawSecret(strings.Repeat("k", 64)))
	for _, tt := range []struct {
		name string
		alg  signer.Algorithm
		key  signer.Key
		pub  any
		hash crypto.Hash
		pss  bool
	}{
		{name: "hmac-sha256", key: secret, pub: []byte(strings.Repeat("k", 64)), hash: crypto.SHA256},
		{name: "ed25519", key: must(signer.SignerKey(p.ed)), pub: p.ed.Public()},
		{name: "ecdsa-p256-sha256", key: must(signer.SignerKey(p.p256)), pub: &p.p256.PublicKey, hash: crypto.SHA256},
		{name: "ecdsa-p384-sha384", key: must(signer.SignerKey(kms{p.p384})), pub: &p.p384.PublicKey, hash: crypto.SHA384},
		{name: "rsa-v1_5-sha256", alg: signer.RSASHA256, key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA256},
		{name: "rsa-pss-sha512", key: must(signer.SignerKey(p.rsa)), pub: &p.rsa.PublicKey, hash: crypto.SHA512, pss: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(msg, sig []byte) bool { return checkSignature(tt.pub, tt.pss, tt.hash, msg, sig) }
			for _, o := range []signer.MessageOptions{
				{},
				{Components: []string{"@scheme", "@request-target", "@target-uri", "date"}, Label: "*a.b-c_1"},
				{Lifetime: time.Minute, Nonce: true, NameAlgorithm: true, KeyID: `a"b\c`, Tag: "hook"},
			} {
				o.Algorithm, o.Key = tt.alg, tt.key
				r := rfcRequest()
				if err := newMessage(t, o).Sign(context.Background(), r); err != nil {
					t.Fatal(err)
				}
				label := o.Label
				if label == "" {
					label = "sig1"
				}
				if !verifyMessage(t, r, label, check) {
					t.Errorf("the signature does not verify: %v", r.Header)
				}
				if !strings.Contains(r.Header.Get("Signature-Input"), ";created=1618884473") {
					t.Errorf("Signature-Input = %q, want created", r.Header.Get("Signature-Input"))
				}
				if o.Tag != "" {
					want := regexp.MustCompile(`;created=1618884473;expires=1618884533;nonce="[\w-]{22}";alg="` + tt.name + `";keyid="a\\"b\\\\c";tag="hook"$`)
					if got := r.Header.Get("Signature-Input"); !want.MatchString(got) {
						t.Errorf("Signature-Input = %q, want %v", got, want)
					}
				}
				r.Method = http.MethodPut
				r.Header.Set("Content-Digest", "sha-256=:AA==:")
				if len(o.Components) == 0 && verifyMessage(t, r, label, check) {
					t.Error("the signature verifies over another method and digest")
				}
			}
		})
	}
}

func TestMessageTargets(t *testing.T) {
	key := must(signer.RawSecret(canary))
	s := newMessage(t, signer.MessageOptions{Key: key, Components: []string{"@authority", "@path", "@query", "@target-uri"}})
	for _, tt := range []struct{ name, url, authority, path, query, target string }{
		{name: "bare", url: "https://Example.COM", authority: "example.com", path: "/", query: "?", target: "https://example.com/"},
		{name: "default port", url: "https://example.com:443/a", authority: "example.com", path: "/a", query: "?", target: "https://example.com/a"},
		{name: "http port", url: "http://example.com:80?a", authority: "example.com", path: "/", query: "?a", target: "http://example.com/?a"},
		{name: "other port", url: "http://example.com:443/", authority: "example.com:443", path: "/", query: "?", target: "http://example.com:443/"},
		{name: "escapes kept", url: "https://example.com/a%2fb%20c?d=%7e+e", authority: "example.com", path: "/a%2fb%20c", query: "?d=%7e+e", target: "https://example.com/a%2fb%20c?d=%7e+e"},
		{name: "empty query", url: "https://example.com/a?", authority: "example.com", path: "/a", query: "?", target: "https://example.com/a?"},
		{name: "fragment and user", url: "https://u:p@example.com/a#f?x", authority: "example.com", path: "/a", query: "?", target: "https://example.com/a"},
		{name: "IPv6", url: "https://[2001:DB8::1]:8443/a", authority: "[2001:db8::1]:8443", path: "/a", query: "?", target: "https://[2001:db8::1]:8443/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rfcRequest()
			r.URL = tt.url
			if err := s.Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			params := strings.TrimPrefix(r.Header.Get("Signature-Input"), "sig1=")
			base := fmt.Sprintf("%q: %s\n%q: %s\n%q: %s\n%q: %s\n\"@signature-params\": %s",
				"@authority", tt.authority, "@path", tt.path, "@query", tt.query, "@target-uri", tt.target, params)
			sig, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Signature"), "sig1=:"), ":"))
			if err != nil || !checkSignature([]byte(canary), false, crypto.SHA256, []byte(base), sig) {
				t.Errorf("the signature is not over\n%s", base)
			}
		})
	}
	for _, bad := range []string{"", "/a", "example.com/a", "https:///a", "https://example.com/é", "https://example.com/a b", "https://example.com/\r\nx"} {
		r := rfcRequest()
		r.URL = bad
		if err := s.Sign(context.Background(), r); !errors.Is(err, signer.ErrRequest) {
			t.Errorf("Sign of %q error = %v, want ErrRequest", bad, err)
		}
	}
}

func TestMessageFields(t *testing.T) {
	s := newMessage(t, signer.MessageOptions{Key: must(signer.RawSecret(canary)), Components: []string{"x-list"}})
	r := rfcRequest()
	r.Header["X-List"] = []string{" a ", "b, c"}
	if err := s.Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	base := "\"x-list\": a, b, c\n\"@signature-params\": (\"x-list\");created=1618884473"
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Signature"), "sig1=:"), ":"))
	if err != nil || !checkSignature([]byte(canary), false, crypto.SHA256, []byte(base), sig) {
		t.Error("the signature is not over the joined values")
	}
	exact := rfcRequest()
	exact.Header["x-LIST"] = []string{"a, b, c"}
	if err := s.Sign(context.Background(), exact); err != nil || exact.Header.Get("Signature") != r.Header.Get("Signature") {
		t.Errorf("Sign with a name in exact case = %v, %v, want %v", exact.Header, err, r.Header)
	}
	for _, tt := range []struct {
		name  string
		value []string
	}{{name: "missing"}, {name: "line end", value: []string{"a\n\"@method\": GET"}}} {
		r := rfcRequest()
		r.Header.Set("Signature", "stale")
		if tt.value != nil {
			r.Header["X-List"] = tt.value
		}
		if err := s.Sign(context.Background(), r); !errors.Is(err, signer.ErrRequest) || r.Header.Get("Signature") != "" {
			t.Errorf("%s: Sign = %v, %v, want ErrRequest and no signature", tt.name, r.Header, err)
		}
	}
}

func TestMessageKeys(t *testing.T) {
	newest, oldest := signer.GenerateSecret(), must(signer.RawSecret(canary))
	s := newMessage(t, signer.MessageOptions{Rotation: signer.SignOldest})
	r := rfcRequest()
	r.Keys = []signer.Key{must(signer.Token("t0ken")), newest, oldest}
	if err := s.Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if !verifyMessage(t, r, "sig1", func(msg, sig []byte) bool {
		return checkSignature([]byte(canary), false, crypto.SHA256, msg, sig)
	}) {
		t.Error("the oldest key did not sign")
	}
	ed := newMessage(t, signer.MessageOptions{Algorithm: signer.Ed25519})
	if err := ed.Sign(context.Background(), r); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Sign with shared secrets alone error = %v, want ErrKeyKind", err)
	}
	if err := ed.CheckKeys(r.Keys); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("CheckKeys error = %v, want ErrKeyKind", err)
	}
}

func TestNewMessageSignerRefuses(t *testing.T) {
	p := keyPairs()
	for _, tt := range []struct {
		name string
		o    signer.MessageOptions
	}{
		{name: "upper case label", o: signer.MessageOptions{Label: "Sig"}},
		{name: "digit first", o: signer.MessageOptions{Label: "1a"}},
		{name: "component twice", o: signer.MessageOptions{Components: []string{"@path", "@path"}}},
		{name: "upper case component", o: signer.MessageOptions{Components: []string{"Date"}}},
		{name: "status", o: signer.MessageOptions{Components: []string{"@status"}}},
		{name: "quote", o: signer.MessageOptions{Components: []string{`a"b`}}},
		{name: "itself", o: signer.MessageOptions{Components: []string{"signature"}}},
		{name: "line end in key id", o: signer.MessageOptions{KeyID: "a\nb"}},
		{name: "non-ASCII tag", o: signer.MessageOptions{Tag: "é"}},
		{name: "HMAC-SHA512", o: signer.MessageOptions{Algorithm: signer.HMACSHA512}},
		{name: "P-521", o: signer.MessageOptions{Key: must(signer.SignerKey(p.p521))}},
		{name: "token", o: signer.MessageOptions{Key: must(signer.Token("t0ken"))}},
		{name: "unknown digest", o: signer.MessageOptions{Digest: 9}},
		{name: "all keys", o: signer.MessageOptions{Rotation: signer.SignAll}},
		{name: "half a second", o: signer.MessageOptions{Lifetime: time.Second / 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := signer.NewMessageSigner(tt.o); err == nil {
				t.Error("NewMessageSigner error = nil")
			}
		})
	}
}

// lax is a KMS whose ECDSA signature is not DER.
type lax struct{ published }

func (l lax) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return l.sig, nil }

func TestMessageBrokenKMS(t *testing.T) {
	bad := published{pub: &keyPairs().p256.PublicKey, sig: []byte("not DER")}
	s := newMessage(t, signer.MessageOptions{Key: must(signer.SignerKey(lax{bad}))})
	if err := s.Sign(context.Background(), rfcRequest()); !errors.Is(err, signer.ErrInvalidKey) {
		t.Errorf("Sign error = %v, want ErrInvalidKey", err)
	}
}

func BenchmarkMessage(b *testing.B) {
	s := newMessage(b, signer.MessageOptions{Key: signer.GenerateLongSecret(), KeyID: "k1"})
	r := rfcRequest()
	r.Body = make([]byte, 1024)
	ctx := context.Background()
	b.Run("floor-sha256", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = sha256.Sum256(r.Body)
		}
	})
	b.Run("hmac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Sign(ctx, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
