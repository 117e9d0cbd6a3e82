package signer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// String names the request by id, method, origin and sizes. It leaves out path
// and query, headers and body, which may hold secrets.
func (r Request) String() string {
	return fmt.Sprintf("request %q %s %s, %d bytes, %d keys", r.ID, r.Method, origin(r.URL), len(r.Body), len(r.Keys))
}

// GoString gives what String gives.
func (r Request) GoString() string { return r.String() }

// Format gives what String gives, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue gives what String gives.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON gives what String gives, as a JSON string.
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// GobEncode refuses with ErrRedacted.
func (r Request) GobEncode() ([]byte, error) { return nil, ErrRedacted }

// origin gives scheme and host of a URL.
func origin(rawURL string) string {
	t, err := parseTarget(rawURL)
	if err != nil {
		return "(URL)"
	}
	return t.scheme + "://" + t.authority
}

// ErrRequest is a Request that a signer cannot sign.
var ErrRequest = errors.New("invalid request to sign")

func checkRequest(r *Request) error {
	switch {
	case r.Header == nil:
		return fmt.Errorf("%w: Header is nil", ErrRequest)
	case r.Time.IsZero():
		return fmt.Errorf("%w: Time is zero; set it on each attempt", ErrRequest)
	}
	return nil
}

// checkID holds the message id to what the specification allows: it is signed
// between dots, and sent in a header.
func checkID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: no message id", ErrRequest)
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || c == '.' {
			return fmt.Errorf("%w: the message id holds a dot, a space, a control or a non-ASCII character", ErrRequest)
		}
	}
	return nil
}

// lookup gives the values of a header in whatever case its name stands there:
// endpoints may have headers in exact case.
func lookup(h http.Header, name string) []string {
	if values := h.Values(name); len(values) > 0 {
		return values
	}
	for k, values := range h {
		if strings.EqualFold(k, name) {
			return values
		}
	}
	return nil
}

// setOne puts value under the canonical name, and takes away what stands under
// the same name in another case, so that one line goes out. An empty value
// takes the name away.
func setOne(h http.Header, name string, value []string) {
	for k := range h {
		if len(k) == len(name) && k != name && strings.EqualFold(k, name) {
			delete(h, k)
		}
	}
	if value[0] == "" {
		delete(h, name)
		return
	}
	h[name] = value
}

// buffer is scratch space for one signature.
type buffer struct{ out, msg []byte }

var scratch = sync.Pool{New: func() any { return new(buffer) }} //nolint:gochecknoglobals // a cache

// maxScratch bounds what a pool keeps: large bodies are rare.
const maxScratch = 128 << 10

func (b *buffer) free() {
	if cap(b.out) <= maxScratch && cap(b.msg) <= maxScratch {
		scratch.Put(b)
	}
}

// checkHeaderNames checks the first, which is required, and the others that are
// not empty.
func checkHeaderNames(required string, others ...string) error {
	if err := checkHeaderName(required); err != nil {
		return err
	}
	for _, name := range others {
		if name == "" {
			continue
		}
		if err := checkHeaderName(name); err != nil {
			return err
		}
	}
	return nil
}

// visible tells whether s has nothing but visible ASCII and spaces, and may
// stand in a header.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkHeaderName holds a name to the token of RFC 9110 section 5.6.2.
func checkHeaderName(name string) error {
	if name == "" {
		return errors.New("empty header name")
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return fmt.Errorf("header name %q: only letters, digits and !#$%%&'*+-.^_`|~ may stand in it", name)
		}
	}
	return nil
}

// Rotation says which keys sign where several are live.
type Rotation uint8

// The rotations. Receivers of most vendors' schemes know one signature alone:
// while two keys are live, either the newest signs, and receivers that have not
// changed yet refuse; or the oldest signs until its end, which is then the time
// at which receivers have to change.
const (
	SignNewest Rotation = iota + 1
	SignOldest
	SignAll
)

// String names the rotation.
func (r Rotation) String() string {
	switch r {
	case SignNewest:
		return "newest"
	case SignOldest:
		return "oldest"
	case SignAll:
		return "all"
	}
	return "unknown rotation"
}

// KeyChecker is what a Signer also is when it can tell at registration whether
// an endpoint's keys will do. All signers of this package but OAuth2 are. No
// keys at all are fine. Errors wrap ErrKeyKind; the end of a key is not looked
// at. It is safe for concurrent use.
type KeyChecker interface {
	CheckKeys(keys []Key) error
}

func checkKeys(keys []Key, fits func(Key) bool, wants string) error {
	if len(keys) == 0 || slices.ContainsFunc(keys, fits) {
		return nil
	}
	return fmt.Errorf("%w: %s; the first key is %s", ErrKeyKind, wants, keys[0].Kind())
}

// noKey tells why none of the keys signs.
func noKey(keys []Key, fits func(Key) bool, wants string) error {
	if err := checkKeys(keys, fits, wants); err != nil {
		return err
	}
	return ErrNoLiveKey
}

// pick gives the key for a scheme with one signature: own when there is one,
// else from the request. With no keys at all it gives the zero Key.
func pick(r *Request, own Key, rotation Rotation, fits func(Key) bool, wants string) (Key, error) {
	if !own.IsZero() {
		if !own.Live(r.Time) {
			return Key{}, ErrNoLiveKey
		}
		return own, nil
	}
	var found Key
	for _, k := range r.Keys {
		if !fits(k) || !k.Live(r.Time) {
			continue
		}
		found = k
		if rotation != SignOldest {
			break
		}
	}
	if found.IsZero() && len(r.Keys) > 0 {
		return Key{}, noKey(r.Keys, fits, wants)
	}
	return found, nil
}
