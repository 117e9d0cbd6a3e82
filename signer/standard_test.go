package signer_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

const (
	vectorV1  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	vectorV1a = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

// vector is the published message, fresh for each test.
func vector(keys ...signer.Key) *signer.Request {
	return &signer.Request{
		ID:     "msg_p5jXN8AQM9LWM0D4loKWxJek",
		Time:   time.Unix(1614265330, 999_000_000),
		Method: http.MethodPost,
		URL:    "https://example.com/hook",
		Header: http.Header{},
		Body:   []byte(`{"test": 2432232314}`),
		Keys:   keys,
	}
}

func standardHeader(prefix, signature string) http.Header {
	h := http.Header{}
	h.Set(prefix+"-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set(prefix+"-timestamp", "1614265330")
	if signature != "" {
		h.Set(prefix+"-signature", signature)
	}
	return h
}

// kms is a crypto.Signer whose type tells nothing.
type kms struct{ crypto.Signer }

func TestStandardSign(t *testing.T) {
	secret := must(signer.ParseSecret(vectorSecret))
	private := must(signer.ParsePrivateKey(vectorPrivate))
	old := must(signer.ParseSecret("whsec_" + b64(24)))
	oldSig := "v1,woH/1mJtZGSMCmpFTxRYbStS24eLLD/oXIYr4PYyZ7g="
	at := vector().Time
	svix, err := signer.NewStandard(signer.StandardOptions{Prefix: "svix"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		signer *signer.StandardSigner
		keys   []signer.Key
		want   http.Header
	}{
		{name: "no keys", signer: signer.Standard(), want: standardHeader("webhook", "")},
		{name: "v1", signer: signer.Standard(), keys: []signer.Key{secret}, want: standardHeader("webhook", vectorV1)},
		{name: "v1a", signer: signer.Standard(), keys: []signer.Key{private}, want: standardHeader("webhook", vectorV1a)},
		{name: "both", signer: signer.Standard(), keys: []signer.Key{secret, private}, want: standardHeader("webhook", vectorV1+" "+vectorV1a)},
		{
			name: "rotation, newest first", signer: signer.Standard(),
			keys: []signer.Key{secret, old.Until(at.Add(time.Second))}, want: standardHeader("webhook", vectorV1+" "+oldSig),
		},
		{
			name: "ended key skipped", signer: signer.Standard(),
			keys: []signer.Key{old.Until(at), secret}, want: standardHeader("webhook", vectorV1),
		},
		{name: "svix names", signer: svix, keys: []signer.Key{secret}, want: standardHeader("svix", vectorV1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(tt.keys...)
			if err := tt.signer.Sign(context.Background(), r); err != nil {
				t.Fatalf("Sign error = %v", err)
			}
			if !reflect.DeepEqual(r.Header, tt.want) {
				t.Errorf("Sign sets %v, want %v", r.Header, tt.want)
			}
			sig, err := tt.signer.AppendSignature([]byte("x"), r)
			if want := "x" + tt.want.Get(strings.TrimSuffix(firstKey(tt.want), "-Id")+"-Signature"); err != nil || string(sig) != want {
				t.Errorf("AppendSignature = %s, %v, want %s", sig, err, want)
			}
		})
	}
}

// firstKey gives the name of the id header.
func firstKey(h http.Header) string {
	for k := range h {
		if strings.HasSuffix(k, "-Id") {
			return k
		}
	}
	return ""
}

func TestStandardKMS(t *testing.T) {
	private := signer.GeneratePrivateKey()
	held := must(signer.SignerKey(kms{privateOf(t, private)}))
	r := vector(held)
	if err := signer.Standard().Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, must(private.Public()))
	if _, err := v.VerifyAt(r.Time, r.Header, r.Body); err != nil {
		t.Errorf("VerifyAt error = %v", err)
	}
	broken := vector(must(signer.SignerKey(failing{privateOf(t, private)})))
	if err := signer.Standard().Sign(context.Background(), broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Sign with a failing KMS error = %v, want its error", err)
	}
}

// failing is a KMS that cannot be reached.
type failing struct{ crypto.Signer }

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestStandardOverwrites(t *testing.T) {
	r := vector()
	r.Header["Webhook-Id"] = []string{"a", "b"}
	r.Header["webhook-id"] = []string{"c"}
	r.Header["WEBHOOK-TIMESTAMP"] = []string{"d"}
	r.Header["webhook-signature"] = []string{"e"}
	r.Header["Webhook-Signature"] = []string{"f"}
	if err := signer.Standard().Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if want := standardHeader("webhook", ""); !reflect.DeepEqual(r.Header, want) {
		t.Errorf("Sign leaves %v, want %v", r.Header, want)
	}
}

func TestStandardRefuses(t *testing.T) {
	secret := must(signer.ParseSecret(vectorSecret))
	at := vector().Time
	for _, tt := range []struct {
		name   string
		change func(*signer.Request)
		want   error
	}{
		{name: "no id", change: func(r *signer.Request) { r.ID = "" }, want: signer.ErrRequest},
		{name: "dot in id", change: func(r *signer.Request) { r.ID = "a.b" }, want: signer.ErrRequest},
		{name: "line end in id", change: func(r *signer.Request) { r.ID = "a\r\nb" }, want: signer.ErrRequest},
		{name: "non-ASCII id", change: func(r *signer.Request) { r.ID = "é" }, want: signer.ErrRequest},
		{name: "no time", change: func(r *signer.Request) { r.Time = time.Time{} }, want: signer.ErrRequest},
		{name: "no header", change: func(r *signer.Request) { r.Header = nil }, want: signer.ErrRequest},
		{name: "all ended", change: func(r *signer.Request) { r.Keys = []signer.Key{secret.Until(at)} }, want: signer.ErrNoLiveKey},
		{name: "zero key", change: func(r *signer.Request) { r.Keys = []signer.Key{{}} }, want: signer.ErrKeyKind},
		{name: "public key", change: func(r *signer.Request) { r.Keys = []signer.Key{must(signer.ParsePublicKey(vectorPublic))} }, want: signer.ErrKeyKind},
		{name: "token", change: func(r *signer.Request) { r.Keys = []signer.Key{must(signer.Token(canary))} }, want: signer.ErrKeyKind},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(secret)
			tt.change(r)
			if err := signer.Standard().Sign(context.Background(), r); !errors.Is(err, tt.want) {
				t.Errorf("Sign error = %v, want %v", err, tt.want)
			}
			if len(r.Header) != 0 {
				t.Errorf("Sign left %v in a refused request", r.Header)
			}
		})
	}
	for _, prefix := range []string{"a b", "a\n", "é", "a:"} {
		if _, err := signer.NewStandard(signer.StandardOptions{Prefix: prefix}); err == nil {
			t.Errorf("NewStandard(prefix %q) error = nil", prefix)
		}
	}
}

func TestStandardRawSecrets(t *testing.T) {
	s, err := signer.NewStandard(signer.StandardOptions{Key: signer.KindRaw})
	if err != nil {
		t.Fatal(err)
	}
	raw := must(signer.RawSecret(canary))
	r := vector(must(signer.ParseSecret(vectorSecret)), raw)
	if err := s.Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, raw).VerifyAt(r.Time, r.Header, r.Body); err != nil {
		t.Errorf("VerifyAt error = %v", err)
	}
	if strings.Contains(r.Header.Get("Webhook-Signature"), " ") {
		t.Errorf("Webhook-Signature = %q, want one signature", r.Header.Get("Webhook-Signature"))
	}
	if err := signer.Standard().CheckKeys([]signer.Key{raw}); !errors.Is(err, signer.ErrKeyKind) {
		t.Errorf("CheckKeys error = %v, want ErrKeyKind", err)
	}
	for _, kind := range []signer.Kind{signer.KindToken, signer.KindPrivate, 99} {
		if _, err := signer.NewStandard(signer.StandardOptions{Key: kind}); !errors.Is(err, signer.ErrKeyKind) {
			t.Errorf("NewStandard(%v) error = %v, want ErrKeyKind", kind, err)
		}
	}
}

func TestStandardAllocs(t *testing.T) {
	r := vector(must(signer.ParseSecret(vectorSecret)))
	s, ctx, buf := signer.Standard(), context.Background(), make([]byte, 0, 128)
	if n := testing.AllocsPerRun(200, func() { buf, _ = s.AppendSignature(buf[:0], r) }); n != 0 && !raceEnabled {
		t.Errorf("AppendSignature allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(200, func() { _ = s.Sign(ctx, r) }); n > 2 && !raceEnabled {
		t.Errorf("Sign allocates %v times, want at most 2", n)
	}
}

func BenchmarkStandard(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{name: "256B", n: 256}, {name: "1KiB", n: 1024}, {name: "16KiB", n: 16 << 10}} {
		r := vector(must(signer.ParseSecret(vectorSecret)))
		r.Body = make([]byte, size.n)
		s, ctx, buf := signer.Standard(), context.Background(), make([]byte, 0, 128)
		b.Run("floor-sha256/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size.n))
			for b.Loop() {
				_ = sha256.Sum256(r.Body)
			}
		})
		b.Run("append/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size.n))
			for b.Loop() {
				buf, _ = s.AppendSignature(buf[:0], r)
			}
		})
		b.Run("parallel/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size.n))
			b.RunParallel(func(pb *testing.PB) {
				out := make([]byte, 0, 128)
				for pb.Next() {
					out, _ = s.AppendSignature(out[:0], r)
				}
			})
		})
		b.Run("sign/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size.n))
			for b.Loop() {
				_ = s.Sign(ctx, r)
			}
		})
	}
}

// BenchmarkRatio reports what this package promises: a signature of 1 KiB
// against the bare SHA-256 of as much. Both take turns, and the shortest batch
// of each counts, so that a busy machine spoils neither.
func BenchmarkRatio(b *testing.B) {
	r := vector(must(signer.ParseSecret(vectorSecret)))
	r.Body = make([]byte, 1024)
	s, buf := signer.Standard(), make([]byte, 0, 128)
	var best [2]time.Duration
	for b.Loop() {
		for i, f := range []func(){
			func() { buf, _ = s.AppendSignature(buf[:0], r) },
			func() { _ = sha256.Sum256(r.Body) },
		} {
			const batch = 200
			start := time.Now()
			for range batch {
				f()
			}
			if d := time.Since(start) / batch; best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	b.ReportMetric(float64(best[0]), "ours-ns")
	b.ReportMetric(float64(best[1]), "sha256-ns")
	b.ReportMetric(float64(best[0])/float64(best[1]), "ours/sha256")
}
