package signer

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Errors of Verify.
var (
	// ErrMissingHeader means that id, timestamp or signature is not there.
	ErrMissingHeader = errors.New("missing header")
	// ErrMalformed means that one of the headers cannot be read.
	ErrMalformed = errors.New("malformed header")
	// ErrTooOld means that the timestamp lies further back than the tolerance.
	ErrTooOld = errors.New("timestamp too old")
	// ErrTooNew means that the timestamp lies further ahead than the tolerance.
	ErrTooNew = errors.New("timestamp too new")
	// ErrNoMatch means that no signature belongs to the body and a live key.
	ErrNoMatch = errors.New("no matching signature")
)

// maxSignatures bounds the work that a stranger's header can ask for.
const maxSignatures = 16

// VerifierOptions are the choices of a Verifier.
type VerifierOptions struct {
	// Keys to accept, with or without an end: secrets (whsec_, raw) for v1,
	// public or private Ed25519 keys for v1a. At least one.
	Keys []Key

	// Tolerance on either side of now for the timestamp.
	//
	// Defaults to 5 minutes. Negative is refused.
	Tolerance time.Duration

	// Prefixes of the header names, tried in order. The first whose id,
	// timestamp or signature is there counts.
	//
	// Defaults to "webhook", "svix".
	Prefixes []string

	// MaxBody bounds in bytes what Middleware reads; a longer body is answered
	// with 413.
	//
	// Defaults to 1 MiB. Negative is refused.
	MaxBody int64

	// Reject writes the answer of Middleware to a refused request; err is an
	// error of Verify, or of reading the body.
	//
	// Defaults to a bare 401, 400 or 413.
	Reject func(w http.ResponseWriter, r *http.Request, err error)
}

// Verifier verifies Standard Webhooks, v1 and v1a, on the receiving side. It
// works on the raw bytes and never parses the body. It is safe for concurrent
// use.
type Verifier struct {
	o     VerifierOptions
	names []*StandardSigner
}

// Verified tells about an accepted request.
type Verified struct {
	ID   string    // the message id: the key to drop repeats by
	Time time.Time // of the attempt, in whole seconds
	Key  int       // index in VerifierOptions.Keys of the first key that fits

	// Hops is how many dispatches the message says it has behind it: 0 to
	// MaxHops. It is read once the rest is verified, but Standard Webhooks
	// does not sign it: it is a brake for loops, and proves nothing.
	Hops int
}

// HopsHeader carries how many dispatches a message has behind it, where each
// but the first followed from the request of the one before. The first has
// none and sends no header.
const HopsHeader = "Webhook-Hops"

// MaxHops is the largest count of hops. A header that is no number up to it, or
// that is there twice, counts as MaxHops: the message is accepted, and nothing
// is dispatched because of it.
const MaxHops = 999

// parseHops takes one to three digits, and nothing else.
func parseHops(h http.Header) int {
	values := h[HopsHeader]
	if len(values) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(values[0], 10, 16)
	if err != nil || len(values) > 1 || len(values[0]) > 3 {
		return MaxHops
	}
	return int(n)
}

// NewVerifier checks the options. An empty list of keys, or a key that cannot
// verify, is an error.
func NewVerifier(o VerifierOptions) (*Verifier, error) {
	if len(o.Keys) == 0 {
		return nil, errors.New("verifier: no keys; without one everything would be accepted or nothing")
	}
	o.Keys = slices.Clone(o.Keys)
	for i, k := range o.Keys {
		if err := checkVerifying(k); err != nil {
			return nil, fmt.Errorf("verifier: key %d: %w", i, err)
		}
	}
	if o.Tolerance < 0 || o.MaxBody < 0 {
		return nil, errors.New("verifier: negative Tolerance or MaxBody")
	}
	if o.Tolerance == 0 {
		o.Tolerance = 5 * time.Minute
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if len(o.Prefixes) == 0 {
		o.Prefixes = []string{"webhook", "svix"}
	}
	v := &Verifier{o: o}
	for _, p := range o.Prefixes {
		s, err := NewStandard(StandardOptions{Prefix: p})
		if err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
		v.names = append(v.names, s)
	}
	return v, nil
}

func checkVerifying(k Key) error {
	switch k.Kind() {
	case KindSecret, KindRaw: // FIPS rules show here, and not on the first request
		_, err := newHMAC(HMACSHA256, k.m().raw)
		return err
	case KindPrivate, KindPublic, KindSigner:
		if k.m().raw != nil {
			return nil
		}
	case KindToken:
	}
	return fmt.Errorf("%w: %s verifies nothing here", ErrKeyKind, k.Kind())
}

// Verify tells whether body was signed by one of the keys, now. See VerifyAt.
func (v *Verifier) Verify(header http.Header, body []byte) (Verified, error) {
	return v.VerifyAt(time.Now(), header, body)
}

// VerifyAt verifies as of now: header as net/http gives it, body as it came.
// Errors wrap ErrMissingHeader, ErrMalformed, ErrTooOld, ErrTooNew or
// ErrNoMatch. All live keys are compared with all signatures, in constant time.
func (v *Verifier) VerifyAt(now time.Time, header http.Header, body []byte) (Verified, error) {
	c, err := v.read(header)
	if err != nil {
		return Verified{}, err
	}
	at, err := parseTimestamp(c.timestamp)
	if err != nil {
		return Verified{}, err
	}
	switch {
	case now.Sub(at) > v.o.Tolerance:
		return Verified{}, fmt.Errorf("%w: more than %v ago", ErrTooOld, v.o.Tolerance)
	case at.Sub(now) > v.o.Tolerance:
		return Verified{}, fmt.Errorf("%w: more than %v ahead; are the clocks right?", ErrTooNew, v.o.Tolerance)
	}
	found := -1
	for i, k := range v.o.Keys {
		if k.Live(now) && k.matches(c, body) && found < 0 {
			found = i
		}
	}
	if found < 0 {
		return Verified{}, fmt.Errorf("%w: was the raw body verified, and with the right secret?", ErrNoMatch)
	}
	return Verified{ID: c.id, Time: at, Key: found, Hops: parseHops(header)}, nil
}

// candidate is one decoded signature of the header.
type candidate struct {
	sum   []byte
	keyed bool // v1; else v1a
}

// claim is what the three headers say, not yet verified.
type claim struct {
	id, timestamp string
	sigs          []candidate
}

// read takes the three values out of the header.
func (v *Verifier) read(h http.Header) (claim, error) {
	for _, n := range v.names {
		if len(h[n.id]) == 0 && len(h[n.timestamp]) == 0 && len(h[n.signature]) == 0 {
			continue
		}
		var values [3]string
		for i, name := range [3]string{n.id, n.timestamp, n.signature} {
			var err error
			if values[i], err = one(h, name); err != nil {
				return claim{}, err
			}
		}
		if checkID(values[0]) != nil {
			return claim{}, fmt.Errorf("%w: %s", ErrMalformed, n.id)
		}
		sigs, err := parseSignatures(values[2])
		return claim{id: values[0], timestamp: values[1], sigs: sigs}, err
	}
	return claim{}, fmt.Errorf("%w: %s", ErrMissingHeader, v.names[0].signature)
}

// one gives the single value of a header: of two lines, others would read
// either.
func one(h http.Header, name string) (string, error) {
	switch values := h[name]; {
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%w: %s", ErrMissingHeader, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s stands %d times", ErrMalformed, name, len(values))
	default:
		return values[0], nil
	}
}

// parseTimestamp takes plain digits only: whole seconds, no sign, no fraction.
func parseTimestamp(s string) (time.Time, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, fmt.Errorf("%w: timestamp is not whole seconds", ErrMalformed)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || len(s) > 12 { // 12 digits reach the year 33658
		return time.Time{}, fmt.Errorf("%w: timestamp out of range", ErrMalformed)
	}
	return time.Unix(n, 0), nil
}

// parseSignatures splits the list. Tokens of other versions or of a wrong form
// are passed over, as the specification wants for versions to come.
func parseSignatures(list string) ([]candidate, error) {
	var sigs []candidate
	tokens := 0
	for token := range strings.FieldsSeq(list) {
		if tokens++; tokens > maxSignatures {
			return nil, fmt.Errorf("%w: more than %d signatures", ErrMalformed, maxSignatures)
		}
		version, text, ok := strings.Cut(token, ",")
		if !ok || (version != "v1" && version != "v1a") {
			continue
		}
		sum, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			continue
		}
		sigs = append(sigs, candidate{sum: sum, keyed: version == "v1"})
	}
	if len(sigs) == 0 {
		return nil, fmt.Errorf("%w: no v1 or v1a signature in padded base64", ErrMalformed)
	}
	return sigs, nil
}

// matches compares with every signature, and does not stop at the first.
func (k Key) matches(c claim, body []byte) bool {
	found := false
	if k.symmetric() {
		m, err := k.m().mac(HMACSHA256)
		if err != nil {
			return false // not reached: NewVerifier has made one
		}
		m.sumStandard(c.id, []byte(c.timestamp), body)
		for _, s := range c.sigs {
			found = (s.keyed && hmac.Equal(m.buf, s.sum)) || found
		}
		k.m().putMAC(HMACSHA256, m)
		return found
	}
	var msg []byte
	for _, s := range c.sigs {
		if s.keyed || len(s.sum) != ed25519.SignatureSize {
			continue
		}
		if msg == nil {
			msg = append(appendStandardHead(nil, c.id, []byte(c.timestamp)), body...)
		}
		found = ed25519.Verify(k.m().raw, msg, s.sum) || found
	}
	return found
}
