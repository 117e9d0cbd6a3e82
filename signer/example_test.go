package signer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/outhook/outhook/signer"
)

// request is what the examples sign.
func request(keys ...signer.Key) *signer.Request {
	return &signer.Request{
		ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Time: time.Unix(1614265330, 0),
		Method: http.MethodPost, URL: "https://example.com/hook",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(`{"test": 2432232314}`),
		Keys:   keys,
	}
}

func ExampleStandard() {
	key, err := signer.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(key)
	if err := signer.Standard().Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("webhook-id"))
	fmt.Println(r.Header.Get("webhook-timestamp"))
	fmt.Println(r.Header.Get("webhook-signature"))
	// Output:
	// msg_p5jXN8AQM9LWM0D4loKWxJek
	// 1614265330
	// v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}

// Receivers that verify with Svix names.
func ExampleNewStandard() {
	s, err := signer.NewStandard(signer.StandardOptions{Prefix: "svix"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request()
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("svix-timestamp"))
	// Output: 1614265330
}

// A rotation: the old secret signs for another day, beside the new one.
func ExampleKey_Until() {
	now := time.Unix(1614265330, 0)
	before, after := signer.GenerateSecret(), signer.GenerateSecret()
	secrets := []signer.Key{after, before.Until(now.Add(24 * time.Hour))}

	r := request(secrets...)
	if err := signer.Standard().Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(strings.Fields(r.Header.Get("webhook-signature"))), "signatures")
	fmt.Println(secrets[1])
	// Output:
	// 2 signatures
	// until=2021-02-26T15:02:10Z;whsec_***
}

func ExampleVerifier_VerifyAt() {
	key, err := signer.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

	now := time.Unix(1614265400, 0)
	got, err := v.VerifyAt(now, header, []byte(`{"test": 2432232314}`))
	fmt.Println(got.ID, err)
	_, err = v.VerifyAt(now, header, []byte(`{"test":2432232314}`)) // parsed and written anew
	fmt.Println(errors.Is(err, signer.ErrNoMatch))
	_, err = v.VerifyAt(now.Add(time.Hour), header, []byte(`{"test": 2432232314}`))
	fmt.Println(err)
	// Output:
	// msg_p5jXN8AQM9LWM0D4loKWxJek <nil>
	// true
	// timestamp too old: more than 5m0s ago
}

func ExampleVerifier_Middleware() {
	key := signer.GenerateSecret()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		message, body, _ := signer.FromContext(r.Context())
		fmt.Println(message.ID, string(body))
	}))

	sent := request(key)
	sent.Time = time.Now()
	if err := signer.Standard().Sign(context.Background(), sent); err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{string(sent.Body), "forged"} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
		r.Header = sent.Header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// msg_p5jXN8AQM9LWM0D4loKWxJek {"test": 2432232314}
	// 200
	// 401
}

func ExampleNewScheme() {
	github, err := signer.NewScheme(signer.GitHub())
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := signer.RawSecret("It's a Secret to Everybody")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(key)
	r.Body = []byte("Hello, World!")
	if err := github.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("X-Hub-Signature-256"))
	// Output: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17
}

// A scheme of a host's own.
func ExampleScheme() {
	s, err := signer.NewScheme(signer.Scheme{
		Name: "ours", Header: "X-Our-Signature", Content: "{id}|{timestamp}|{body}",
		Lead: "ts={timestamp} ", Prefix: "sig=", Encoding: signer.Base64, Key: signer.KindSecret,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := signer.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := s.AppendSignature(nil, request(key))
	fmt.Println(string(value), err)
	// Output: ts=1614265330 sig=pDuRgJdGxOsTAHubS5qV+5SdjOWNMsvJ5vtna9gNyEo= <nil>
}

// Standard Webhooks beside a legacy header while receivers migrate. Each signer
// takes the keys of its kind.
func ExampleAll() {
	legacy, err := signer.NewScheme(signer.GitHub())
	if err != nil {
		fmt.Println(err)
		return
	}
	both := signer.All(signer.Standard(), legacy)
	raw, err := signer.RawSecret("It's a Secret to Everybody")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(signer.GenerateSecret(), raw)
	if err := both.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("webhook-signature") != "", r.Header.Get("X-Hub-Signature-256") != "")
	// Output: true true
}

func ExampleBasic() {
	password, err := signer.Token("open sesame")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := signer.Basic("Aladdin", password)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request()
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("Authorization"))
	// Output: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==
}

// The token of each endpoint stands among its keys.
func ExampleAPIKey() {
	s, err := signer.APIKey("X-Api-Key", signer.Key{})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Token("of this endpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Sign(context.Background(), request(token)))

	token, err = signer.Token("of-this-endpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(token)
	fmt.Println(s.Sign(context.Background(), r), r.Header.Get("X-Api-Key"))
	// Output:
	// X-Api-Key: invalid key: only visible ASCII may stand in the header
	// <nil> of-this-endpoint
}

func ExampleNewMessageSigner() {
	s, err := signer.NewMessageSigner(signer.MessageOptions{KeyID: "2026-11"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(signer.GenerateLongSecret())
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("Content-Digest"))
	fmt.Println(r.Header.Get("Signature-Input"))
	// Output:
	// sha-256=:roWJMfZ4h+gVDW+Wyf4DBiwd82tEZMTdyOACwITV0Zg=:
	// sig1=("@method" "@authority" "@path" "@query" "content-digest" "content-type");created=1614265330;keyid="2026-11"
}

func ExampleNewJWT() {
	s, err := signer.NewJWT(signer.JWTOptions{Issuer: "https://sender.example", BodyHash: "request_body_sha256"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request(signer.GenerateSecret())
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	head, _, _ := strings.Cut(r.Header.Get("Authorization"), ".")
	fmt.Println(head)
	// Output: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9
}

func ExampleNewJWS() {
	s, err := signer.NewJWS(signer.JWSOptions{Header: "X-Neon-Signature", Key: signer.GeneratePrivateKey(), KeyID: "k1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request()
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	head, _, detached := strings.Cut(r.Header.Get("X-Neon-Signature"), "..")
	fmt.Println(head, detached)
	// Output: eyJhbGciOiJFZERTQSIsImlhdCI6MTYxNDI2NTMzMCwia2lkIjoiazEifQ true
}

// staticToken stands for the client that guards deliveries.
type staticToken struct{}

func (staticToken) Do(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, err := w.WriteString(`{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"bearer","expires_in":3600}`)
	return w.Result(), err
}

func ExampleNewOAuth2() {
	secret, err := signer.Token("client secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := signer.NewOAuth2(signer.OAuth2Options{
		TokenURL: "https://auth.example/token", ClientID: "outhook", Secret: secret, Client: staticToken{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := request()
	if err := s.Sign(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header.Get("Authorization"))
	// Output: Bearer 2YotnFZFEjr1zCsicMWpAA
}
