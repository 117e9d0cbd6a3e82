package payload

import (
	"strings"
)

type envelopeKind uint8

const (
	bare envelopeKind = iota // the zero Envelope
	standard
	ceBinary
	ceStructured
	thin
)

// Envelope is what stands around the JSON of an event's data. The data is
// encoded once and the envelope written around it. The zero value is Bare. An
// envelope is an option of JSON alone, so none can stand over a form.
//
// The envelope decides where a body parameter goes: into the data where the
// data is an object, and beside the reference of a thin one.
type Envelope struct {
	kind   envelopeKind
	source string
	ref    func(*Event) Ref
}

// Ref is what a thin body holds in the place of the data: what the event is
// about, and where the receiver reads it.
type Ref struct{ ID, Type, URL string }

// Bare is no envelope: the body is the data.
func Bare() Envelope { return Envelope{} }

// Standard is the envelope of Standard Webhooks 1.0.0:
// {"type":...,"timestamp":...,"data":...}. The timestamp is the event's.
func Standard() Envelope { return Envelope{kind: standard} }

// CloudEventsBinary is the binary mode of the CloudEvents 1.0.2 HTTP binding:
// the body is the data, and the event's attributes travel in ce-* headers.
// Source is the CloudEvents source, a URI reference that names the host; it
// must not be empty.
func CloudEventsBinary(source string) Envelope { return Envelope{kind: ceBinary, source: source} }

// CloudEventsStructured is the structured mode of the CloudEvents 1.0.2 JSON
// format, application/cloudevents+json. Many frameworks, express among them,
// do not parse this content type unless they are told to.
func CloudEventsStructured(source string) Envelope {
	return Envelope{kind: ceStructured, source: source}
}

// Thin sends a reference and none of the data:
// {"id":...,"type":...,"timestamp":...,"related_object":{"id":...,"type":...,"url":...}}.
// The receiver reads the rest from the host's own API. Ref must be pure and
// safe for concurrent use.
func Thin(ref func(*Event) Ref) Envelope { return Envelope{kind: thin, ref: ref} }

// check reports what is wrong with the options of the envelope.
func (v Envelope) check() string {
	switch v.kind {
	case bare, standard:
	case ceBinary, ceStructured:
		if problem := jsonName(v.source); problem != "" || strings.TrimSpace(v.source) == "" {
			return "CloudEvents need a source, a URI reference in UTF-8"
		}
	case thin:
		if v.ref == nil {
			return "Thin needs a function that gives the reference"
		}
	}
	return ""
}

// attribute refuses an event that lacks what the envelope must carry.
func (v Envelope) attribute(ev *Event) error {
	lacks := func(name string) error {
		return &FieldError{Path: name, Problem: "the envelope needs it", Err: ErrInvalid}
	}
	switch {
	case v.kind == bare:
		return nil
	case strings.TrimSpace(ev.Type) == "":
		return lacks("type")
	case ev.Time.IsZero():
		return lacks("time")
	case v.kind != standard && ev.ID == "":
		return lacks("id")
	}
	return nil
}

// open appends what stands before the data, or all of a thin body.
func (v Envelope) open(dst []byte, ev *Event, replace bool) (Body, []byte, error) {
	body := Body{ContentType: contentJSON, Tail: -1}
	if err := v.attribute(ev); err != nil {
		return body, dst, err
	}
	if v.kind == bare {
		return body, dst, nil
	}
	stamp, fe := appendTime(nil, ev.Time, "")
	if fe != nil {
		return body, dst, fe
	}
	m := members{dst: dst, replace: replace}
	switch v.kind {
	case bare:
	case standard:
		m.raw(`{"type":`).str(ev.Type).raw(`,"timestamp":`).str(string(stamp)).raw(`,"data":`)
	case ceBinary:
		body.Header = ceHeader(ev, v.source, string(stamp))
		m.check(ev.ID, ev.Type)
	case ceStructured:
		body.ContentType = "application/cloudevents+json; charset=UTF-8"
		m.raw(`{"specversion":"1.0","id":`).str(ev.ID).raw(`,"source":`).str(v.source).
			raw(`,"type":`).str(ev.Type).raw(`,"time":`).str(string(stamp)).
			raw(`,"datacontenttype":"application/json","data":`)
	case thin:
		ref := v.ref(ev)
		m.raw(`{"id":`).str(ev.ID).raw(`,"type":`).str(ev.Type).raw(`,"timestamp":`).str(string(stamp)).
			raw(`,"related_object":{"id":`).str(ref.ID).raw(`,"type":`).str(ref.Type).
			raw(`,"url":`).str(ref.URL).raw(`}}`)
		body.Tail = 1
	}
	if m.bad {
		return body, dst, invalid("the event's id, type or reference is not UTF-8")
	}
	return body, m.dst, nil
}

// close appends what stands after the data, and says where parameters go.
func (v Envelope) close(b *Body, dst []byte, start int) []byte {
	if len(dst) > start && dst[start] == '{' {
		b.Tail = 1
	}
	if v.kind == standard || v.kind == ceStructured {
		if b.Tail == 1 {
			b.Tail = 2
		}
		return append(dst, '}')
	}
	return dst
}

// checkParams refuses parameters named like a member of a thin body.
func (v Envelope) checkParams(params []Param) error {
	for i := range params {
		switch params[i].Name {
		case "id", "type", "timestamp", "related_object":
			if params[i].place() == InBody {
				return &FieldError{Path: params[i].Name, Problem: "the envelope already has a member of this name", Err: ErrParam}
			}
		}
	}
	return nil
}

// members writes the parts of an envelope.
type members struct {
	dst     []byte
	replace bool
	bad     bool
}

func (m *members) raw(s string) *members {
	m.dst = append(m.dst, s...)
	return m
}

func (m *members) str(s string) *members {
	var ok bool
	if m.dst, ok = appendJSONString(m.dst, s, m.replace); !ok {
		m.bad = true
	}
	return m
}

func (m *members) check(ss ...string) {
	for _, s := range ss {
		if _, ok := appendJSONString(nil, s, m.replace); !ok {
			m.bad = true
		}
	}
}

// ceHeader are the attributes of an event in binary mode.
func ceHeader(ev *Event, source, stamp string) []Header {
	return []Header{
		{Name: "ce-specversion", Value: "1.0"},
		{Name: "ce-id", Value: cePercent(ev.ID)},
		{Name: "ce-source", Value: cePercent(source)},
		{Name: "ce-type", Value: cePercent(ev.Type)},
		{Name: "ce-time", Value: strings.TrimSpace(stamp)},
	}
}

// cePercent encodes a header value as section 3.1.3.2 of the CloudEvents HTTP
// binding asks: space, quote, percent and what is not printable ASCII.
func cePercent(s string) string {
	const upper = "0123456789ABCDEF"
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '%' || c > '~' {
			b.Write([]byte{'%', upper[c>>4], upper[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
