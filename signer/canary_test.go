package signer_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

const visibleCanary = "cAnArY.visible-0123456789_~"

// canaryKeys are one key of each kind that is secret.
func canaryKeys(t *testing.T) []signer.Key {
	t.Helper()
	private := must(signer.ParsePrivateKey(vectorPrivate))
	return []signer.Key{
		must(signer.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(canary + canary)[:48]))),
		must(signer.RawSecret(canary)),
		must(signer.Token(visibleCanary)),
		private,
		must(signer.SignerKey(privateOf(t, private))),
	}
}

// made ends the test when a constructor fails.
func made[S signer.Signer](t *testing.T) func(S, error) S {
	t.Helper()
	return func(s S, err error) S {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// canarySigners are all signers, with the keys within them where they may be.
func canarySigners(t *testing.T, keys []signer.Key) []signer.Signer {
	t.Helper()
	secret, raw, token, private := keys[0], keys[1], keys[2], keys[3]
	e := &endpoint{body: `{"access_token":"` + visibleCanary + `","token_type":"bearer"}`}
	// The method alone: the endpoint keeps what it was sent, a client does not.
	oauth := newOAuth2(t, e, func(o *signer.OAuth2Options) { o.Client, o.Secret = doer(e.Do), token })
	return []signer.Signer{
		signer.Standard(), newScheme(t, signer.Scheme{Header: "x"}), newScheme(t, signer.Stripe()), oauth,
		made[*signer.Credential](t)(signer.Basic("user", token)),
		made[*signer.Credential](t)(signer.Bearer(token)),
		made[*signer.Credential](t)(signer.APIKey("x-api-key", token)),
		signer.GitLabToken(),
		made[*signer.JWT](t)(signer.NewJWT(signer.JWTOptions{Key: secret})),
		made[*signer.JWS](t)(signer.NewJWS(signer.JWSOptions{Key: private})),
		newMessage(t, signer.MessageOptions{Key: raw}),
	}
}

// Every exported type that can hold a secret, after it has been used, printed in
// every way, alone and within a host's struct.
func TestCanary(t *testing.T) {
	keys := canaryKeys(t)
	signers := canarySigners(t, keys)
	all := signer.All(signers...)
	r := vector(keys...)
	r.Header.Set("Content-Type", "application/json")
	r.URL = "https://hooks.example/in?secret=" + visibleCanary
	if err := all.Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprint(r.Header), visibleCanary) {
		t.Fatalf("nothing to hide in %v", r.Header)
	}
	meta := signer.QueryHandshake{VerifyToken: keys[2]}
	verifier := newVerifier(t, keys[0], keys[1], keys[3])
	values := []any{
		keys,
		all,
		meta,
		&meta,
		signer.Subject{Keys: keys},
		verifier,
		refusals(verifier, r),
		signer.VerifierOptions{Keys: keys},
		signer.JWTOptions{Key: keys[0]},
		signer.JWSOptions{Key: keys[0]},
		signer.MessageOptions{Key: keys[0]},
		signer.OAuth2Options{Secret: keys[2]},
	}
	for _, s := range signers {
		values = append(values, s)
	}
	type host struct{ V any }
	type hidden struct{ v any } // of unexported fields fmt calls no methods
	for _, v := range values {
		for _, in := range []any{v, host{V: v}, &host{V: v}, hidden{v: v}, &hidden{v: v}} {
			checkOutputs(t, in, keys)
		}
	}
	// Plain data by contract: fmt prints its fields without its methods from an
	// unexported field, and from a pointer in a slice under a verb that does not
	// fit, such as %s.
	query := ask(t, meta)
	for _, v := range []any{*r, r, query, &query} {
		for _, in := range []any{v, host{V: v}} {
			checkOutputs(t, in, keys)
		}
	}
	for _, out := range outputs(query) {
		if strings.Contains(out, query.Challenge) {
			t.Errorf("Question prints its challenge: %s", out)
		}
	}
}

func checkOutputs(t *testing.T, v any, keys []signer.Key) {
	t.Helper()
	for _, out := range outputs(v) {
		for _, k := range keys {
			if shows(out, k) || showsBytes(out, k) {
				t.Errorf("%T prints a %s key: %.300s", v, k.Kind(), out)
			}
		}
	}
}

// doer keeps the endpoint itself out of what is printed.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// showsBytes finds the secret as fmt prints a []byte.
func showsBytes(out string, k signer.Key) bool {
	_, text, _ := strings.Cut(strings.Replace(k.Reveal(), "_", ":", 1), ":")
	forms := [][]byte{[]byte(text)}
	if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) >= 16 {
		forms = append(forms, b)
	}
	for _, f := range forms {
		if len(f) < 8 {
			continue
		}
		f = f[:8]
		if strings.Contains(out, strings.Trim(fmt.Sprintf("%d", f), "[]")) || strings.Contains(out, fmt.Sprintf("% x", f)) ||
			strings.Contains(out, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", f), "[]byte{"), "}")) {
			return true
		}
	}
	return false
}

func refusals(v *signer.Verifier, r *signer.Request) []error {
	var errs []error
	for _, at := range []time.Time{r.Time, r.Time.Add(time.Hour), r.Time.Add(-time.Hour)} {
		_, err := v.VerifyAt(at, r.Header, append(r.Body, '!'))
		errs = append(errs, err)
	}
	return errs
}
