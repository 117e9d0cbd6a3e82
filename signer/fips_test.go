package signer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/outhook/outhook/signer"
)

// In FIPS 140-only mode crypto/hmac panics; here it is an error.
func TestFIPS(t *testing.T) {
	if os.Getenv("SIGNER_TEST_FIPS") == "" {
		cmd := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "SIGNER_TEST_FIPS=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Fatalf("under fips140=only: %v\n%s", err, out)
		}
		return
	}
	for _, s := range []signer.Scheme{signer.TwilioForm(), signer.TwilioJSON(), signer.WebSub(signer.HMACSHA1)} {
		if _, err := signer.NewScheme(s); !errors.Is(err, signer.ErrFIPS) {
			t.Errorf("NewScheme(%s) error = %v, want ErrFIPS", s.Name, err)
		}
	}
	short := signer.ShortSecret("0123456789abc")
	if err := newScheme(t, signer.GitHub()).Sign(context.Background(), vector(short)); !errors.Is(err, signer.ErrFIPS) {
		t.Errorf("Sign with 13 bytes error = %v, want ErrFIPS", err)
	}
	if _, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{short}}); !errors.Is(err, signer.ErrFIPS) {
		t.Errorf("NewVerifier with 13 bytes error = %v, want ErrFIPS", err)
	}
	r := vector(must(signer.ParseSecret(vectorSecret)), must(signer.ParsePrivateKey(vectorPrivate)))
	if err := signer.Standard().Sign(context.Background(), r); err != nil || r.Header.Get("Webhook-Signature") != vectorV1+" "+vectorV1a {
		t.Errorf("Sign = %v, %v", r.Header, err)
	}
}
