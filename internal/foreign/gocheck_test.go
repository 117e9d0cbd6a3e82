package foreign_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"code.gitea.io/sdk/gitea"
	"github.com/bwmarrin/discordgo"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-github/v74/github"
	"github.com/line/line-bot-sdk-go/v8/linebot/webhook"
	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v82/webhook"
	svix "github.com/svix/svix-webhooks/go"
	twilio "github.com/twilio/twilio-go/client"
)

var errRefused = errors.New("refused")

func refuseUnless(ok bool) error {
	if ok {
		return nil
	}
	return errRefused
}

func goStandard(s sent, key string) error {
	w, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		return err
	}
	return w.Verify(s.body, s.header)
}

func goSvix(s sent, key string) error {
	w, err := svix.NewWebhook(key)
	if err != nil {
		return err
	}
	return w.Verify(s.body, s.header)
}

func goStripe(s sent, key string) error {
	return stripe.ValidatePayload(s.body, s.header.Get("Stripe-Signature"), key)
}

func goGitHub(s sent, key string) error {
	_, err := github.ValidatePayload(request(s), []byte(key))
	return err
}

// goHub is GitHub's library on the header that WebSub and Bitbucket share.
func goHub(s sent, key string) error {
	return github.ValidateSignature(s.header.Get("X-Hub-Signature"), s.body, []byte(key))
}

func goGitea(s sent, key string) error {
	ok, err := gitea.VerifyWebhookSignature(key, s.header.Get("X-Gitea-Signature"), s.body)
	return errors.Join(err, refuseUnless(ok))
}

func goSlack(s sent, key string) error {
	v, err := slack.NewSecretsVerifier(s.header, key)
	if err != nil {
		return err
	}
	if _, err := v.Write(s.body); err != nil {
		return err
	}
	return v.Ensure()
}

func goTwilioForm(s sent, key string) error {
	values, err := url.ParseQuery(string(s.body))
	if err != nil {
		return err
	}
	params := map[string]string{}
	for name, v := range values {
		params[name] = v[0]
	}
	v := twilio.NewRequestValidator(key)
	return refuseUnless(v.Validate(s.url, params, s.header.Get("X-Twilio-Signature")))
}

func goTwilioJSON(s sent, key string) error {
	v := twilio.NewRequestValidator(key)
	return refuseUnless(v.ValidateBody(s.url, s.body, s.header.Get("X-Twilio-Signature")))
}

func goSendGrid(s sent, key string) error {
	public, err := eventwebhook.ConvertPublicKeyBase64ToECDSA(key)
	if err != nil {
		return err
	}
	ok, err := eventwebhook.VerifySignature(public, s.body,
		s.header.Get(eventwebhook.VerificationHTTPHeader), s.header.Get(eventwebhook.TimestampHTTPHeader))
	return errors.Join(err, refuseUnless(ok))
}

func goLINE(s sent, key string) error {
	return refuseUnless(webhook.ValidateSignature(key, s.header.Get("X-Line-Signature"), s.body))
}

func goDiscord(s sent, key string) error {
	public, err := hex.DecodeString(key)
	if err != nil {
		return err
	}
	return refuseUnless(discordgo.VerifyInteraction(request(s), ed25519.PublicKey(public)))
}

func goBasic(s sent, key string) error {
	user, password, ok := request(s).BasicAuth()
	return refuseUnless(ok && user == basicUser && password == key)
}

// request is s as a handler sees it.
func request(s sent) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), s.method, s.url, bytes.NewReader(s.body))
	r.Header = s.header.Clone()
	return r
}

// verifyingKey reads a PEM public key; any other text is a shared secret.
func verifyingKey(key string) (any, error) {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return []byte(key), nil
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func bodyHash(s sent, claim any) error {
	sum := sha256.Sum256(s.body)
	return refuseUnless(claim == hex.EncodeToString(sum[:]))
}

func goJWT(alg string) func(sent, string) error {
	return func(s sent, key string) error {
		claims := jwt.MapClaims{}
		token := strings.TrimPrefix(s.header.Get("Authorization"), "Bearer ")
		_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return verifyingKey(key) },
			jwt.WithValidMethods([]string{alg}), jwt.WithAudience(s.url), jwt.WithIssuer(issuer),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt())
		return errors.Join(err, bodyHash(s, claims["request_body_sha256"]))
	}
}

// goJOSE verifies the signature alone; the times of the claims are goJWT's.
func goJOSE(alg string) func(sent, string) error {
	return func(s sent, key string) error {
		token := strings.TrimPrefix(s.header.Get("Authorization"), "Bearer ")
		parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			return err
		}
		public, err := verifyingKey(key)
		if err != nil {
			return err
		}
		payload, err := parsed.Verify(public)
		if err != nil {
			return err
		}
		claims := map[string]any{}
		if err := json.Unmarshal(payload, &claims); err != nil {
			return err
		}
		return bodyHash(s, claims["request_body_sha256"])
	}
}

func goDetached(s sent, key string) error {
	parsed, err := jose.ParseDetached(s.header.Get("X-Jws-Signature"), s.body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	public, err := verifyingKey(key)
	if err != nil {
		return err
	}
	return parsed.DetachedVerify(s.body, public)
}

// pemOf is a public key as receivers are given it.
func pemOf(k crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(fmt.Sprintf("public key: %v", err))
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
