package signer_test

import (
	"fmt"
	"testing"

	"github.com/outhook/outhook/signer"
)

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		got  fmt.Stringer
		want string
	}{
		{got: signer.HMACSHA256, want: "hmac-sha256"},
		{got: signer.RSAPSSSHA512, want: "rsa-pss-sha512"},
		{got: signer.Algorithm(0), want: "unknown algorithm"},
		{got: signer.Algorithm(15), want: "unknown algorithm"},
		{got: signer.KindSecret, want: "whsec_"},
		{got: signer.KindSigner, want: "signer:"},
		{got: signer.Hex, want: "hex"},
		{got: signer.Base64, want: "base64"},
		{got: signer.Encoding(0), want: "unknown encoding"},
		{got: signer.SignNewest, want: "newest"},
		{got: signer.SignOldest, want: "oldest"},
		{got: signer.SignAll, want: "all"},
		{got: signer.Rotation(0), want: "unknown rotation"},
		{got: signer.DigestSHA256, want: "sha-256"},
		{got: signer.DigestSHA512, want: "sha-512"},
		{got: signer.Digest(0), want: "unknown digest"},
		{got: signer.PayloadEncoded, want: "encoded payload"},
		{got: signer.PayloadRaw, want: "raw payload"},
		{got: signer.JWSPayload(0), want: "unknown payload"},
		{got: signer.ClientBasic, want: "client_secret_basic"},
		{got: signer.ClientPost, want: "client_secret_post"},
		{got: signer.ClientAuth(0), want: "unknown client authentication"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := tt.got.String(); got != tt.want {
				t.Errorf("String() = %q, want %q", got, tt.want)
			}
		})
	}
}
