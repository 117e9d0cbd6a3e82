package signer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// OriginHandshake is the abuse protection of the CloudEvents HTTP webhook
// specification 1.0.2: OPTIONS to the exact URL. Every delivery repeats
// WebHook-Request-Origin, which is the endpoint's header to set.
type OriginHandshake struct {
	// Origin is the DNS name of the sender. Required.
	Origin string
	// Callback is a URL at which the receiver may allow later; keep it secret,
	// and one for each endpoint. Empty: none.
	Callback string
	// Rate asked for, per minute. 0: none.
	Rate int
}

var _ Handshake = OriginHandshake{}

// Ask implements Handshake.
func (h OriginHandshake) Ask(s Subject) (Question, error) {
	if h.Origin == "" || !visible(h.Origin) || strings.ContainsAny(h.Origin, " ,*/") {
		return Question{}, errors.New("origin handshake: Origin must be the sender's DNS name")
	}
	if !visible(h.Callback) || h.Rate < 0 {
		return Question{}, errors.New("origin handshake: Callback or Rate is none that a header can carry")
	}
	header := http.Header{"Webhook-Request-Origin": {h.Origin}}
	if h.Callback != "" {
		header.Set("WebHook-Request-Callback", h.Callback)
	}
	if h.Rate > 0 {
		header.Set("WebHook-Request-Rate", strconv.Itoa(h.Rate))
	}
	return Question{Method: http.MethodOptions, URL: s.URL, Header: header, want: h.Origin}, nil
}

// Judge implements Handshake: the answer must allow exactly our origin, or "*".
// The status proves nothing.
func (h OriginHandshake) Judge(q Question, a Answer) (Grant, error) {
	allowed := a.Header.Values("WebHook-Allowed-Origin")
	if len(allowed) != 1 || (allowed[0] != "*" && !same(allowed[0], q.want)) {
		return Grant{}, unverified("WebHook-Allowed-Origin must be %s or *", q.want)
	}
	rate := a.Header.Get("WebHook-Allowed-Rate")
	switch {
	case rate == "" && h.Rate > 0:
		return Grant{}, unverified("a rate was asked for, and WebHook-Allowed-Rate is missing")
	case rate == "" || rate == "*":
		return Grant{}, nil
	}
	n, err := strconv.Atoi(rate)
	if err != nil || n <= 0 {
		return Grant{}, unverified("WebHook-Allowed-Rate is no positive number")
	}
	return Grant{Rate: n}, nil
}

// QueryHandshake is the GET of WebSub and Meta: the challenge stands in the
// query, and the body of the answer must be the challenge and nothing else.
type QueryHandshake struct {
	// Mode and Topic are hub.mode and hub.topic. Mode defaults to "subscribe";
	// an empty Topic is not sent.
	Mode, Topic string
	// VerifyToken is Meta's hub.verify_token, a Token. Zero: not sent.
	VerifyToken Key
	// Lease is hub.lease_seconds. 0: not sent.
	Lease time.Duration
}

var _ Handshake = QueryHandshake{}

// Ask implements Handshake.
func (h QueryHandshake) Ask(s Subject) (Question, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return Question{}, errors.New("query handshake: the URL cannot be parsed") // err quotes it
	}
	if !h.VerifyToken.IsZero() && !isToken(h.VerifyToken) {
		return Question{}, fmt.Errorf("query handshake: %w: %s", ErrKeyKind, tokenWanted)
	}
	c := challenge()
	mode := h.Mode
	if mode == "" {
		mode = "subscribe"
	}
	added := url.Values{"hub.mode": {mode}, "hub.challenge": {c}}
	if h.Topic != "" {
		added.Set("hub.topic", h.Topic)
	}
	if h.Lease > 0 {
		added.Set("hub.lease_seconds", strconv.FormatInt(int64(h.Lease/time.Second), 10))
	}
	if !h.VerifyToken.IsZero() {
		added.Set("hub.verify_token", h.VerifyToken.m().text)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&" // the endpoint's own query stays as it is
	}
	u.RawQuery += added.Encode()
	return Question{Method: http.MethodGet, URL: u.String(), Header: http.Header{}, Challenge: c, want: c}, nil
}

// Judge implements Handshake.
func (h QueryHandshake) Judge(q Question, a Answer) (Grant, error) {
	if !a.ok() {
		return Grant{}, unverified("it answers %d", a.Status)
	}
	if !same(string(a.Body), q.want) {
		return Grant{}, unverified("the body of the answer must be hub.challenge and nothing else")
	}
	return Grant{}, nil
}

// HeaderHandshake is the GET of Okta: the challenge stands in a header and comes
// back as a field of a JSON object.
type HeaderHandshake struct {
	// Header of the challenge. Defaults to "X-Okta-Verification-Challenge".
	Header string
	// Field of the answer. Defaults to "verification".
	Field string
}

var _ Handshake = HeaderHandshake{}

// Ask implements Handshake.
func (h HeaderHandshake) Ask(s Subject) (Question, error) {
	name := h.Header
	if name == "" {
		name = "X-Okta-Verification-Challenge"
	}
	if err := checkHeaderName(name); err != nil {
		return Question{}, err
	}
	c := challenge()
	header := http.Header{}
	header.Set(name, c)
	return Question{Method: http.MethodGet, URL: s.URL, Header: header, Challenge: c, want: c}, nil
}

// Judge implements Handshake.
func (h HeaderHandshake) Judge(q Question, a Answer) (Grant, error) {
	field := h.Field
	if field == "" {
		field = "verification"
	}
	return judgeField(q.want, a, field)
}

// BodyHandshake is the POST of Slack: a JSON object with the challenge, which
// comes back as plain text, as a form field or as a field of a JSON object. The
// caller signs the question as it signs deliveries.
type BodyHandshake struct {
	// Type is the field "type" of the question. Defaults to "url_verification".
	Type string
	// Field of question and answer. Defaults to "challenge".
	Field string
}

var _ Handshake = BodyHandshake{}

// Ask implements Handshake.
func (h BodyHandshake) Ask(s Subject) (Question, error) {
	kind := h.Type
	if kind == "" {
		kind = "url_verification"
	}
	c := challenge()
	body, err := json.Marshal(map[string]string{"type": kind, h.field(): c})
	if err != nil {
		return Question{}, fmt.Errorf("body handshake: %w", err)
	}
	return post(s.URL, body, c, c), nil
}

// Judge implements Handshake.
func (h BodyHandshake) Judge(q Question, a Answer) (Grant, error) {
	mediaType, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")) // unreadable is no known type
	switch mediaType {
	case "application/json":
		return judgeField(q.want, a, h.field())
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(a.Body))
		if err != nil || !a.ok() || !same(form.Get(h.field()), q.want) {
			return Grant{}, unverified("field %q of the form must be the challenge", h.field())
		}
		return Grant{}, nil
	}
	if !a.ok() || !same(strings.TrimSpace(string(a.Body)), q.want) {
		return Grant{}, unverified("the answer must be the challenge as text, form or JSON")
	}
	return Grant{}, nil
}

func (h BodyHandshake) field() string {
	if h.Field == "" {
		return "challenge"
	}
	return h.Field
}

// HMACHandshake is the POST of Zoom: the endpoint proves that it has the secret
// by the hex HMAC-SHA256 of a token. Zoom asks anew every 72 hours and waits for
// 3 seconds; the caller signs the question as it signs deliveries.
type HMACHandshake struct {
	// Event is the field "event". Defaults to "endpoint.url_validation".
	Event string
}

var _ Handshake = HMACHandshake{}

// Ask implements Handshake. It wants a live secret among the endpoint's keys.
func (h HMACHandshake) Ask(s Subject) (Question, error) {
	k, err := pick(&Request{Time: s.Time, Keys: s.Keys}, Key{}, SignNewest, Key.symmetric, "the handshake wants a shared secret")
	if err != nil {
		return Question{}, fmt.Errorf("hmac handshake: %w", err)
	}
	if k.IsZero() {
		return Question{}, fmt.Errorf("hmac handshake: %w: the endpoint has no keys", ErrKeyKind)
	}
	event := h.Event
	if event == "" {
		event = "endpoint.url_validation"
	}
	c := challenge()
	body, err := json.Marshal(map[string]any{
		"event": event, "event_ts": s.Time.UnixMilli(), "payload": map[string]string{"plainToken": c},
	})
	if err != nil {
		return Question{}, fmt.Errorf("hmac handshake: %w", err)
	}
	mac := hmac.New(sha256.New, k.m().raw)
	_, _ = mac.Write([]byte(c)) // a hash never fails
	return post(s.URL, body, c, hex.EncodeToString(mac.Sum(nil))), nil
}

// Judge implements Handshake.
func (h HMACHandshake) Judge(q Question, a Answer) (Grant, error) {
	if _, err := judgeField(q.Challenge, a, "plainToken"); err != nil {
		return Grant{}, err
	}
	return judgeField(q.want, a, "encryptedToken")
}
