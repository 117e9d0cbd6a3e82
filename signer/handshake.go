package signer

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// ErrUnverified is an answer that does not prove that the endpoint wants to be
// called.
var ErrUnverified = errors.New("endpoint not verified")

// Handshake asks an endpoint, before its first delivery, whether it wants to be
// called. It does no I/O: the caller sends the Question (through the guard, with
// no redirects, signed by the endpoint's signer where the scheme says so) and
// hands back the Answer. It is safe for concurrent use.
type Handshake interface {
	// Ask makes a question with a challenge of its own.
	Ask(s Subject) (Question, error)
	// Judge tells what the answer allows. Errors wrap ErrUnverified.
	Judge(q Question, a Answer) (Grant, error)
}

// Subject is the endpoint that is asked.
type Subject struct {
	URL  string
	Time time.Time // of the question
	Keys []Key     // the endpoint's, newest first
}

// Question is the request that is sent. It prints without its challenge.
type Question struct {
	Method    string
	URL       string
	Header    http.Header
	Body      []byte
	Challenge string // what the endpoint has to give back, or to compute from
	want      string // what proves that it did
}

// String names the question by method and origin.
func (q Question) String() string { return "question " + q.Method + " " + origin(q.URL) }

// GoString gives what String gives.
func (q Question) GoString() string { return q.String() }

// Format gives what String gives, whatever the verb.
func (q Question) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, q.String()) }

// LogValue gives what String gives.
func (q Question) LogValue() slog.Value { return slog.StringValue(q.String()) }

// MarshalJSON gives what String gives, as a JSON string.
func (q Question) MarshalJSON() ([]byte, error) { return json.Marshal(q.String()) }

// GobEncode refuses with ErrRedacted.
func (q Question) GobEncode() ([]byte, error) { return nil, ErrRedacted }

// Answer is the endpoint's response. The caller bounds the body it reads.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Grant is what a verified endpoint allows.
type Grant struct {
	Rate int // requests per minute; 0: it did not say
}

func challenge() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func unverified(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnverified, fmt.Sprintf(format, args...))
}

func same(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

func (a Answer) ok() bool { return a.Status >= 200 && a.Status < 300 }

func post(rawURL string, body []byte, c, want string) Question {
	return Question{
		Method: http.MethodPost, URL: rawURL, Body: body, Challenge: c, want: want,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

// judgeField wants a 2xx with a JSON object whose field is want.
func judgeField(want string, a Answer, field string) (Grant, error) {
	if !a.ok() {
		return Grant{}, unverified("it answers %d", a.Status)
	}
	var fields map[string]json.RawMessage
	var got string
	if json.Unmarshal(a.Body, &fields) != nil || json.Unmarshal(fields[field], &got) != nil || !same(got, want) {
		return Grant{}, unverified("field %q of the JSON answer is not what the challenge asks for", field)
	}
	return Grant{}, nil
}
