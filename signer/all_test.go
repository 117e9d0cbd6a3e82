package signer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/outhook/outhook/signer"
)

func TestAll(t *testing.T) {
	github := newScheme(t, signer.GitHub())
	bearer, err := signer.Bearer(signer.Key{})
	if err != nil {
		t.Fatal(err)
	}
	s := signer.All(signer.Standard(), nil, github, bearer)
	if s != s || s == signer.All() {
		t.Error("signers made by All compare by their lists")
	}
	secret, raw, token := must(signer.ParseSecret(vectorSecret)), must(signer.RawSecret("It's a Secret to Everybody")), must(signer.Token("t0ken"))
	r := vector(secret, raw, token)
	r.Body = []byte("Hello, World!")
	if err := s.Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		"Authorization":       "Bearer t0ken",
		"Webhook-Timestamp":   "1614265330",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := len(strings.Fields(r.Header.Get("Webhook-Signature"))); got != 1 {
		t.Errorf("Webhook-Signature has %d signatures, want 1", got)
	}
	checker, ok := s.(signer.KeyChecker)
	if !ok || checker.CheckKeys([]signer.Key{secret, raw, token}) != nil || !errors.Is(checker.CheckKeys([]signer.Key{secret, raw}), signer.ErrKeyKind) {
		t.Error("CheckKeys of All does not ask each of the signers")
	}
	if err := s.Sign(context.Background(), vector(secret, raw)); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("Sign without a token error = %v, want ErrKeyKind", err)
	}
}
