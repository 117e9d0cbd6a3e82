package signer_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/outhook/outhook/signer"
)

func newVerifier(tb testing.TB, keys ...signer.Key) *signer.Verifier {
	tb.Helper()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func privateOf(tb testing.TB, k signer.Key) crypto.Signer {
	tb.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k.Reveal(), "whsk_"))
	if err != nil {
		tb.Fatal(err)
	}
	return ed25519.PrivateKey(b)
}

func TestVerify(t *testing.T) {
	secret := must(signer.ParseSecret(vectorSecret))
	public := must(signer.ParsePublicKey(vectorPublic))
	other := signer.GenerateSecret()
	at := time.Unix(1614265330, 0)
	id, ts, sig := "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"
	set := func(name, value string) func(http.Header) {
		return func(h http.Header) { h.Set(name, value) }
	}
	for _, tt := range []struct {
		name   string
		keys   []signer.Key
		change func(http.Header)
		body   string
		now    time.Time
		want   error
		key    int
	}{
		{name: "v1", keys: []signer.Key{secret}},
		{name: "raw secret of the same bytes", keys: []signer.Key{other, secret}, key: 1},
		{name: "private key verifies", keys: []signer.Key{must(signer.ParsePrivateKey(vectorPrivate))}, change: set(sig, vectorV1a)},
		{name: "v1a", keys: []signer.Key{public}, change: set(sig, vectorV1a)},
		{name: "v1a after v1", keys: []signer.Key{other, public}, change: set(sig, vectorV1+" "+vectorV1a), key: 1},
		{name: "junk passed over", keys: []signer.Key{secret}, change: set(sig, "v9,x  nonsense v1,!! v1a,AA== "+vectorV1+" ")},
		{name: "svix names", keys: []signer.Key{secret}, change: func(h http.Header) {
			maps.Copy(h, standardHeader("svix", vectorV1))
			h.Del(id)
			h.Del(ts)
			h.Del(sig)
		}},
		{name: "oldest", keys: []signer.Key{secret}, now: at.Add(5 * time.Minute)},
		{name: "newest", keys: []signer.Key{secret}, now: at.Add(-5 * time.Minute)},
		{name: "too old", keys: []signer.Key{secret}, now: at.Add(5*time.Minute + 1), want: signer.ErrTooOld},
		{name: "too new", keys: []signer.Key{secret}, now: at.Add(-5*time.Minute - 1), want: signer.ErrTooNew},
		{name: "flipped body byte", keys: []signer.Key{secret}, body: `{"test": 2432232315}`, want: signer.ErrNoMatch},
		{name: "wrong key", keys: []signer.Key{other}, want: signer.ErrNoMatch},
		{name: "ended key", keys: []signer.Key{secret.Until(at)}, want: signer.ErrNoMatch},
		{name: "v1 sum as v1a", keys: []signer.Key{public}, change: set(sig, "v1a,"+vectorV1[3:]), want: signer.ErrNoMatch},
		{name: "v1a sum as v1", keys: []signer.Key{secret}, change: set(sig, "v1,"+vectorV1a[4:]), want: signer.ErrNoMatch},
		{name: "another id", keys: []signer.Key{secret}, change: set(id, "msg_x"), want: signer.ErrNoMatch},
		{name: "no id", keys: []signer.Key{secret}, change: func(h http.Header) { h.Del(id) }, want: signer.ErrMissingHeader},
		{name: "no timestamp", keys: []signer.Key{secret}, change: func(h http.Header) { h.Del(ts) }, want: signer.ErrMissingHeader},
		{name: "no signature", keys: []signer.Key{secret}, change: func(h http.Header) { h.Del(sig) }, want: signer.ErrMissingHeader},
		{name: "nothing", keys: []signer.Key{secret}, change: func(h http.Header) { clear(h) }, want: signer.ErrMissingHeader},
		{name: "empty signature", keys: []signer.Key{secret}, change: set(sig, ""), want: signer.ErrMissingHeader},
		{name: "two lines", keys: []signer.Key{secret}, change: func(h http.Header) { h.Add(sig, vectorV1) }, want: signer.ErrMalformed},
		{name: "commas between", keys: []signer.Key{secret}, change: set(sig, vectorV1+","+vectorV1), want: signer.ErrMalformed},
		{name: "unpadded", keys: []signer.Key{secret}, change: set(sig, strings.TrimRight(vectorV1, "=")), want: signer.ErrMalformed},
		{name: "dot in id", keys: []signer.Key{secret}, change: set(id, "a.b"), want: signer.ErrMalformed},
		{name: "float time", keys: []signer.Key{secret}, change: set(ts, "1614265330.0"), want: signer.ErrMalformed},
		{name: "signed time", keys: []signer.Key{secret}, change: set(ts, "+1614265330"), want: signer.ErrMalformed},
		{name: "milliseconds", keys: []signer.Key{secret}, change: set(ts, "1614265330000"), want: signer.ErrMalformed},
		{name: "huge time", keys: []signer.Key{secret}, change: set(ts, "99999999999999999999"), want: signer.ErrMalformed},
		{name: "too many", keys: []signer.Key{secret}, change: set(sig, strings.Repeat(vectorV1+" ", 17)), want: signer.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := standardHeader("webhook", vectorV1)
			if tt.change != nil {
				tt.change(h)
			}
			body, now := string(vector().Body), at
			if tt.body != "" {
				body = tt.body
			}
			if !tt.now.IsZero() {
				now = tt.now
			}
			got, err := newVerifier(t, tt.keys...).VerifyAt(now, h, []byte(body))
			if !errors.Is(err, tt.want) {
				t.Fatalf("VerifyAt error = %v, want %v", err, tt.want)
			}
			if want := (signer.Verified{ID: vector().ID, Time: at, Key: tt.key}); err == nil && got != want {
				t.Errorf("VerifyAt = %v, want %v", got, want)
			}
		})
	}
}

// TestVerifyHops reads the count of hops, of requests that are verified alone.
func TestVerifyHops(t *testing.T) {
	secret := must(signer.ParseSecret(vectorSecret))
	for _, tt := range []struct {
		name  string
		lines []string
		want  int
	}{
		{name: "none", want: 0},
		{name: "zero", lines: []string{"0"}, want: 0},
		{name: "one", lines: []string{"1"}, want: 1},
		{name: "leading zeros", lines: []string{"008"}, want: 8},
		{name: "most", lines: []string{"999"}, want: 999},
		{name: "more", lines: []string{"1000"}, want: 999},
		{name: "more zeros", lines: []string{"0001"}, want: 999},
		{name: "overflow", lines: []string{"18446744073709551617"}, want: 999},
		{name: "empty", lines: []string{""}, want: 999},
		{name: "minus", lines: []string{"-1"}, want: 999},
		{name: "plus", lines: []string{"+1"}, want: 999},
		{name: "space", lines: []string{" 1"}, want: 999},
		{name: "list", lines: []string{"1, 1"}, want: 999},
		{name: "hexadecimal", lines: []string{"0x1"}, want: 999},
		{name: "underscore", lines: []string{"1_0"}, want: 999},
		{name: "other digits", lines: []string{"١"}, want: 999},
		{name: "two lines", lines: []string{"1", "1"}, want: 999},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := standardHeader("webhook", vectorV1)
			if tt.lines != nil {
				h[signer.HopsHeader] = tt.lines
			}
			v, at := newVerifier(t, secret), time.Unix(1614265330, 0)
			if got, err := v.VerifyAt(at, h, vector().Body); err != nil || got.Hops != tt.want {
				t.Errorf("VerifyAt = %d hops, %v, want %d, nil", got.Hops, err, tt.want)
			}
			if got, err := v.VerifyAt(at, h, []byte("changed")); err == nil || got.Hops != 0 {
				t.Errorf("VerifyAt of another body = %d hops, %v, want 0 and an error", got.Hops, err)
			}
		})
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	ok := []signer.Key{must(signer.ParseSecret(vectorSecret))}
	for _, tt := range []struct {
		name string
		o    signer.VerifierOptions
	}{
		{name: "no keys", o: signer.VerifierOptions{}},
		{name: "zero key", o: signer.VerifierOptions{Keys: []signer.Key{{}}}},
		{name: "token", o: signer.VerifierOptions{Keys: []signer.Key{must(signer.Token(canary))}}},
		{name: "negative tolerance", o: signer.VerifierOptions{Keys: ok, Tolerance: -1}},
		{name: "negative body", o: signer.VerifierOptions{Keys: ok, MaxBody: -1}},
		{name: "bad prefix", o: signer.VerifierOptions{Keys: ok, Prefixes: []string{"a b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, err := signer.NewVerifier(tt.o); err == nil {
				t.Errorf("NewVerifier = %v, nil, want an error", v)
			}
		})
	}
}

func TestRotationOverlap(t *testing.T) {
	before, after := signer.GenerateSecret(), signer.GenerateSecret()
	start := time.Unix(1800000000, 0)
	end := start.Add(24 * time.Hour)
	keys := []signer.Key{after, before.Until(end)}
	for at := start; at.Before(end.Add(3 * time.Hour)); at = at.Add(time.Hour) {
		r := vector(keys...)
		r.Time = at
		if err := signer.Standard().Sign(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := newVerifier(t, after).VerifyAt(at, r.Header, r.Body); err != nil {
			t.Errorf("at %v the new key is refused: %v", at.Sub(start), err)
		}
		_, err := newVerifier(t, before).VerifyAt(at, r.Header, r.Body)
		if live := at.Before(end); (err == nil) != live {
			t.Errorf("at %v the old key gives %v, want accepted %v", at.Sub(start), err, live)
		}
	}
}

func TestMiddleware(t *testing.T) {
	key := signer.GenerateSecret()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}, MaxBody: 64})
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	h := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		body, _ := io.ReadAll(r.Body)
		got, raw, ok := signer.FromContext(r.Context())
		if !ok || got.ID != vector().ID || !bytes.Equal(raw, body) || int64(len(body)) != r.ContentLength {
			t.Errorf("FromContext = %v, %q, %v with body %q", got, raw, ok, body)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, tt := range []struct {
		name string
		body string
		send string
		want int
	}{
		{name: "good", body: `{"a":1}`, send: `{"a":1}`, want: http.StatusNoContent},
		{name: "changed", body: `{"a":1}`, send: `{"a":2}`, want: http.StatusUnauthorized},
		{name: "at the limit", body: strings.Repeat("x", 64), send: strings.Repeat("x", 64), want: http.StatusNoContent},
		{name: "too long", body: strings.Repeat("x", 65), send: strings.Repeat("x", 65), want: http.StatusRequestEntityTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(key)
			r.Time, r.Body = time.Now(), []byte(tt.body)
			if err := signer.Standard().Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(tt.send))
			req.Header = r.Header
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
		})
	}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != http.StatusBadRequest {
		t.Errorf("status of half a body = %d, want 400", w.Code)
	}
	if reached != 2 {
		t.Errorf("the handler was reached %d times, want 2", reached)
	}
	if _, _, ok := signer.FromContext(context.Background()); ok {
		t.Error("FromContext without a Middleware reports true")
	}
}

func FuzzVerify(f *testing.F) {
	keys := []signer.Key{must(signer.ParseSecret(vectorSecret)), must(signer.ParsePublicKey(vectorPublic))}
	f.Add("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vectorV1, `{"test": 2432232314}`)
	f.Add("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vectorV1a+" "+vectorV1, `{"test": 2432232314}`)
	f.Add("a.b", "-1", "v1,", "")
	f.Add("a", "1614265330", "v1a,AAAA v2,x  v1,====", "x")
	v := newVerifier(f, keys...)
	f.Fuzz(func(t *testing.T, id, ts, sig, body string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {ts}, "Webhook-Signature": {sig}}
		got, err := v.VerifyAt(time.Unix(1614265330, 0), h, []byte(body))
		if err != nil {
			return
		}
		// Whatever is accepted carries a signature that our own signer makes.
		n, convErr := strconv.ParseInt(ts, 10, 64)
		if convErr != nil || got.ID != id || got.Time.Unix() != n {
			t.Fatalf("VerifyAt(%q, %q) = %v", id, ts, got)
		}
		r := &signer.Request{ID: id, Time: got.Time, Header: http.Header{}, Body: []byte(body), Keys: keys[:1]}
		r.Keys = append(r.Keys, must(signer.ParsePrivateKey(vectorPrivate)))[:2]
		if err := signer.Standard().Sign(context.Background(), r); err != nil {
			t.Fatalf("accepted what Sign refuses: %v", err)
		}
		for token := range strings.FieldsSeq(r.Header.Get("Webhook-Signature")) {
			if strings.Contains(sig, token) {
				return
			}
		}
		t.Fatalf("accepted %q for %q, signed %q", sig, body, r.Header.Get("Webhook-Signature"))
	})
}
