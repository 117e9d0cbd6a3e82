package signer

import "time"

// Stripe signs "timestamp.body": Stripe-Signature: t=<s>,v1=<hex>, one v1 for
// each live key. The key is the whole text of the secret, "whsec_" included:
// RawSecret. Receivers take 5 minutes of age.
func Stripe() Scheme {
	return Scheme{
		Name: "stripe", Content: "{timestamp}.{body}", Header: "Stripe-Signature",
		Lead: "t={timestamp},", Prefix: "v1=", Rotation: SignAll,
	}
}

// GitHub signs the body: X-Hub-Signature-256: sha256=<hex>, and sends the
// message id as X-GitHub-Delivery. It knows one signature and no timestamp, so
// that receivers must drop repeats by the id.
func GitHub() Scheme {
	return Scheme{
		Name: "github", Header: "X-Hub-Signature-256", Prefix: "sha256=",
		IDHeader: "X-GitHub-Delivery",
	}
}

// Gitea signs the body, as Gogs and Forgejo do: X-Gitea-Signature: <hex>.
func Gitea() Scheme {
	return Scheme{Name: "gitea", Header: "X-Gitea-Signature", IDHeader: "X-Gitea-Delivery"}
}

// Bitbucket signs the body, as Bitbucket Server and Cloud do:
// X-Hub-Signature: sha256=<hex>.
func Bitbucket() Scheme {
	return Scheme{Name: "bitbucket", Header: "X-Hub-Signature", Prefix: "sha256="}
}

// WebSub signs the body by the W3C recommendation: X-Hub-Signature:
// <method>=<hex>, where a is one of the four HMACs. WebSub(HMACSHA1) is also the
// legacy signature of GitHub.
func WebSub(a Algorithm) Scheme {
	s := Scheme{Name: "websub", Algorithm: a, Header: "X-Hub-Signature"}
	switch a { //nolint:exhaustive // NewScheme refuses the others by the empty header
	case HMACSHA256:
		s.Prefix = "sha256="
	case HMACSHA1:
		s.Prefix = "sha1="
	case HMACSHA384:
		s.Prefix = "sha384="
	case HMACSHA512:
		s.Prefix = "sha512="
	default:
		s.Header = ""
	}
	return s
}

// Shopify signs the body: X-Shopify-Hmac-Sha256: <base64>. Its libraries also
// demand the headers Topic, Shop-Domain and API-Version, which are the
// endpoint's, and refuse an empty body.
func Shopify() Scheme {
	return Scheme{
		Name: "shopify", Encoding: Base64, Header: "X-Shopify-Hmac-Sha256",
		IDHeader: "X-Shopify-Webhook-Id",
	}
}

// Slack signs "v0:timestamp:body": X-Slack-Signature: v0=<hex> beside
// X-Slack-Request-Timestamp. Receivers take 5 minutes of age.
func Slack() Scheme {
	return Scheme{
		Name: "slack", Content: "v0:{timestamp}:{body}", Header: "X-Slack-Signature",
		Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp",
	}
}

// Zoom signs as Slack does, under the headers x-zm-signature and
// x-zm-request-timestamp. Its own library verifies JSON that it has written
// anew, so that the body must be what JSON.stringify gives.
func Zoom() Scheme {
	return Scheme{
		Name: "zoom", Content: "v0:{timestamp}:{body}", Header: "X-Zm-Signature",
		Prefix: "v0=", TimestampHeader: "X-Zm-Request-Timestamp",
	}
}

// TwilioForm signs the URL as sent and the sorted pairs of a form body with
// HMAC-SHA1: X-Twilio-Signature: <base64>. A name with several values has no
// signature on which all of Twilio's libraries agree. FIPS mode forbids it.
func TwilioForm() Scheme {
	return Scheme{
		Name: "twilio", Algorithm: HMACSHA1, Content: "{url}{form}", Encoding: Base64,
		Header: "X-Twilio-Signature",
	}
}

// TwilioJSON signs the URL as sent, whose query carries the SHA-256 of the body
// as bodySHA256; SchemeSigner.URL puts it there.
func TwilioJSON() Scheme {
	return Scheme{
		Name: "twilio", Algorithm: HMACSHA1, Content: "{url}", Encoding: Base64,
		Header: "X-Twilio-Signature", BodyHashParam: "bodySHA256",
	}
}

// Square signs the URL as sent and the body: x-square-hmacsha256-signature:
// <base64>.
func Square() Scheme {
	return Scheme{
		Name: "square", Content: "{url}{body}", Encoding: Base64,
		Header: "X-Square-Hmacsha256-Signature",
	}
}

// LINE signs the body: x-line-signature: <base64>.
func LINE() Scheme {
	return Scheme{Name: "line", Encoding: Base64, Header: "X-Line-Signature"}
}

// Paddle signs "timestamp:body": Paddle-Signature: ts=<s>;h1=<hex>. Its library
// takes 5 seconds of age, and of several h1 the last alone: hence one signature.
func Paddle() Scheme {
	return Scheme{
		Name: "paddle", Content: "{timestamp}:{body}", Header: "Paddle-Signature",
		Lead: "ts={timestamp};", Prefix: "h1=", Joiner: ";",
	}
}

// HubSpot signs method, URL, body and timestamp in milliseconds by its version
// 3: X-HubSpot-Signature-v3: <base64> beside X-HubSpot-Request-Timestamp.
// Receivers take 5 minutes of age. Its text has receivers undo some escapes of
// the URL first (%3A, %2F and ten more); its Node library leaves that to the
// caller, so that URLs without them are the safer ones.
func HubSpot() Scheme {
	return Scheme{
		Name: "hubspot", Content: "{method}{hubspot-url}{body}{timestamp}", Encoding: Base64,
		Header: "X-Hubspot-Signature-V3", TimestampHeader: "X-Hubspot-Request-Timestamp",
		TimestampUnit: time.Millisecond,
	}
}

// Discord signs "timestampbody" with Ed25519, as Discord does for interactions:
// X-Signature-Ed25519: <hex> beside X-Signature-Timestamp.
func Discord() Scheme {
	return Scheme{
		Name: "discord", Algorithm: Ed25519, Content: "{timestamp}{body}",
		Header: "X-Signature-Ed25519", TimestampHeader: "X-Signature-Timestamp",
	}
}

// SendGrid signs "timestampbody" with ECDSA on P-256, in base64 of ASN.1 DER,
// as SendGrid does for its event webhook. The key is a SignerKey.
func SendGrid() Scheme {
	return Scheme{
		Name: "sendgrid", Algorithm: ECDSASHA256, Content: "{timestamp}{body}", Encoding: Base64,
		Header:          "X-Twilio-Email-Event-Webhook-Signature",
		TimestampHeader: "X-Twilio-Email-Event-Webhook-Timestamp",
	}
}
