package signer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func newScheme(tb testing.TB, s signer.Scheme) *signer.SchemeSigner {
	tb.Helper()
	out, err := signer.NewScheme(s)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestNewSchemeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme signer.Scheme
	}{
		{name: "no header", scheme: signer.Scheme{}},
		{name: "line end in header", scheme: signer.Scheme{Header: "a\r\nb"}},
		{name: "colon in timestamp header", scheme: signer.Scheme{Header: "a", TimestampHeader: "b:"}},
		{name: "space in id header", scheme: signer.Scheme{Header: "a", IDHeader: "b c"}},
		{name: "line end in prefix", scheme: signer.Scheme{Header: "a", Prefix: "b\n"}},
		{name: "line end in lead", scheme: signer.Scheme{Header: "a", Lead: "b\n"}},
		{name: "NUL in joiner", scheme: signer.Scheme{Header: "a", Joiner: "\x00"}},
		{name: "unknown field", scheme: signer.Scheme{Header: "a", Content: "{bodies}"}},
		{name: "open brace", scheme: signer.Scheme{Header: "a", Content: "{body"}},
		{name: "closing brace", scheme: signer.Scheme{Header: "a", Content: "body}"}},
		{name: "body in lead", scheme: signer.Scheme{Header: "a", Lead: "{body}"}},
		{name: "RSA", scheme: signer.Scheme{Header: "a", Algorithm: signer.RSASHA256}},
		{name: "unknown algorithm", scheme: signer.Scheme{Header: "a", Algorithm: 99}},
		{name: "token as key", scheme: signer.Scheme{Header: "a", Key: signer.KindToken}},
		{name: "unknown encoding", scheme: signer.Scheme{Header: "a", Encoding: 9}},
		{name: "unknown rotation", scheme: signer.Scheme{Header: "a", Rotation: 9}},
		{name: "minutes", scheme: signer.Scheme{Header: "a", TimestampUnit: time.Minute}},
		{name: "websub with Ed25519", scheme: signer.WebSub(signer.Ed25519)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := signer.NewScheme(tt.scheme); err == nil {
				t.Error("NewScheme error = nil")
			}
		})
	}
}

func TestSchemeKeys(t *testing.T) {
	raw, secret := must(signer.RawSecret(canary)), must(signer.ParseSecret(vectorSecret))
	at := vector().Time
	decoded := signer.GitHub()
	decoded.Key = signer.KindSecret
	for _, tt := range []struct {
		name   string
		scheme signer.Scheme
		keys   []signer.Key
		want   error
	}{
		{name: "decoded for literal", scheme: signer.Stripe(), keys: []signer.Key{secret}, want: signer.ErrKeyKind},
		{name: "literal for decoded", scheme: decoded, keys: []signer.Key{raw}, want: signer.ErrKeyKind},
		{name: "decoded for decoded", scheme: decoded, keys: []signer.Key{raw, secret}},
		{name: "shared for Ed25519", scheme: signer.Discord(), keys: []signer.Key{raw}, want: signer.ErrKeyKind},
		{name: "Ed25519 for ECDSA", scheme: signer.SendGrid(), keys: []signer.Key{signer.GeneratePrivateKey()}, want: signer.ErrKeyKind},
		{name: "ended, all", scheme: signer.Stripe(), keys: []signer.Key{raw.Until(at)}, want: signer.ErrNoLiveKey},
		{name: "ended, one", scheme: signer.GitHub(), keys: []signer.Key{raw.Until(at), secret}, want: signer.ErrNoLiveKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScheme(t, tt.scheme)
			if err := s.Sign(context.Background(), vector(tt.keys...)); !errors.Is(err, tt.want) {
				t.Errorf("Sign error = %v, want %v", err, tt.want)
			}
			if err := s.CheckKeys(tt.keys); (err != nil) != errors.Is(tt.want, signer.ErrKeyKind) {
				t.Errorf("CheckKeys error = %v, Sign gives %v", err, tt.want)
			}
		})
	}
	for _, s := range []signer.Scheme{signer.GitHub(), {Header: "a", Content: "{id}"}} {
		r := vector(raw)
		r.ID = "a\r\nb"
		if err := newScheme(t, s).Sign(context.Background(), r); !errors.Is(err, signer.ErrRequest) {
			t.Errorf("Sign of a bad id error = %v, want ErrRequest", err)
		}
	}
}

func TestSchemeAllocs(t *testing.T) {
	ctx := context.Background()
	for _, s := range []signer.Scheme{signer.Stripe(), signer.GitHub(), signer.Slack(), signer.Square(), signer.HubSpot()} {
		t.Run(s.Name, func(t *testing.T) {
			r, buf := vector(must(signer.RawSecret(canary))), make([]byte, 0, 256)
			ss := newScheme(t, s)
			if n := testing.AllocsPerRun(100, func() { buf, _ = ss.AppendSignature(buf[:0], r) }); n != 0 && !raceEnabled {
				t.Errorf("AppendSignature allocates %v times, want 0", n)
			}
			if n := testing.AllocsPerRun(100, func() { _ = ss.Sign(ctx, r) }); n > 2 && !raceEnabled {
				t.Errorf("Sign allocates %v times, want at most 2", n)
			}
		})
	}
}

func BenchmarkScheme(b *testing.B) {
	r, buf := vector(must(signer.RawSecret(canary))), make([]byte, 0, 256)
	r.Body = make([]byte, 1024)
	b.Run("floor-sha256", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = sha256.Sum256(r.Body)
		}
	})
	for _, s := range []signer.Scheme{signer.Stripe(), signer.GitHub(), signer.HubSpot()} {
		ss := newScheme(b, s)
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = ss.AppendSignature(buf[:0], r)
			}
		})
	}
}
