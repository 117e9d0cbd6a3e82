package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
)

// Endpoint is a registered URL: what it wants to hear, and how it wants to be
// told. It is plain data that a host can store as it likes. Printing it, by
// any verb, as JSON or in a log, shows no secret; see also [Endpoint.Validate].
type Endpoint struct { //nolint:recvcheck // what prints it must redact values as well as pointers
	// ID is the host's own name for the endpoint, unique among all, 1 to 200
	// bytes without control characters.
	ID string
	// Name tells endpoints of one scope apart; setting the same scope, types
	// and name again replaces. Defaults to empty.
	Name string
	// Scope is what the endpoint hangs on. It is required; an endpoint for
	// everything says so with Everywhere.
	Scope Scope
	// URL is where requests go, by the rules of Validate.
	URL string
	// Method is POST, PUT or PATCH. Defaults to POST.
	Method string
	// Types selects event types: exact names, or "contact.*" for all that
	// begin with "contact.". Empty means all: a form with nothing ticked must
	// not end here.
	Types []string
	// Sources selects sources. Empty means all.
	Sources []string
	// Encoder is "form", "json", or a name from Config.Encoders.
	// Defaults to "json".
	Encoder string
	// Fields is an allow-list of dotted paths into the body. Empty means all.
	Fields []string
	// Policy names a Config policy. Defaults to the first.
	Policy string
	// Signer names a Config signer. Defaults to the first.
	Signer string
	// Secrets are the keys to sign with, newest first; each may have an end.
	// Without any, requests are unsigned; their ids are sent all the same.
	Secrets []signer.Key
	// Params are static parameters for the body or the URL, in order.
	Params []payload.Param
	// Headers are sent with every request, their names in exact case on
	// HTTP/1.1. The order between different names is not promised.
	Headers []Header
	// Transport names a Config transport. It is set by the host's code, never
	// by its customers: a transport may open private networks.
	// Defaults to the first.
	Transport string
	// MaxConcurrent bounds the requests that are under way to this endpoint
	// from one process. Defaults to Config.MaxPerEndpoint.
	MaxConcurrent int
	// Rate bounds the requests to this endpoint over all processes. Waiting
	// for it uses up no attempts. Defaults to no limit.
	Rate Rate
	// Ordered keeps the order of dispatch, per Keyed.EventKey.
	Ordered bool
	// Status is Active, Paused or Unverified (deliveries are held) or Disabled
	// (deliveries are recorded as Cancelled). Defaults to Active.
	Status Status
	// StatusReason says why the status is what it is.
	StatusReason string
	// Meta is the host's own; it reaches hooks and resolvers, never the wire.
	Meta map[string]string
}

// Status says whether an endpoint takes deliveries.
type Status uint8

// The statuses of an endpoint. The zero Status counts as Active.
const (
	Active Status = iota + 1
	Paused
	Disabled
	// Unverified holds deliveries as Paused does, until the endpoint has shown
	// that it wants them; see Dispatcher.Verify.
	Unverified
)

// String returns the status in lower case, as "active".
func (s Status) String() string {
	switch s {
	case 0, Active:
		return "active"
	case Paused:
		return "paused"
	case Disabled:
		return "disabled"
	case Unverified:
		return "unverified"
	}
	return "unknown"
}

// holds reports whether deliveries wait for the status to change.
func (s Status) holds() bool { return s == Paused || s == Unverified }

// ParseStatus is the inverse of Status.String.
func ParseStatus(name string) (Status, bool) {
	for s := Active; s <= Unverified; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Rate is at most Limit requests in any window of length Per. The zero Rate
// is no limit.
type Rate struct {
	Limit int
	Per   time.Duration
}

// Header is one header of an endpoint. Its value counts as a secret: it is
// sent, and shown nowhere.
type Header struct{ Name, Value string }

// Matches reports whether e wants an event of this type and source that
// happened to one of scopes. It does not look at the status.
func (e *Endpoint) Matches(q Query) bool {
	return e.inScopes(q.Scopes) && matchesType(e.Types, q.Type) &&
		(len(e.Sources) == 0 || slices.Contains(e.Sources, q.Source))
}

func (e *Endpoint) inScopes(scopes []Scope) bool {
	return e.Scope == Everywhere || slices.Contains(scopes, e.Scope)
}

func matchesType(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if p == name {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Validate reports everything in e that can be told wrong without a Config:
// the identity, the scope, the URL rules, patterns, headers, parameters.
// [Dispatcher.Check] also looks at what the Config knows.
//
// A URL is http or https with a host and without userinfo or fragment, at most
// 2,048 bytes; numeric hosts are canonical, and ports are none that browsers
// refuse. Each broken rule is a [URLError] with the rule's name. Whether a
// literal address may be reached is the transport's to say: Check asks it.
func (e *Endpoint) Validate() error { return e.validate(true) }

func (e *Endpoint) validate(registered bool) error {
	var errs []error
	if registered || e.ID != "" {
		if e.ID == "" || len(e.ID) > maxEndpointID || hasControl(e.ID) {
			errs = append(errs, fmt.Errorf("its ID must be 1 to %d bytes without control characters", maxEndpointID))
		}
	}
	if registered || e.Scope != "" {
		errs = append(errs, e.Scope.Validate())
	}
	errs = append(errs, e.checkURL(), e.checkMethod(), e.checkFilters(), checkHeaders(e.Headers),
		payloadParams(e.Params), e.checkLimits())
	if err := errors.Join(errs...); err != nil {
		return &EndpointError{ID: e.ID, Err: err}
	}
	return nil
}

func (e *Endpoint) checkURL() error {
	_, err := netguard.CheckURL(e.URL, netguard.URLRules{})
	return err
}

func (e *Endpoint) checkMethod() error {
	switch e.Method {
	case "", http.MethodPost, http.MethodPut, http.MethodPatch:
		return nil
	}
	return fmt.Errorf("its method %q must be POST, PUT or PATCH", clip(e.Method))
}

func (e *Endpoint) checkFilters() error {
	var errs []error
	for _, p := range e.Types {
		name := p
		if prefix, ok := strings.CutSuffix(p, ".*"); ok {
			name = prefix
		}
		if checkType(name) != nil {
			errs = append(errs, fmt.Errorf("its type pattern %q must be an event type, or one followed by .*", clip(p)))
		}
	}
	for _, s := range e.Sources {
		if s == "" || len(s) > maxSource || hasControl(s) {
			errs = append(errs, fmt.Errorf("its source %q must be 1 to %d bytes without control characters", clip(s), maxSource))
		}
	}
	return errors.Join(errs...)
}

func (e *Endpoint) checkLimits() error {
	var errs []error
	if e.MaxConcurrent < 0 {
		errs = append(errs, errors.New("its MaxConcurrent must not be negative"))
	}
	if e.Rate.Limit < 0 || e.Rate.Per < 0 || (e.Rate.Limit == 0) != (e.Rate.Per == 0) {
		errs = append(errs, errors.New("its Rate needs a positive Limit and a positive Per, or neither"))
	}
	if e.Status > Unverified {
		errs = append(errs, fmt.Errorf("its status %d must be Active, Paused, Disabled or Unverified", e.Status))
	}
	return errors.Join(errs...)
}

const maxEndpointID = 200

// reservedHeader lists what an endpoint may not set: what HTTP itself owns,
// what would change the meaning of the body, and what we sign.
func reservedHeader(canonical string) bool {
	switch canonical {
	case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Trailer", "Te",
		"Connection", "Keep-Alive", "Upgrade", "Expect", "Proxy-Authorization", "Proxy-Connection", "Idempotency-Key":
		return true
	}
	return strings.HasPrefix(canonical, "Webhook-")
}

func checkHeaders(headers []Header) error {
	var errs []error
	seen := make(map[string]bool, len(headers))
	for _, h := range headers {
		canonical := http.CanonicalHeaderKey(h.Name)
		switch {
		case !isToken(h.Name):
			errs = append(errs, fmt.Errorf("its header name %q must be letters, digits and the signs of RFC 9110 section 5.6.2", clip(h.Name)))
		case reservedHeader(canonical):
			errs = append(errs, fmt.Errorf("its header %s is not for endpoints to set", h.Name))
		case seen[canonical]:
			errs = append(errs, fmt.Errorf("its header %s is there twice", h.Name))
		case !isFieldValue(h.Value):
			errs = append(errs, fmt.Errorf("the value of its header %s must have no control characters and no space at its ends", h.Name))
		}
		seen[canonical] = true
	}
	return errors.Join(errs...)
}

func isToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return strings.Trim(s, " \t") == s
}

// payloadParams checks static parameters as far as that needs no type.
func payloadParams(params []payload.Param) error {
	var errs []error
	for i, p := range params {
		if p.Name == "" || hasControl(p.Name) {
			errs = append(errs, fmt.Errorf("the name of parameter %d must not be empty or hold control characters", i+1))
		}
		for _, q := range params[:i] {
			if p.Name == q.Name && (p.In == payload.InQuery) == (q.In == payload.InQuery) {
				errs = append(errs, fmt.Errorf("its parameter %q is there twice", clip(p.Name)))
			}
		}
	}
	return errors.Join(errs...)
}
