package signer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Doer sends the request for a token; *http.Client is one. Take the one that
// guards deliveries, so that a token endpoint cannot reach private networks
// either, and that follows no redirects.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// ClientAuth is how a client shows its secret to the token endpoint.
type ClientAuth uint8

// The ways, RFC 6749 section 2.3.1.
const (
	ClientBasic ClientAuth = iota + 1 // Authorization: Basic, both parts form-encoded
	ClientPost                        // client_id and client_secret in the body
)

// String names the way as RFC 7591 does.
func (a ClientAuth) String() string {
	switch a {
	case ClientBasic:
		return "client_secret_basic"
	case ClientPost:
		return "client_secret_post"
	}
	return "unknown client authentication"
}

// OAuth2Options are the choices of an OAuth2 signer.
type OAuth2Options struct {
	// TokenURL is the token endpoint: https, or http where Client allows it.
	// Required.
	TokenURL string

	// ClientID of the registered client. Required.
	ClientID string

	// Secret of the client, made by Token. Required.
	Secret Key

	// Auth is the way to show the secret.
	//
	// Defaults to ClientBasic.
	Auth ClientAuth

	// Scopes to ask for; none means what the server gives by default.
	Scopes []string

	// Params are further fields of the token request, such as audience.
	Params url.Values

	// Client sends the token requests. Required; see Doer.
	Client Doer

	// Skew is how long before its end a token is not used any more.
	//
	// Defaults to 30 seconds. Negative is refused.
	Skew time.Duration

	// Timeout bounds one token request.
	//
	// Defaults to 10 seconds. Negative is refused.
	Timeout time.Duration
}

// OAuth2 sends a bearer token that it gets by the client credentials grant (RFC
// 6749 section 4.4) and keeps until shortly before its end. Concurrent attempts
// share one token request. It takes none of the request's keys. Rejected drops
// the token; the next Sign asks for a new one.
type OAuth2 struct {
	o     OAuth2Options
	group singleflight.Group

	token   atomic.Pointer[bearer] // fmt does not follow it
	dropped atomic.Pointer[bearer] // the last one that was rejected
}

// bearer is a token with its beginning and its end.
type bearer struct {
	header string
	got    time.Time
	ends   time.Time // zero: not told
}

// tried is how old a token must be, when it is sent, for its rejection to mean
// that it has ended early. A younger one says that the receiver takes no token
// of ours, and another would fare no better.
const tried = 10 * time.Second

var (
	_ Signer   = (*OAuth2)(nil)
	_ Rejecter = (*OAuth2)(nil)
	_ Masker   = (*OAuth2)(nil)
)

// TokenError is a token endpoint's refusal. The secret is in none of its fields.
type TokenError struct {
	Status int    // of the answer
	Code   string // "error" of RFC 6749 section 5.2, such as invalid_client; may be empty
}

// Error tells status and code.
func (e *TokenError) Error() string {
	if e.Code == "" {
		return "token endpoint answers " + strconv.Itoa(e.Status)
	}
	return fmt.Sprintf("token endpoint answers %d: %s", e.Status, e.Code)
}

// NewOAuth2 checks the options. It asks for no token yet.
func NewOAuth2(o OAuth2Options) (*OAuth2, error) {
	if !usableURL(o.TokenURL) {
		return nil, errors.New("oauth2: TokenURL must be an absolute http or https URL without user and fragment")
	}
	switch {
	case o.ClientID == "":
		return nil, errors.New("oauth2: no ClientID")
	case !isToken(o.Secret):
		return nil, fmt.Errorf("oauth2: secret: %w: %s", ErrKeyKind, tokenWanted)
	case o.Client == nil:
		return nil, errors.New("oauth2: no Client; give the one that guards deliveries")
	case o.Skew < 0 || o.Timeout < 0:
		return nil, errors.New("oauth2: negative Skew or Timeout")
	case o.Auth > ClientPost:
		return nil, fmt.Errorf("oauth2: %s", o.Auth)
	}
	if o.Auth == 0 {
		o.Auth = ClientBasic
	}
	if o.Skew == 0 {
		o.Skew = 30 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return &OAuth2{o: o}, nil
}

func usableURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Sign sets the Authorization header, in place of what was there, and asks for a
// token first when there is none that lasts. It waits no longer than ctx.
// Errors wrap ErrRequest, *TokenError, or what Client gave.
func (s *OAuth2) Sign(ctx context.Context, r *Request) error {
	if err := checkRequest(r); err != nil {
		return err
	}
	t, err := s.get(ctx)
	if err != nil {
		return fmt.Errorf("oauth2: %w", err)
	}
	setOne(r.Header, "Authorization", []string{t.header})
	return nil
}

// Rejected implements Rejecter. A new token is worth an attempt at once where
// the rejected one had been kept for 10 seconds or longer when r was signed.
func (s *OAuth2) Rejected(r *Request) bool {
	header := r.Header.Get("Authorization")
	t := s.token.Load()
	if t != nil && header == t.header {
		s.dropped.Store(t)
		s.token.CompareAndSwap(t, nil)
	} else if t = s.dropped.Load(); t == nil || header != t.header {
		return false
	}
	return r.Time.Sub(t.got) >= tried // an answer may take as long
}

// MaskSent implements Masker.
func (s *OAuth2) MaskSent(b []byte, r *Request) []byte {
	return maskHeader(Mask(b, []Key{s.o.Secret}), r, "Authorization")
}

func (s *OAuth2) cached() *bearer {
	t := s.token.Load()
	if t == nil || (!t.ends.IsZero() && !time.Now().Before(t.ends.Add(-s.o.Skew))) {
		return nil
	}
	return t
}

// get gives the cached token or a new one. The request for it runs under the
// context of the attempt that asked first; when that one ends early, those that
// waited with it ask again.
func (s *OAuth2) get(ctx context.Context) (*bearer, error) {
	for {
		if t := s.cached(); t != nil {
			return t, nil
		}
		var result singleflight.Result
		select {
		case result = <-s.group.DoChan("", func() (any, error) { return s.fetch(ctx) }):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if t, ok := result.Val.(*bearer); ok && result.Err == nil {
			return t, nil
		}
		if !errors.Is(result.Err, errGivenUp) || ctx.Err() != nil {
			return nil, result.Err
		}
	}
}

// errGivenUp marks a token request that ended with its own attempt.
var errGivenUp = errors.New("token request given up")

func (s *OAuth2) fetch(parent context.Context) (t *bearer, err error) {
	defer func() {
		if recover() != nil { // singleflight would end the process
			t, err = nil, errors.New("token request: Client panics")
		}
	}()
	if t := s.cached(); t != nil { // another attempt has just got one
		return t, nil
	}
	ctx, cancel := context.WithTimeout(parent, s.o.Timeout)
	defer cancel()
	req, err := s.request(ctx)
	if err != nil {
		return nil, err
	}
	t, err = s.exchange(req)
	if err != nil {
		if parent.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errGivenUp, parent.Err())
		}
		return nil, err
	}
	s.token.Store(t)
	return t, nil
}

func (s *OAuth2) request(ctx context.Context) (*http.Request, error) {
	form := maps.Clone(s.o.Params)
	if form == nil {
		form = url.Values{}
	}
	form.Set("grant_type", "client_credentials")
	if len(s.o.Scopes) > 0 {
		form.Set("scope", strings.Join(s.o.Scopes, " "))
	}
	secret := s.o.Secret.m().text
	if s.o.Auth == ClientPost {
		form.Set("client_id", s.o.ClientID)
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("token request cannot be made of TokenURL") // err quotes it
	}
	if s.o.Auth == ClientBasic {
		req.SetBasicAuth(url.QueryEscape(s.o.ClientID), url.QueryEscape(secret))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.GetBody = nil // no replay by the transport
	return req, nil
}

// maxTokenAnswer bounds what is read of an answer, in bytes.
const maxTokenAnswer = 64 << 10

func (s *OAuth2) exchange(req *http.Request) (*bearer, error) {
	resp, err := s.o.Client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, fmt.Errorf("token request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to the end or given up: either way nothing to do
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return nil, fmt.Errorf("token answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, s.refusal(resp.StatusCode, body)
	}
	return parseToken(resp.Header.Get("Content-Type"), body)
}

// refusal keeps the code of the answer, and nothing else of it.
func (s *OAuth2) refusal(status int, body []byte) error {
	var answer struct {
		Error string `json:"error"`
	}
	e := &TokenError{Status: status}
	if json.Unmarshal(body, &answer) == nil && len(answer.Error) <= 64 && visible(answer.Error) {
		e.Code = string(Mask([]byte(answer.Error), []Key{s.o.Secret}))
	}
	return e
}

func parseToken(contentType string, body []byte) (*bearer, error) {
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		return nil, errors.New("token answer: not application/json")
	}
	var answer struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil { // err may quote the token
		return nil, errors.New("token answer: not the JSON of RFC 6749 section 5.1")
	}
	switch {
	case !strings.EqualFold(answer.Type, "bearer"):
		return nil, errors.New("token answer: token_type is not bearer")
	case answer.Token == "" || !visible(answer.Token) || strings.Contains(answer.Token, " "):
		return nil, errors.New("token answer: no usable access_token")
	}
	t := &bearer{header: "Bearer " + answer.Token, got: time.Now()}
	if seconds, err := answer.Expires.Float64(); err == nil {
		seconds = min(max(seconds, 0), 366*24*3600) // a duration must not overflow
		t.ends = t.got.Add(time.Duration(seconds) * time.Second)
	}
	return t, nil
}
