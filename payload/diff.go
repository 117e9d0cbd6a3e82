package payload

import (
	"slices"
	"strconv"
	"strings"
)

// Snapshot is what receivers can rely on in the bodies of a catalog. A host
// stores it, as JSON, with each release, and compares the next one by Diff.
type Snapshot []EventShape

// EventShape is one event type of a Snapshot.
type EventShape struct {
	Name   string       `json:"name"`
	Fields []FieldShape `json:"fields"`
}

// FieldShape is one field of an EventShape. The elements of a list stand under
// "[]", those of a map under "*".
type FieldShape struct {
	Path string `json:"path"`
	// Type is a type of JSON Schema, with its format where it has one; "any"
	// where nobody can tell.
	Type string `json:"type"`
	// Optional tells that the field may be missing from a body.
	Optional bool `json:"optional,omitempty"`
	// Nullable tells that the field may be null, or left out of a form for it.
	Nullable bool `json:"nullable,omitempty"`
}

// Snapshot returns the shape of every event type of c as e sends its data,
// without the envelope. Nil stands for JSON(JSONOptions{}). Its errors are
// those of Schema.
func (c *Catalog) Snapshot(e Encoder) (Snapshot, error) {
	if e == nil {
		e = JSON(JSONOptions{})
	}
	var out Snapshot
	for _, name := range c.Names() {
		ent, _ := c.entry(name)
		if err := e.Check(ent.typ); err != nil {
			return nil, at(name, err)
		}
		p, layout := planOf(e)
		if p == nil {
			return nil, unsupported(ent.typ, "this encoder cannot describe its bodies")
		}
		w := shapeWalk{layout: layout}
		w.node(p.rootOf(ent.typ).root, "", false, nil)
		out = append(out, EventShape{Name: name, Fields: w.fields})
	}
	return out, nil
}

// planOf gives the planner of our own encoders and their layout of times; nil
// for all others.
func planOf(e Encoder) (*planner, string) {
	switch enc := e.(type) {
	case *jsonEncoder:
		return enc.plan, enc.timeLayout
	case *formEncoder:
		return enc.plan, enc.o.TimeLayout
	case *jsonField:
		return enc.json.plan, enc.json.timeLayout
	default:
		return nil, ""
	}
}

// shapeWalk flattens a plan into fields.
type shapeWalk struct {
	layout string
	fields []FieldShape
}

// node adds what stands at path; optional tells that it may be missing.
func (w *shapeWalk) node(n *node, path string, optional bool, onPath []*node) {
	null := path != "" && (n.kind == kindPtr || n.kind == kindNullable)
	n = behind(n)
	if path != "" {
		w.fields = append(w.fields, FieldShape{Path: path, Type: shapeType(n, w.layout), Optional: optional, Nullable: null})
	}
	switch {
	case n.kind == kindStruct && !slices.Contains(onPath, n):
		for i := range n.fields {
			f := &n.fields[i]
			w.node(f.sent(), join(path, f.name), !f.always(n.typ), append(onPath, n))
		}
	case n.kind == kindList:
		w.node(n.elem, join(path, "[]"), false, onPath)
	case n.kind == kindMap && n.elem != nil:
		w.node(n.elem, join(path, "*"), false, onPath)
	}
}

// sent is the node of the values that a field sends: a pointer that is left
// out, or refused, when it is nil is never null.
func (f *field) sent() *node {
	if f.node.kind == kindPtr && (f.rules.required || f.wire.omitEmpty || f.wire.omitZero) {
		return f.node.elem
	}
	return f.node
}

// shapeType names the type of a node.
func shapeType(n *node, layout string) string {
	switch n.kind {
	case kindStruct, kindMap, kindFields:
		return "object"
	case kindList:
		return "array"
	default:
	}
	typ, format := "any", ""
	for _, f := range scalarSchema(n, layout) {
		s, ok := f.Value.(string)
		switch {
		case !ok:
		case f.Name == "type":
			typ = s
		case f.Name == "format" || f.Name == "contentEncoding":
			format = " (" + s + ")"
		}
	}
	if n.kind == kindTime && format == "" {
		format = " (" + n.layout(layout) + ")"
	}
	return typ + format
}

// ChangeKind says what happened to an event type or a field.
type ChangeKind uint8

// The kinds of a Change.
const (
	// EventRemoved is an event type that is no longer sent.
	EventRemoved ChangeKind = iota + 1
	// EventAdded is a new event type.
	EventAdded
	// FieldRemoved is a field that is no longer sent.
	FieldRemoved
	// FieldAdded is a new field.
	FieldAdded
	// TypeChanged is a field that has another type.
	TypeChanged
	// BecameOptional is a field that was always there, and may be missing or
	// null now.
	BecameOptional
	// BecameRequired is a field that could be missing or null, and is always
	// there now.
	BecameRequired
)

// String returns the kind's name.
func (k ChangeKind) String() string {
	return enumName("ChangeKind", uint8(k), "event removed", "event added", "field removed", "field added",
		"type changed", "became optional", "became required")
}

// Change is one difference between two snapshots.
type Change struct {
	Kind  ChangeKind
	Event string
	Path  string // of the field; empty for an event type
	// Old and New are the types of the field, where there is one.
	Old, New string
}

// Breaking tells whether a receiver that relied on the old snapshot may fail.
func (c Change) Breaking() bool {
	switch c.Kind {
	case EventRemoved, FieldRemoved, TypeChanged, BecameOptional:
		return true
	case EventAdded, FieldAdded, BecameRequired:
		return false
	}
	return true
}

// String describes the change in one line.
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(c.Event)
	if c.Path != "" {
		b.WriteString(" " + strconv.Quote(c.Path))
	}
	b.WriteString(": " + c.Kind.String())
	if c.Kind == TypeChanged {
		b.WriteString(" from " + c.Old + " to " + c.New)
	}
	return b.String()
}

// Diff lists what changed from before to after: what was removed or changed in
// the order of before, then what was added in the order of after.
func Diff(before, after Snapshot) []Change {
	var out []Change
	for _, ev := range before {
		now := after.event(ev.Name)
		if now == nil {
			out = append(out, Change{Kind: EventRemoved, Event: ev.Name})
			continue
		}
		out = append(out, diffEvent(ev, *now)...)
	}
	for _, ev := range after {
		if before.event(ev.Name) == nil {
			out = append(out, Change{Kind: EventAdded, Event: ev.Name})
		}
	}
	return out
}

func (s Snapshot) event(name string) *EventShape {
	for i := range s {
		if s[i].Name == name {
			return &s[i]
		}
	}
	return nil
}

func (e EventShape) field(path string) *FieldShape {
	for i := range e.Fields {
		if e.Fields[i].Path == path {
			return &e.Fields[i]
		}
	}
	return nil
}

func diffEvent(before, after EventShape) []Change {
	var out []Change
	for _, f := range before.Fields {
		change := Change{Event: before.Name, Path: f.Path, Old: f.Type}
		now := after.field(f.Path)
		if now == nil {
			change.Kind = FieldRemoved
			out = append(out, change)
			continue
		}
		change.New = now.Type
		if change.Kind = f.compare(*now); change.Kind != 0 {
			out = append(out, change)
		}
	}
	for _, f := range after.Fields {
		if before.field(f.Path) == nil {
			out = append(out, Change{Kind: FieldAdded, Event: after.Name, Path: f.Path, New: f.Type})
		}
	}
	return out
}

// compare says how f became now; zero when nothing changed.
func (f FieldShape) compare(now FieldShape) ChangeKind {
	switch {
	case f.Type != now.Type:
		return TypeChanged
	case now.Optional && !f.Optional, now.Nullable && !f.Nullable:
		return BecameOptional
	case (f.Optional || f.Nullable) && !now.Optional && !now.Nullable:
		return BecameRequired
	}
	return 0
}
