package payload

import (
	"reflect"
	"slices"
	"strconv"
	"time"
)

const (
	schemaDialect = "https://json-schema.org/draft/2020-12/schema"
	jsonNull      = "null"
)

// Schema returns the JSON Schema (draft 2020-12) of the bodies that e sends for
// the event type called name, envelope included, with the sample as its
// example. Nil stands for JSON(JSONOptions{}). A member that may be null says
// so, one that is always sent is required, and additional members are allowed.
// The schema of a form describes its pairs under their flat names, as
// "contact[email]", each a string.
//
// It returns ErrInvalid for an unknown name, and ErrUnsupported for an encoder
// that is not of this package, and for the adapter FromFormEncoder, which
// cannot be asked.
func (c *Catalog) Schema(e Encoder, name string) ([]byte, error) {
	ent, ok := c.entry(name)
	if !ok {
		return nil, &FieldError{Path: name, Problem: "is not in the catalog", Err: ErrInvalid}
	}
	b := schemaBuilder{refs: "#/$defs/", defs: map[*node]string{}}
	body, err := b.event(e, name, ent)
	if err != nil {
		return nil, at(name, err)
	}
	out := append(Fields{{Name: "$schema", Value: schemaDialect}, {Name: "title", Value: name}}, body...)
	if len(b.done) > 0 {
		out = append(out, Field{Name: "$defs", Value: b.done})
	}
	return encodeDocument(out)
}

// encodeDocument writes a schema or an OpenAPI document.
func encodeDocument(doc Fields) ([]byte, error) {
	body, err := JSON(JSONOptions{MaxBody: maxBodyLimit}).Encode(nil, &Event{Data: doc})
	return body.Data, err
}

// schemaBuilder turns plans into schemas. Types that hold themselves become
// definitions.
type schemaBuilder struct {
	refs   string
	layout string // of times whose field has none
	defs   map[*node]string
	done   Fields
	onPath []*node
}

// event is the schema of the body of one event type.
func (b *schemaBuilder) event(e Encoder, name string, ent catalogEntry) (Fields, error) {
	if e == nil {
		e = JSON(JSONOptions{})
	}
	if err := e.Check(ent.typ); err != nil {
		return nil, err
	}
	var (
		s   Fields
		err error
	)
	switch enc := e.(type) {
	case *jsonEncoder:
		s, err = b.jsonEvent(enc, name, ent)
	case *formEncoder:
		s, err = b.formEvent(enc, ent)
	case *jsonField:
		s, err = b.fieldEvent(enc, name, ent)
	default:
		return nil, unsupported(ent.typ, "this encoder cannot describe its bodies")
	}
	if err != nil {
		return nil, err
	}
	if ent.doc != "" {
		s = append(Fields{{Name: "description", Value: ent.doc}}, s...)
	}
	return s, nil
}

func (b *schemaBuilder) jsonEvent(e *jsonEncoder, name string, ent catalogEntry) (Fields, error) {
	if e.options.Marshal != nil || e.options.Transform != nil {
		return nil, unsupported(ent.typ, "what Marshal or Transform make of it is not known here")
	}
	b.layout = e.timeLayout
	data := b.node(e.plan.rootOf(ent.typ).root)
	s := e.envelope.schema(name, data)
	sample, err := e.Encode(nil, sampleEvent(name, ent))
	if err != nil {
		return nil, err
	}
	return append(s, Field{Name: "examples", Value: []any{rawJSON(sample.Data)}}), nil
}

// sampleEvent is the event that examples show.
func sampleEvent(name string, ent catalogEntry) *Event {
	return &Event{
		ID: "msg_sample", Type: name, Source: "system",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: ent.sample,
	}
}

// fieldEvent is the schema of a form that holds JSON in one field.
func (b *schemaBuilder) fieldEvent(e *jsonField, name string, ent catalogEntry) (Fields, error) {
	inner, err := b.jsonEvent(e.json, name, ent)
	if err != nil {
		return nil, err
	}
	inner = inner[:len(inner)-1] // the example stands outside
	sample, err := e.json.Encode(nil, sampleEvent(name, ent))
	if err != nil {
		return nil, err
	}
	field := Fields{
		{Name: "type", Value: "string"},
		{Name: "contentMediaType", Value: contentJSON},
		{Name: "contentSchema", Value: inner},
	}
	example := Fields{{Name: e.name, Value: string(sample.Data)}}
	return append(object(Fields{{Name: e.name, Value: field}}, []string{e.name}),
		Field{Name: "examples", Value: []any{example}}), nil
}

func typed(name string) Fields { return Fields{{Name: "type", Value: name}} }

// object is the schema of an object.
func object(properties Fields, required []string) Fields {
	s := append(typed("object"), Field{Name: "properties", Value: properties})
	if len(required) > 0 {
		s = append(s, Field{Name: "required", Value: required})
	}
	return s
}

// schema is the schema of an envelope around data.
func (v Envelope) schema(name string, data Fields) Fields {
	text, stamp := typed("string"), append(typed("string"), Field{Name: "format", Value: "date-time"})
	typ := append(typed("string"), Field{Name: "const", Value: name})
	switch v.kind {
	case bare, ceBinary:
	case standard:
		return object(Fields{{"type", typ}, {"timestamp", stamp}, {"data", data}}, []string{"type", "timestamp", "data"})
	case ceStructured:
		version := append(typed("string"), Field{Name: "const", Value: "1.0"})
		return object(Fields{
			{"specversion", version},
			{"id", text},
			{"source", text},
			{"type", typ},
			{"time", stamp},
			{"datacontenttype", text},
			{"data", data},
		}, []string{"specversion", "id", "source", "type", "time", "datacontenttype", "data"})
	case thin:
		ref := object(Fields{{"id", text}, {"type", text}, {"url", text}}, []string{"id", "type", "url"})
		return object(Fields{{"id", text}, {"type", typ}, {"timestamp", stamp}, {"related_object", ref}},
			[]string{"id", "type", "timestamp", "related_object"})
	}
	return data
}

// node is the schema of a value in JSON.
func (b *schemaBuilder) node(n *node) Fields {
	switch n.kind {
	case kindPtr, kindNullable:
		return nullable(b.node(n.elem))
	case kindStruct:
		return b.structure(n)
	case kindList:
		s := append(typed("array"), Field{Name: "items", Value: b.node(n.elem)})
		if n.typ.Kind() == reflect.Array {
			s = append(s, Field{Name: "minItems", Value: n.typ.Len()}, Field{Name: "maxItems", Value: n.typ.Len()})
		}
		return s
	case kindMap:
		if n.elem == nil {
			return typed("object")
		}
		return append(typed("object"), Field{Name: "additionalProperties", Value: b.node(n.elem)})
	case kindFields:
		return typed("object")
	default:
		return scalarSchema(n, b.layout)
	}
}

// scalarSchema is the schema of a leaf in JSON. The empty schema allows
// anything: nobody knows what a MarshalJSON method gives. Layout is that of
// times whose field has none.
func scalarSchema(n *node, layout string) Fields {
	if n.rules.quoted {
		return typed("string")
	}
	switch n.kind {
	case kindBool:
		return typed("boolean")
	case kindInt:
		return typed("integer")
	case kindUint:
		return append(typed("integer"), Field{Name: "minimum", Value: 0})
	case kindFloat32, kindFloat64, kindNumber:
		return typed("number")
	case kindString, kindText, kindIP:
		return typed("string")
	case kindBytes:
		return append(typed("string"), Field{Name: "contentEncoding", Value: "base64"})
	case kindTime:
		return timeSchema(n.layout(layout))
	default:
		return Fields{}
	}
}

// layout is the layout of a time: its field's, else the encoder's.
func (n *node) layout(encoder string) string {
	if n.rules.layout != "" {
		return n.rules.layout
	}
	return encoder
}

func timeSchema(layout string) Fields {
	switch {
	case numericLayout(layout):
		return typed("integer")
	case layout == "" || layout == time.RFC3339 || layout == time.RFC3339Nano:
		return append(typed("string"), Field{Name: "format", Value: "date-time"})
	case layout == time.DateOnly:
		return append(typed("string"), Field{Name: "format", Value: "date"})
	default:
		return typed("string")
	}
}

// nullable allows null besides what s allows.
func nullable(s Fields) Fields {
	if len(s) == 0 {
		return s // allows everything
	}
	if t, ok := s[0].Value.(string); ok && s[0].Name == "type" {
		out := append(Fields{{Name: "type", Value: []string{t, jsonNull}}}, s[1:]...)
		return out
	}
	if _, ok := s[0].Value.([]string); ok && s[0].Name == "type" {
		return s
	}
	return Fields{{Name: "anyOf", Value: []any{s, typed(jsonNull)}}}
}

func (b *schemaBuilder) structure(n *node) Fields {
	if name, ok := b.defs[n]; ok {
		return Fields{{Name: "$ref", Value: b.refs + name}}
	}
	if slices.Contains(b.onPath, n) {
		name := b.defName(n.typ)
		b.defs[n] = name
		return Fields{{Name: "$ref", Value: b.refs + name}}
	}
	b.onPath = append(b.onPath, n)
	properties := make(Fields, 0, len(n.fields))
	var required []string
	for i := range n.fields {
		f := &n.fields[i]
		properties = append(properties, Field{Name: f.name, Value: b.field(f)})
		if f.always(n.typ) {
			required = append(required, f.name)
		}
	}
	b.onPath = b.onPath[:len(b.onPath)-1]
	s := object(properties, required)
	name, recursive := b.defs[n]
	if !recursive {
		return s
	}
	b.done = append(b.done, Field{Name: name, Value: s})
	return Fields{{Name: "$ref", Value: b.refs + name}}
}

// defName is a name for t that no other definition has.
func (b *schemaBuilder) defName(t reflect.Type) string {
	base := t.Name()
	if base == "" {
		base = "object"
	}
	taken := map[string]bool{}
	for _, name := range b.defs {
		taken[name] = true
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	return name
}

// always tells whether the member is in every body.
func (f *field) always(t reflect.Type) bool {
	if f.rules.required {
		return true
	}
	if f.wire.omitEmpty || f.wire.omitZero {
		return false
	}
	for i := 1; i < len(f.index); i++ {
		if t.FieldByIndex(f.index[:i]).Type.Kind() == reflect.Pointer {
			return false
		}
	}
	return true
}

// field is the schema of a member: one that is left out, or required, when it
// is nil is never null, and a required one is not empty.
func (b *schemaBuilder) field(f *field) Fields {
	n := f.sent()
	s := b.node(n)
	if !f.rules.required {
		return s
	}
	switch n.kind {
	case kindString:
		return append(s, Field{Name: "minLength", Value: 1})
	case kindList:
		return append(s, Field{Name: "minItems", Value: 1})
	case kindMap, kindFields:
		return append(s, Field{Name: "minProperties", Value: 1})
	default:
		return s
	}
}
