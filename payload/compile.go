package payload

import (
	"encoding"
	"reflect"
	"slices"
)

// container fills n where t holds other values.
func (c *compiler) container(n *node, t reflect.Type, fl *filter, r rules) {
	if t == reflect.TypeFor[Fields]() {
		n.kind, n.keep = kindFields, fl
		return
	}
	switch t.Kind() {
	case reflect.Interface:
		n.kind, n.keep = kindIface, fl
	case reflect.Pointer:
		c.pointer(n, t, fl, r)
	case reflect.Slice, reflect.Array:
		n.kind = kindList
		n.elem = c.compile(t.Elem(), fl, r.leaf())
		if problem := c.p.list(n); problem != "" && n.elem.kind != kindBad {
			c.fail(n, unsupported(t, problem))
		}
	case reflect.Map:
		c.mapping(n, t, fl, r)
	case reflect.Struct:
		if isNullable(t) {
			n.kind = kindNullable
			n.elem = c.compile(t.Field(0).Type, fl, r)
			return
		}
		c.structure(n, t, fl)
	default:
		c.fail(n, unsupported(t, "kind "+t.Kind().String()+" cannot be encoded"))
	}
}

func (c *compiler) pointer(n *node, t reflect.Type, fl *filter, r rules) {
	n.kind = kindPtr
	if t.Elem().Kind() == reflect.Pointer && t.Elem().Name() != "" {
		c.fail(n, unsupported(t, "is a pointer to a named pointer"))
		return
	}
	n.elem = c.compile(t.Elem(), fl, r)
}

func (c *compiler) mapping(n *node, t reflect.Type, fl *filter, r rules) {
	n.kind, n.keep = kindMap, fl
	if !goodMapKey(t.Key()) {
		c.fail(n, unsupported(t, "map keys must be strings, integers or have a MarshalText method"))
		return
	}
	if !fl.partial() {
		n.elem = c.compile(t.Elem(), nil, r.leaf())
		return
	}
	n.kids = make(map[string]*node, len(fl.kids))
	for name, kid := range fl.kids {
		n.kids[name] = c.compile(t.Elem(), kid.below(), r.leaf())
	}
}

func goodMapKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return ipTypeOf(t) == nil
	default:
		return t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && ipTypeOf(t) == nil
	}
}

// isNullable recognizes sql.NullString and its kin, sql.Null too: a value and
// whether there is one. They are written as the value or as null.
func isNullable(t reflect.Type) bool {
	return t.PkgPath() == "database/sql" && t.NumField() == 2 && t.Field(1).Name == "Valid"
}

func (c *compiler) structure(n *node, t reflect.Type, fl *filter) {
	n.kind = kindStruct
	flat, errs := flatten(t, c.p.format)
	for _, err := range errs {
		c.errs = append(c.errs, at(joinPath(c.path), err))
	}
	if len(flat) == 0 && t.NumField() > 0 && len(errs) == 0 && !hasFields(t) {
		c.fail(n, unsupported(t, "has no exported field and no MarshalText or MarshalJSON method, so nothing of it would be sent"))
		return
	}
	flat = c.unique(t, flat)
	for _, ff := range flat {
		c.field(n, t, ff, fl)
	}
	for _, name := range fl.unknown(flat) {
		c.errs = append(c.errs, &FieldError{
			Type: typeName(t), Path: join(joinPath(c.path), name), Err: ErrUnsupported,
			Problem: "is no field of the type",
		})
	}
}

// hasFields tells whether t has any exported field at all, sent or not.
func hasFields(t reflect.Type) bool {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || embeddedStruct(f) != nil {
			return true
		}
	}
	return false
}

// field adds one field to the struct n, unless its tags or the filter leave it
// out.
func (c *compiler) field(n *node, t reflect.Type, ff flatField, fl *filter) {
	c.path = append(c.path, ff.wire.name)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	kid, kept := fl.kid(ff.wire.name)
	if ff.rules.private {
		if kept && fl.partial() {
			c.errs = append(c.errs, c.fieldError(t, "is private and cannot be chosen"))
		}
		return
	}
	if problem := c.p.names(ff.wire.name); problem != "" {
		c.errs = append(c.errs, c.fieldError(t, problem))
		return
	}
	if !kept {
		if requires(ff, nil) {
			c.errs = append(c.errs, c.fieldError(t, "is required and must not be left out"))
		}
		return
	}
	r := ff.rules.leaf()
	r.quoted = ff.wire.quoted && quotable(ff.typ)
	f := field{name: ff.wire.name, index: ff.index, wire: ff.wire, rules: ff.rules}
	f.first, f.deep = ff.index[0], len(ff.index) > 1
	f.omits = ff.wire.omitEmpty || ff.wire.omitZero
	f.node = c.compile(ff.typ, kid, r)
	c.p.lit(&f)
	n.fields = append(n.fields, f)
}

func (c *compiler) fieldError(t reflect.Type, problem string) error {
	return &FieldError{Type: typeName(t), Path: joinPath(c.path), Problem: problem, Err: ErrUnsupported}
}

// quotable tells whether json:",string" works on t: on plain scalars and
// pointers to them.
func quotable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch scalarKind(t, rules{}) {
	case kindBool, kindInt, kindUint, kindFloat32, kindFloat64, kindString:
		return true
	default:
		return false
	}
}

// requires tells whether leaving ff out would leave out a field that must
// always be there.
func requires(ff flatField, onPath []reflect.Type) bool {
	if ff.rules.required {
		return true
	}
	if ff.typ.Kind() != reflect.Struct || isLeafType(ff.typ) || slices.Contains(onPath, ff.typ) {
		return false
	}
	flat, _ := flatten(ff.typ, formatJSON)
	for _, sub := range flat {
		if !sub.rules.private && requires(sub, append(onPath, ff.typ)) {
			return true
		}
	}
	return false
}

// unique drops what an outer field of the same name hides, as encoding/json
// does, and refuses what no rule decides. A form has no such rule: there each
// name stands once.
func (c *compiler) unique(t reflect.Type, flat []flatField) []flatField {
	best := make(map[string]int, len(flat))
	lost := map[int]bool{}
	for i, ff := range flat {
		j, dup := best[ff.wire.name]
		if !dup {
			best[ff.wire.name] = i
			continue
		}
		winner, loser := j, i
		if len(ff.index) < len(flat[j].index) {
			winner, loser = i, j
		}
		if c.p.format == formatForm || len(ff.index) == len(flat[j].index) {
			c.errs = append(c.errs, &FieldError{
				Type: typeName(t), Path: join(joinPath(c.path), ff.wire.name), Err: ErrUnsupported,
				Problem: "two fields, " + flat[j].goName + " and " + ff.goName + ", have this name on the wire",
			})
		}
		best[ff.wire.name] = winner
		lost[loser] = true
	}
	if len(lost) == 0 {
		return flat
	}
	out := flat[:0:0]
	for i, ff := range flat {
		if !lost[i] {
			out = append(out, ff)
		}
	}
	return out
}
