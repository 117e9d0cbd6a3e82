package signer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

const (
	slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	twilioURL = "https://mycompany.com/myapp.php?foo=1&bar=2"
	// Keys and values of the Twilio vector, in another order than it signs them.
	twilioBody = "To=%2B18005551212&Digits=1234&CallSid=CA1234567890ABCDE&Caller=%2B14158675309&From=%2B14158675309&ReasonConferenceEnded=test&Reason=Participant"
	twilioJSON = `{"property": "value", "boolean": true}`
	twilioHash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

	sendGridPublic = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
	sendGridSig    = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
	sendGridBody   = `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]` + "\r\n"
)

// published is a KMS that knows one signature, and gives it for the bytes that
// it belongs to.
type published struct {
	pub *ecdsa.PublicKey
	sig []byte
}

func (p published) Public() crypto.PublicKey { return p.pub }

func (p published) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	if !ecdsa.VerifyASN1(p.pub, digest, p.sig) {
		return nil, errors.New("the published signature is over other bytes")
	}
	return p.sig, nil
}

func sendGridKey(t *testing.T) signer.Key {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(sendGridPublic)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(sendGridSig)
	if err != nil {
		t.Fatal(err)
	}
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		t.Fatalf("public key is %T", pub)
	}
	return must(signer.SignerKey(published{pub: ec, sig: sig}))
}

func TestPublishedVectors(t *testing.T) {
	hub := signer.ShortSecret("0123456789abcdef")
	form := "application/x-www-form-urlencoded; charset=utf-8"
	for _, tt := range []struct {
		name        string
		scheme      signer.Scheme
		key         signer.Key
		at          int64
		url         string
		contentType string
		body        string
		header      string
		want        string
	}{
		{
			name: "github", scheme: signer.GitHub(), key: must(signer.RawSecret("It's a Secret to Everybody")), body: "Hello, World!",
			header: "X-Hub-Signature-256", want: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		{
			name: "hub sha1", scheme: signer.WebSub(signer.HMACSHA1), key: hub, body: `{"yo":true}`,
			header: "X-Hub-Signature", want: "sha1=126f2c800419c60137ce748d7672e77b65cf16d6",
		},
		{
			name: "hub sha256", scheme: signer.WebSub(signer.HMACSHA256), key: hub, body: `{"yo":true}`,
			header: "X-Hub-Signature", want: "sha256=b1f8020f5b4cd42042f807dd939015c4a418bc1ff7f604dd55b0a19b5d953d9b",
		},
		{
			name: "hub sha512", scheme: signer.WebSub(signer.HMACSHA512), key: hub, body: `{"yo":true}`,
			header: "X-Hub-Signature", want: "sha512=8456767023c1195682e182a23b3f5d19150ecea598fde8cb85918f7281b16079471b1329f92b912c4d8bd7455cb159777db8f29608b20c7c87323ba65ae62e1f",
		},
		{
			name: "slack", scheme: signer.Slack(), key: must(signer.RawSecret("8f742231b10e8888abcd99yyyzzz85a5")), at: 1531420618, body: slackBody,
			header: "X-Slack-Signature", want: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
		},
		{
			name: "twilio form", scheme: signer.TwilioForm(), key: signer.ShortSecret("12345"), url: twilioURL, contentType: form, body: twilioBody,
			header: "X-Twilio-Signature", want: "vOEb5UThFn24KEfnOFLQY2AE5FY=",
		},
		{
			name: "twilio JSON", scheme: signer.TwilioJSON(), key: signer.ShortSecret("12345"), url: twilioURL + "&bodySHA256=" + twilioHash, body: twilioJSON,
			header: "X-Twilio-Signature", want: "a9nBmqA0ju/hNViExpshrM61xv4=",
		},
		{
			name: "twilio JSON alone", scheme: signer.TwilioJSON(), key: signer.ShortSecret("12345"), url: "https://mycompany.com/myapp.php?bodySHA256=" + twilioHash, body: twilioJSON,
			header: "X-Twilio-Signature", want: "y77kIzt2vzLz71DgmJGsen2scGs=",
		},
		{
			name: "sendgrid", scheme: signer.SendGrid(), key: sendGridKey(t), at: 1600112502, body: sendGridBody,
			header: "X-Twilio-Email-Event-Webhook-Signature", want: sendGridSig,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := vector(tt.key)
			r.Time, r.URL, r.Body = time.Unix(max(tt.at, 1), 0), tt.url, []byte(tt.body)
			r.Header.Set("Content-Type", tt.contentType)
			if err := newScheme(t, tt.scheme).Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if got := r.Header[tt.header]; len(got) != 1 || got[0] != tt.want {
				t.Errorf("%s = %q, want %q", tt.header, got, tt.want)
			}
		})
	}
}

// The vendors' layouts, each against a plain computation of what its text says.
func TestVendorLayouts(t *testing.T) {
	const secret, older, body = "a secret of the vendor", "an older one of the vendor", `{"a":1}`
	key, old := must(signer.RawSecret(secret)), must(signer.RawSecret(older))
	sum := func(secret, content string) []byte {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(content))
		return h.Sum(nil)
	}
	hexOf := func(content string) string { return hex.EncodeToString(sum(secret, content)) }
	b64Of := func(content string) string { return base64.StdEncoding.EncodeToString(sum(secret, content)) }
	const at, url = "1614265330", "https://example.com/a%20b%3Ac?x=%2Fy%26&z=%zz"
	for _, tt := range []struct {
		name   string
		scheme signer.Scheme
		want   map[string]string
	}{
		{name: "stripe", scheme: signer.Stripe(), want: map[string]string{
			"Stripe-Signature": "t=" + at + ",v1=" + hexOf(at+"."+body) + ",v1=" + hex.EncodeToString(sum(older, at+"."+body)),
		}},
		{name: "github", scheme: signer.GitHub(), want: map[string]string{
			"X-Hub-Signature-256": "sha256=" + hexOf(body), "X-Github-Delivery": vector().ID,
		}},
		{name: "gitea", scheme: signer.Gitea(), want: map[string]string{"X-Gitea-Signature": hexOf(body), "X-Gitea-Delivery": vector().ID}},
		{name: "bitbucket", scheme: signer.Bitbucket(), want: map[string]string{"X-Hub-Signature": "sha256=" + hexOf(body)}},
		{name: "shopify", scheme: signer.Shopify(), want: map[string]string{"X-Shopify-Hmac-Sha256": b64Of(body), "X-Shopify-Webhook-Id": vector().ID}},
		{name: "zoom", scheme: signer.Zoom(), want: map[string]string{
			"X-Zm-Signature": "v0=" + hexOf("v0:"+at+":"+body), "X-Zm-Request-Timestamp": at,
		}},
		{name: "square", scheme: signer.Square(), want: map[string]string{"X-Square-Hmacsha256-Signature": b64Of(url + body)}},
		{name: "line", scheme: signer.LINE(), want: map[string]string{"X-Line-Signature": b64Of(body)}},
		{name: "paddle", scheme: signer.Paddle(), want: map[string]string{"Paddle-Signature": "ts=" + at + ";h1=" + hexOf(at+":"+body)}},
		{name: "hubspot", scheme: signer.HubSpot(), want: map[string]string{
			"X-Hubspot-Signature-V3":      b64Of("POSThttps://example.com/a%20b:c?x=/y%26&z=%zz" + body + at + "999"),
			"X-Hubspot-Request-Timestamp": at + "999",
		}},
		{
			name: "webflow", scheme: signer.Scheme{
				Header: "x-webflow-signature", Content: "{timestamp}:{body}",
				TimestampHeader: "x-webflow-timestamp", TimestampUnit: time.Millisecond,
			},
			want: map[string]string{"X-Webflow-Signature": hexOf(at + "999:" + body), "X-Webflow-Timestamp": at + "999"},
		},
		{
			name: "with the id", scheme: signer.Scheme{Header: "x", Content: "{id}/{method}/{body}"},
			want: map[string]string{"X": hexOf(vector().ID + "/POST/" + body)},
		},
		{name: "oldest", scheme: signer.Scheme{Header: "x", Rotation: signer.SignOldest}, want: map[string]string{"X": hex.EncodeToString(sum(older, body))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScheme(t, tt.scheme)
			r := vector(key, must(signer.ParseSecret(vectorSecret)), old, must(signer.RawSecret("an ended one of the vendor")).Until(time.Unix(1, 0)))
			r.URL, r.Body = url, []byte(body)
			if err := s.Sign(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if len(r.Header) != len(tt.want) {
				t.Errorf("headers = %v, want %v", r.Header, tt.want)
			}
			for name, want := range tt.want {
				if got := r.Header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if err := s.CheckKeys(r.Keys); err != nil {
				t.Errorf("CheckKeys error = %v", err)
			}
			unsigned := vector()
			unsigned.Header.Set(s.Header(), "stale")
			if err := s.Sign(context.Background(), unsigned); err != nil || unsigned.Header.Get(s.Header()) != "" {
				t.Errorf("Sign without keys = %v, %v", unsigned.Header, err)
			}
		})
	}
}

func TestDiscord(t *testing.T) {
	private := signer.GeneratePrivateKey()
	r := vector(signer.GenerateSecret(), private)
	if err := newScheme(t, signer.Discord()).Sign(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	sig, err := hex.DecodeString(r.Header.Get("X-Signature-Ed25519"))
	pub, ok := privateOf(t, private).Public().(ed25519.PublicKey)
	if msg := "1614265330" + string(r.Body); err != nil || !ok || !ed25519.Verify(pub, []byte(msg), sig) {
		t.Errorf("signature %x over %q does not verify (%v)", sig, msg, err)
	}
}

func TestTwilioURL(t *testing.T) {
	s := newScheme(t, signer.TwilioJSON())
	for _, tt := range []struct{ name, in, want string }{
		{name: "no query", in: "https://a.example/x", want: "https://a.example/x?bodySHA256=" + twilioHash},
		{name: "query", in: "https://a.example/x?y=%20", want: "https://a.example/x?y=%20&bodySHA256=" + twilioHash},
		{name: "fragment", in: "https://a.example/x#y", want: "https://a.example/x?bodySHA256=" + twilioHash + "#y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.URL(tt.in, []byte(twilioJSON))
			if got != tt.want {
				t.Errorf("URL(%q) = %q, want %q", tt.in, got, tt.want)
			}
			r := vector(must(signer.RawSecret(canary)))
			r.URL, r.Body = got, []byte(twilioJSON)
			if err := s.Sign(context.Background(), r); err != nil {
				t.Errorf("Sign error = %v", err)
			}
			r.Body = []byte(twilioJSON + " ")
			if err := s.Sign(context.Background(), r); !errors.Is(err, signer.ErrRequest) {
				t.Errorf("Sign of another body error = %v, want ErrRequest", err)
			}
		})
	}
	if got := newScheme(t, signer.LINE()).URL("https://a.example/x", nil); got != "https://a.example/x" {
		t.Errorf("URL without a parameter = %q", got)
	}
}

func TestTwilioFormValues(t *testing.T) {
	key := must(signer.RawSecret(canary))
	s := newScheme(t, signer.Scheme{Algorithm: signer.HMACSHA256, Content: "{form}", Header: "x"})
	sum := func(body, contentType string) (string, error) {
		r := vector(key)
		r.Header.Set("Content-Type", contentType)
		r.Body = []byte(body)
		err := s.Sign(context.Background(), r)
		return r.Header.Get("X"), err
	}
	const form = "application/x-www-form-urlencoded"
	one, err := sum("b=2&a=1&b=1&b=2", form)
	two, err2 := sum("a=1&b=1&b=2", form)
	if err != nil || err2 != nil || one != two {
		t.Errorf("repeats sign as %q, %v and %q, %v", one, err, two, err2)
	}
	for _, tt := range []struct{ name, body, contentType string }{
		{name: "not a form", body: "a=1", contentType: "application/json"},
		{name: "no type", body: "a=1", contentType: ""},
		{name: "bad escape", body: "a=%zz", contentType: form},
		{name: "semicolon", body: "a=1;b=2", contentType: form},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sum(tt.body, tt.contentType); !errors.Is(err, signer.ErrRequest) {
				t.Errorf("Sign error = %v, want ErrRequest", err)
			}
		})
	}
}
