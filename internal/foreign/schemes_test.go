package foreign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

const (
	issuer    = "outhook.example"
	basicUser = "outhook"

	sharedText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	wrongText  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	rawText    = "8f742231b10e8888abcd99yyyzzz85a5-8f742231b10e8888abcd99yyyzzz85a5-8f742231b10e"
	wrongRaw   = "0f742231b10e8888abcd99yyyzzz85a5-8f742231b10e8888abcd99yyyzzz85a5-8f742231b10e"
)

// scheme is a way of signing and who verifies it. Known is the key as the
// receiver has it, wrong another one of its kind.
type scheme struct {
	name     string
	signer   signer.Signer
	key      signer.Key
	more     []signer.Key // further keys of the endpoint
	known    string
	wrong    string
	endpoint webhook.Endpoint
	header   string // has to be there
	timed    bool   // there is a time for a receiver to look at
	bodiless bool   // the body is not covered
	checks   []check
}

// check is one verifier: in Go, or by its name in js/verify.mjs or
// py/verify.py.
type check struct {
	by     string
	golang func(s sent, key string) error
	node   string
	python string
	option string
	noTime bool // it does not look at the time that there is
}

func jsonBy(option string) webhook.Endpoint { return webhook.Endpoint{Encoder: option} }

// vendor is a scheme with a literal secret and a JSON body.
func vendor(t *testing.T, name string, s signer.Scheme, timed bool, checks ...check) scheme {
	t.Helper()
	sg, err := signer.NewScheme(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return scheme{
		name: name, signer: sg, key: raw(t, rawText), known: rawText, wrong: wrongRaw,
		endpoint: jsonBy("json"), header: s.Header, timed: timed, checks: checks,
	}
}

func hmacSchemes(t *testing.T) []scheme {
	t.Helper()
	svixSigner, err := signer.NewStandard(signer.StandardOptions{Prefix: "svix"})
	if err != nil {
		t.Fatal(err)
	}
	standard := scheme{
		name: "Standard Webhooks v1", signer: signer.Standard(), key: secret(t, sharedText),
		known: sharedText, wrong: wrongText, endpoint: jsonBy("json"), header: "Webhook-Signature", timed: true,
		checks: []check{
			{by: "standardwebhooks (Go)", golang: goStandard},
			{by: "svix (Go)", golang: goSvix},
			{by: "standardwebhooks (JS)", node: "standardwebhooks"},
			{by: "svix (JS)", node: "svix"},
			{by: "specification (Python)", python: "standard"},
		},
	}
	beside := standard
	beside.name, beside.more = "Standard Webhooks v1 beside v1a", []signer.Key{signer.GeneratePrivateKey()}
	form := standard
	form.name, form.endpoint = "Standard Webhooks v1, form", jsonBy("form")
	// The libraries in JavaScript parse JSON before they say yes.
	form.checks = []check{standard.checks[0], standard.checks[1], standard.checks[4]}
	svix := standard
	svix.name, svix.signer, svix.header = "Svix", svixSigner, "Svix-Signature"
	svix.checks = []check{{by: "svix (Go)", golang: goSvix}, {by: "svix (JS)", node: "svix"}}

	shopify := vendor(t, "Shopify", signer.Shopify(), false,
		check{by: "@shopify/shopify-api (JS)", node: "shopify"})
	shopify.endpoint.Headers = []webhook.Header{
		{Name: "X-Shopify-Topic", Value: "orders/create"},
		{Name: "X-Shopify-Shop-Domain", Value: "x.myshopify.com"},
		{Name: "X-Shopify-API-Version", Value: "2026-01"},
		{Name: "X-Shopify-Webhook-Id", Value: "b54557e4"},
	}
	slackForm := vendor(t, "Slack, form", signer.Slack(), true,
		check{by: "slack-go", golang: goSlack}, check{by: "vendor's text (Python)", python: "slack"})
	slackForm.endpoint = jsonBy("form")
	twilioForm := vendor(t, "Twilio form", signer.TwilioForm(), false,
		check{by: "twilio-go", golang: goTwilioForm}, check{by: "twilio (JS)", node: "twilioForm"})
	twilioForm.endpoint = jsonBy("form")
	stripe := vendor(t, "Stripe", signer.Stripe(), true,
		check{by: "stripe-go", golang: goStripe}, check{by: "stripe (JS)", node: "stripe"})
	stripe.key, stripe.known, stripe.wrong = raw(t, sharedText), sharedText, wrongText

	return []scheme{
		standard, beside, form, svix, stripe,
		vendor(t, "GitHub", signer.GitHub(), false, check{by: "go-github", golang: goGitHub},
			check{by: "@octokit/webhooks-methods (JS)", node: "octokit"},
			check{by: "vendor's text (Python)", python: "github"}),
		vendor(t, "Gitea", signer.Gitea(), false, check{by: "gitea sdk (Go)", golang: goGitea},
			check{by: "vendor's text (Python)", python: "gitea"}),
		vendor(t, "Bitbucket", signer.Bitbucket(), false, check{by: "go-github", golang: goHub},
			check{by: "vendor's text (Python)", python: "bitbucket"}),
		vendor(t, "WebSub sha1", signer.WebSub(signer.HMACSHA1), false, check{by: "go-github", golang: goHub},
			check{by: "recommendation (Python)", python: "websub"}),
		vendor(t, "WebSub sha256", signer.WebSub(signer.HMACSHA256), false, check{by: "go-github", golang: goHub},
			check{by: "recommendation (Python)", python: "websub"}),
		vendor(t, "WebSub sha384", signer.WebSub(signer.HMACSHA384), false,
			check{by: "recommendation (Python)", python: "websub"}),
		vendor(t, "WebSub sha512", signer.WebSub(signer.HMACSHA512), false, check{by: "go-github", golang: goHub},
			check{by: "recommendation (Python)", python: "websub"}),
		shopify,
		vendor(t, "Slack", signer.Slack(), true, check{by: "slack-go", golang: goSlack},
			check{by: "vendor's text (Python)", python: "slack"}),
		slackForm,
		vendor(t, "Zoom", signer.Zoom(), true,
			check{by: "vendor's text (JS)", node: "zoom", noTime: true}),
		twilioForm,
		vendor(t, "Twilio JSON", signer.TwilioJSON(), false,
			check{by: "twilio-go", golang: goTwilioJSON}, check{by: "twilio (JS)", node: "twilioJSON"}),
		vendor(t, "Square", signer.Square(), false, check{by: "square (JS)", node: "square"}),
		vendor(t, "LINE", signer.LINE(), false, check{by: "line-bot-sdk-go", golang: goLINE},
			check{by: "@line/bot-sdk (JS)", node: "line"}),
		vendor(t, "Paddle", signer.Paddle(), true, check{by: "@paddle/paddle-node-sdk (JS)", node: "paddle"}),
		vendor(t, "HubSpot v3", signer.HubSpot(), true, check{by: "@hubspot/api-client (JS)", node: "hubspot"}),
	}
}

func pairSchemes(t *testing.T) []scheme {
	t.Helper()
	own, other := signer.GeneratePrivateKey(), signer.GeneratePrivateKey()
	v1a := scheme{
		name: "Standard Webhooks v1a", signer: signer.Standard(), key: own, known: public(t, own), wrong: public(t, other),
		endpoint: jsonBy("json"), header: "Webhook-Signature", timed: true,
		checks: []check{
			{by: "specification (JS)", node: "v1a"},
			{by: "specification (Python)", python: "standard"},
		},
	}
	discord := vendor(t, "Discord", signer.Discord(), true, check{by: "discordgo", golang: goDiscord, noTime: true},
		check{by: "discord-interactions (JS)", node: "discord", noTime: true})
	discord.key, discord.known, discord.wrong = own, hexOf(t, own), hexOf(t, other)

	sendGrid := vendor(t, "SendGrid", signer.SendGrid(), true, check{by: "sendgrid-go", golang: goSendGrid, noTime: true})
	p256, wrong256 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	sendGrid.key = held(t, p256)
	sendGrid.known, sendGrid.wrong = derOf(t, p256.Public()), derOf(t, wrong256.Public())
	return []scheme{v1a, discord, sendGrid}
}

// algorithm is a kind of key pair under its names in RFC 9421 and in JOSE.
type algorithm struct {
	rfc9421, jose string
	key           signer.Key
	known, wrong  string
}

func algorithms(t *testing.T) []algorithm {
	t.Helper()
	pair := func(a algorithm, mine, other crypto.Signer) algorithm {
		a.key, a.known, a.wrong = held(t, mine), pemOf(mine.Public()), pemOf(other.Public())
		return a
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	_, edWrong, err2 := ed25519.GenerateKey(rand.Reader)
	rsaKey, err3 := rsa.GenerateKey(rand.Reader, 2048)
	rsaWrong, err4 := rsa.GenerateKey(rand.Reader, 2048)
	for _, err := range []error{err, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return []algorithm{
		{rfc9421: "hmac-sha256", jose: "HS256", key: raw(t, rawText), known: rawText, wrong: wrongRaw},
		pair(algorithm{rfc9421: "ed25519", jose: "EdDSA"}, ed, edWrong),
		pair(algorithm{rfc9421: "ecdsa-p256-sha256", jose: "ES256"}, ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())),
		pair(algorithm{rfc9421: "ecdsa-p384-sha384", jose: "ES384"}, ecKey(t, elliptic.P384()), ecKey(t, elliptic.P384())),
		pair(algorithm{rfc9421: "rsa-v1_5-sha256", jose: "RS256"}, rsaKey, rsaWrong),
		pair(algorithm{rfc9421: "rsa-pss-sha512", jose: "PS512"}, rsaKey, rsaWrong),
	}
}

func standardsSchemes(t *testing.T) []scheme {
	t.Helper()
	var all []scheme
	for _, a := range algorithms(t) {
		alg := map[string]signer.Algorithm{"RS256": signer.RSASHA256, "PS512": signer.RSAPSSSHA512}[a.jose]
		ms, err := signer.NewMessageSigner(signer.MessageOptions{KeyID: "k1", Algorithm: alg})
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.NewJWT(signer.JWTOptions{
			Algorithm: alg, KeyID: "k1", Issuer: issuer, BodyHash: "request_body_sha256",
		})
		if err != nil {
			t.Fatal(err)
		}
		of := scheme{key: a.key, known: a.known, wrong: a.wrong, endpoint: jsonBy("json"), timed: true}
		of.name, of.signer, of.header = "RFC 9421 "+a.rfc9421, ms, "Signature-Input"
		of.checks = []check{
			{by: "http-message-signatures (JS)", node: "rfc9421", option: a.rfc9421},
			{by: "RFC text (Python)", python: "rfc9421", option: a.rfc9421},
		}
		all = append(all, of)
		of.name, of.signer, of.header = "JWT "+a.jose, token, "Authorization"
		of.checks = []check{
			{by: "golang-jwt", golang: goJWT(a.jose)},
			{by: "go-jose", golang: goJOSE(a.jose), noTime: true},
			{by: "jose (JS)", node: "jwt", option: a.jose},
		}
		all = append(all, of)
	}
	mine, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	for _, p := range []signer.JWSPayload{signer.PayloadEncoded, signer.PayloadRaw} {
		detached, err := signer.NewJWS(signer.JWSOptions{KeyID: "k1", Payload: p})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, scheme{
			name: "JWS detached, " + p.String(), signer: detached, key: held(t, mine), known: pemOf(mine.Public()),
			wrong: pemOf(other.Public()), endpoint: jsonBy("json"), header: "X-Jws-Signature", timed: true,
			checks: []check{
				{by: "go-jose", golang: goDetached, noTime: true},
				{by: "jose (JS)", node: "jws", option: map[bool]string{true: "raw"}[p == signer.PayloadRaw]},
			},
		})
	}
	return all
}

func credentialSchemes(t *testing.T) []scheme {
	t.Helper()
	made := func(c *signer.Credential, err error) *signer.Credential {
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	of := func(name string, c *signer.Credential, header string, checks ...check) scheme {
		key, err := signer.Token(rawText)
		if err != nil {
			t.Fatal(err)
		}
		return scheme{
			name: name, signer: c, key: key, known: rawText, wrong: wrongRaw, endpoint: jsonBy("json"),
			header: header, bodiless: true, checks: checks,
		}
	}
	return []scheme{
		of("Basic", made(signer.Basic(basicUser, signer.Key{})), "Authorization", check{by: "net/http", golang: goBasic},
			check{by: "RFC text (Python)", python: "basic", option: basicUser}),
		of("Bearer", made(signer.Bearer(signer.Key{})), "Authorization",
			check{by: "RFC text (Python)", python: "bearer"}),
		of("API key", made(signer.APIKey("X-Api-Key", signer.Key{})), "X-Api-Key",
			check{by: "comparison (Python)", python: "apikey"}),
		of("GitLab token", signer.GitLabToken(), "X-Gitlab-Token",
			check{by: "vendor's text (Python)", python: "gitlab"}),
	}
}

func raw(t *testing.T, text string) signer.Key {
	t.Helper()
	k, err := signer.RawSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func secret(t *testing.T, text string) signer.Key {
	t.Helper()
	k, err := signer.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func held(t *testing.T, s crypto.Signer) signer.Key {
	t.Helper()
	k, err := signer.SignerKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t *testing.T, k signer.Key) string {
	t.Helper()
	p, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	return p.String()
}

func hexOf(t *testing.T, k signer.Key) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(public(t, k)[len("whpk_"):])
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func derOf(t *testing.T, k crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
