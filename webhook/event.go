package webhook

import (
	"fmt"
	"strings"
	"time"
)

// Event is the host's own typed struct. EventType names it, as "lead.created"
// or "QR_CODE_SCANNED": letters, digits, and . _ - alone, at most 128 bytes.
//
// An event may say more about itself by implementing [Identified], [Timed],
// [Sourced] or [Keyed]. The dispatcher never changes an event and keeps no
// reference to it after Dispatch returned.
type Event interface{ EventType() string }

// Identified is an event with an identity of its own. Dispatching the same
// event id twice adds, per endpoint, only the stored deliveries that are
// missing; volatile ones, of which nobody keeps a record, are sent again.
// The id is at most 255 bytes; an empty id means none.
type Identified interface{ EventID() string }

// Timed is an event that knows when it happened. Without it, or with a zero
// time, the event happened when it was dispatched.
type Timed interface{ EventTime() time.Time }

// Sourced is an event that knows what caused it, as "api" or "admin".
// Endpoints may select sources.
type Sourced interface{ EventSource() string }

// Keyed is an event whose order matters: ordered endpoints receive the events
// of one key in the order in which they were dispatched. An empty key is one
// order for the whole endpoint.
type Keyed interface{ EventKey() string }

// Scope is what an endpoint hangs on, and what an event happened to: a link,
// a workspace, a list, a user. The zero Scope is not valid, so that nobody
// registers for everything by forgetting a field; see [Everywhere].
type Scope string

// Everywhere is the scope of an endpoint that wants the events of all scopes.
// Every Dispatch reaches it, whatever its own scopes are.
const Everywhere Scope = "*"

// In returns the scope of one thing, as In("link", "42"). The kind is lower
// case letters, digits, - and _; the id is any text without control
// characters.
func In(kind, id string) Scope { return Scope(kind + ":" + id) }

// Kind returns the kind of thing that s names, as "link".
func (s Scope) Kind() string {
	kind, _, _ := strings.Cut(string(s), ":")
	return kind
}

// ID returns which thing of its kind s names, as "42".
func (s Scope) ID() string {
	_, id, _ := strings.Cut(string(s), ":")
	return id
}

// Validate reports why s is no scope: it is zero, its kind is misspelt, or
// its id is empty, over 200 bytes, or holds control characters.
func (s Scope) Validate() error {
	if s == Everywhere {
		return nil
	}
	if s == "" {
		return fmt.Errorf("%w: the scope is empty; use webhook.In(kind, id), or webhook.Everywhere", ErrInvalidScope)
	}
	kind, id, found := strings.Cut(string(s), ":")
	if !found || !isScopeKind(kind) {
		return fmt.Errorf("%w: the kind of %q must be lower case letters, digits, - and _", ErrInvalidScope, string(s))
	}
	if id == "" || len(id) > maxScopeID || hasControl(id) {
		return fmt.Errorf("%w: the id of a %q scope must be 1 to %d bytes without control characters", ErrInvalidScope, kind, maxScopeID)
	}
	return nil
}

func isScopeKind(kind string) bool {
	for i := range len(kind) {
		c := kind[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return kind != ""
}

const (
	maxTypeLen  = 128
	maxScopeID  = 200
	maxEventID  = 255
	maxEventKey = 255
	maxSource   = 64
)

// checkType reports why name is no event type.
func checkType(name string) error {
	if name == "" || len(name) > maxTypeLen || !isTypeName(name) {
		return fmt.Errorf("%w: %q is no event type: use 1 to %d letters, digits, dots, - and _", ErrInvalidEvent, clip(name), maxTypeLen)
	}
	return nil
}

func isTypeName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// checkText reports why a field of an event (its id, key or source) cannot be
// stored and sent.
func checkText(field, s string, limit int) error {
	if len(s) > limit || hasControl(s) {
		return fmt.Errorf("%w: its %s must be at most %d bytes without control characters", ErrInvalidEvent, field, limit)
	}
	return nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// clip cuts text that goes into an error.
func clip(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
