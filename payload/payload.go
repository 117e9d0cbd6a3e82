// Package payload turns a host's typed events into request bodies: forms or
// JSON, bare or in an envelope.
//
// An event is the host's own struct. Its fields have the names and options that
// the form tag (of go-playground/form/v4) and the json tag (of encoding/json)
// give them, and stand in declaration order. The webhook tag carries what
// neither knows:
//
//	required        Validate wants it there, and not blank
//	private         it is never sent to anyone
//	layout=...      how a time is written: a layout of package time (without
//	                commas), unix or unixmilli; always in UTC
//	ip=allow        the field may send an IP address
//	ip=anonymized   it sends one without its last 8 bits, or its last 80 of IPv6
//	base64          a form may send these bytes, as base64
//	json            a form sends the value as JSON text in one field
//
// An unknown option is an error, and so is an IP address without a rule: net.IP
// and the types of net/netip cannot slip into a body. (A free text can: nobody
// reads those.)
//
// The types are compiled into plans, once per encoder and type; Check does that
// ahead of time and reports everything that the encoder cannot carry. Nothing
// is dropped silently: what has no meaning on the wire is ErrUnsupported, and a
// value that breaks a rule is ErrInvalid. Both name the field, never its value.
//
// A body is encoded once, stored, and sent as it is. What differs between
// endpoints is spliced in at send: see Splice and SpliceURL.
package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strconv"
	"time"
)

// Errors that encoders wrap. All of them are permanent: encoding the same
// event again gives the same error.
var (
	// ErrInvalid marks an event whose content breaks a rule: a required field
	// is missing, a string is not UTF-8, a value is cyclic.
	ErrInvalid = errors.New("payload: invalid event")
	// ErrUnsupported marks a type that an encoder cannot carry.
	ErrUnsupported = errors.New("payload: unsupported type")
	// ErrTooLarge marks a body over the encoder's limit.
	ErrTooLarge = errors.New("payload: body too large")
	// ErrParam marks a static parameter that a body cannot take.
	ErrParam = errors.New("payload: parameter refused")
	// ErrRedacted marks a secret that was read back in its redacted form.
	ErrRedacted = errors.New("payload: value is redacted, not the secret itself")
)

// Event is what an Encoder turns into a Body. Data is the host's own struct
// (or a Fields); the rest is what an envelope may carry.
type Event struct {
	ID     string
	Type   string
	Source string
	Time   time.Time
	Data   any
}

// Header is one header that travels with a body, its name in exact case.
type Header struct{ Name, Value string }

// Body is an encoded event. Its bytes are stored and sent as they are; nobody
// changes them after Encode returned.
type Body struct {
	ContentType string
	Header      []Header // only what the encoding itself demands, as ce-id
	Data        []byte
	// Tail is the number of bytes that follow the place where static
	// parameters are spliced: 0 for a form, 1 for a JSON object, 2 for an
	// object inside an envelope, -1 for a body that takes no parameter.
	Tail int
}

// String gives the content type and the size, never the content: a body may
// hold personal data.
func (b Body) String() string {
	return b.ContentType + ", " + strconv.Itoa(len(b.Data)) + " bytes"
}

// GoString is String.
func (b Body) GoString() string { return "payload.Body{" + b.String() + "}" }

// Format writes String or, for %#v, GoString, whatever the verb is.
func (b Body) Format(f fmt.State, verb rune) {
	text := b.String()
	if verb == 'v' && f.Flag('#') {
		text = b.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt gives no way to report it
}

// LogValue gives slog the content type, the size and the SHA-256 of the bytes,
// never the bytes.
func (b Body) LogValue() slog.Value {
	sum := sha256.Sum256(b.Data)
	return slog.GroupValue(slog.String("content_type", b.ContentType), slog.Int("size", len(b.Data)),
		slog.String("sha256", hex.EncodeToString(sum[:])))
}

// Encoder turns events into bodies. The same input gives the same bytes. An
// Encoder is safe for concurrent use.
type Encoder interface {
	// Check compiles the plan of t and reports everything in it that the
	// encoder cannot carry.
	Check(t reflect.Type) error
	// Encode appends the body of ev to dst; the result's Data starts with
	// what dst held, and is dst's array where it has room.
	Encode(dst []byte, ev *Event) (Body, error)
	// CheckParams reports params that cannot be spliced into bodies of type
	// t: a clash with a field, or a body that is no object. A nil t checks
	// what can be told without a type.
	CheckParams(t reflect.Type, params []Param) error
	// Only returns an encoder that keeps the named dotted paths of t alone.
	// An unknown path, or the loss of a required field, is an error.
	Only(t reflect.Type, paths []string) (Encoder, error)
}
