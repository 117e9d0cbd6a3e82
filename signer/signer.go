// Package signer signs webhook requests and verifies them on the receiving
// side. A signer sees the final bytes and sets headers only.
//
// Standard signs by Standard Webhooks and is what to take where nothing else is
// asked for. NewScheme signs as a vendor does (Stripe, GitHub, Slack and so on)
// or as a Scheme of the host's own says; NewMessageSigner by RFC 9421, NewJWT and
// NewJWS by JOSE. Basic, Bearer, APIKey and NewOAuth2 send a credential. All runs
// several.
//
// A Key is a secret or a key of a pair that cannot be printed. Whether a secret
// is base64 to be decoded (ParseSecret) or the key itself (RawSecret), or only
// sent (Token), is said by the caller and never guessed: the same text means
// either, depending on the vendor. Each signer takes from the request's keys
// those that it can use, newest first, and fails when there are keys and none of
// them will do.
//
// Signatures are made for each attempt, with the attempt's own time. Those over
// the body alone (GitHub, Gitea, Bitbucket, WebSub, Shopify, LINE) prove no time
// and protect from no replay: their receivers have to drop repeats by the
// message id.
//
// Receivers verify the raw bytes of the body with a Verifier. A Handshake asks
// an endpoint for its consent before the first delivery.
package signer

import (
	"context"
	"net/http"
	"time"
)

// Request is one attempt as a signer sees it: everything in it but Header is
// final and read-only.
type Request struct {
	ID     string    // the message id, the same on every attempt
	Time   time.Time // the attempt's own time
	Method string
	URL    string // as sent, byte for byte
	Header http.Header
	Body   []byte
	Keys   []Key // the endpoint's live keys, newest first; may be empty
}

// Signer sets the headers that prove where a request comes from.
// It is safe for concurrent use. With no keys it signs nothing, and sets only
// what needs none, such as the message id and the timestamp.
type Signer interface {
	Sign(ctx context.Context, r *Request) error
}
