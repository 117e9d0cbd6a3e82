package payload

import (
	"encoding/base64"
	"reflect"
	"strconv"
)

// transform turns an event into a tree, lets the host's function change it,
// and checks that no required field got lost on the way.
func transform(p *planner, n *node, v reflect.Value, layout string, fn func(Fields) (Fields, error)) (Fields, error) {
	b := treeBuilder{p: p, layout: layout}
	x, err := b.value(n, v, 0)
	if err != nil {
		return nil, err
	}
	in, ok := x.(Fields)
	if !ok {
		return nil, unsupported(v.Type(), "is no object, so it cannot be transformed")
	}
	out, err := fn(in)
	if err != nil {
		return nil, &FieldError{Problem: "the Transform function refuses", Err: ErrInvalid, Cause: err}
	}
	for _, path := range b.required {
		if !present(out, path) {
			return nil, &FieldError{Path: joinPath(path), Problem: "is required, and Transform took it away", Err: ErrInvalid}
		}
	}
	return out, nil
}

// present finds a non-blank value at path.
func present(fs Fields, path []string) bool {
	x, ok := fs.Get(path[0])
	if !ok || x == nil {
		return false
	}
	if len(path) > 1 {
		sub, ok := x.(Fields)
		return ok && present(sub, path[1:])
	}
	s, isText := x.(string)
	return !isText || !blank(s)
}

// treeBuilder turns a value into Fields, []any and leaves.
type treeBuilder struct {
	p        *planner
	layout   string
	path     []string
	lists    int // how many lists and maps stand around the value
	required [][]string
}

func (b *treeBuilder) value(n *node, v reflect.Value, depth int) (any, error) {
	n, v, ok, err := deref(b.p, n, v)
	if err != nil || !ok {
		return nil, err
	}
	if depth > maxNest {
		return nil, tooDeep()
	}
	switch n.kind {
	case kindNullable:
		if !v.Field(1).Bool() {
			return nil, nil
		}
		return b.value(n.elem, v.Field(0), depth)
	case kindStruct:
		return b.structure(n, v, depth)
	case kindMap:
		return b.mapping(n, v, depth)
	case kindFields:
		return b.members(n, v, depth)
	case kindList:
		return b.list(n, v, depth)
	default:
		return b.leaf(n, v)
	}
}

// leaf turns what tags change into text, and keeps any other value itself, so
// that its own methods are asked later.
func (b *treeBuilder) leaf(n *node, v reflect.Value) (any, error) {
	switch {
	case n.kind == kindTime:
		return b.time(n, v)
	case n.kind == kindIP:
		s, fe := ipText(v, n.base, n.rules.ip)
		return s, orNil(fe)
	case n.kind == kindJSONTag:
		return b.p.jsonText(v)
	case n.kind == kindBytes && b.p.format == formatForm:
		return base64.StdEncoding.EncodeToString(bytesOf(v)), nil
	case n.rules.quoted:
		return quotedText(n, v)
	case n.ptr:
		return methodsOf(n, v), nil
	}
	return v.Interface(), nil
}

func quotedText(n *node, v reflect.Value) (any, error) {
	w := jsonWriter{e: &jsonEncoder{replace: true, maxBody: maxBodyLimit}, limit: maxBodyLimit}
	plain := *n
	plain.rules.quoted = false
	text, err := w.value(nil, &plain, v, 0)
	return string(text), err
}

func (b *treeBuilder) time(n *node, v reflect.Value) (any, error) {
	layout := n.layout(b.layout)
	text, fe := appendTime(nil, timeOf(v), layout)
	if fe != nil {
		return nil, fe
	}
	if numericLayout(layout) {
		return strconv.ParseInt(string(text), 10, 64)
	}
	return string(text), nil
}

func (b *treeBuilder) structure(n *node, v reflect.Value, depth int) (any, error) {
	out := make(Fields, 0, len(n.fields))
	for i := range n.fields {
		f := &n.fields[i]
		fv, ok := f.get(v)
		if !ok || f.absent(fv) || b.p.format == formatForm && f.absentForm(fv) {
			continue
		}
		b.path = append(b.path, f.name)
		x, err := b.value(f.node, fv, depth+1)
		if err != nil {
			return nil, at(f.name, err)
		}
		if f.rules.required && b.lists == 0 {
			b.required = append(b.required, append([]string(nil), b.path...))
		}
		b.path = b.path[:len(b.path)-1]
		out = append(out, Field{Name: f.name, Value: x})
	}
	return out, nil
}

func (b *treeBuilder) mapping(n *node, v reflect.Value, depth int) (any, error) {
	entries, err := sortedEntries(v)
	if err != nil {
		return nil, err
	}
	b.lists++
	defer func() { b.lists-- }()
	out := make(Fields, 0, len(entries))
	for _, en := range entries {
		elem, kept := n.entry(en.key)
		if !kept {
			continue
		}
		x, err := b.value(elem, en.value, depth+1)
		if err != nil {
			return nil, at(en.key, err)
		}
		out = append(out, Field{Name: en.key, Value: x})
	}
	return out, nil
}

func (b *treeBuilder) members(n *node, v reflect.Value, depth int) (any, error) {
	fs, ok := reflect.TypeAssert[Fields](v)
	if !ok {
		return nil, unsupported(v.Type(), "is no Fields")
	}
	b.lists++
	defer func() { b.lists-- }()
	out := make(Fields, 0, len(fs))
	for i := range fs {
		kid, kept := n.keep.kid(fs[i].Name)
		if !kept {
			continue
		}
		if fs[i].Value == nil {
			out = append(out, fs[i])
			continue
		}
		fv := reflect.ValueOf(fs[i].Value)
		pl := b.p.of(fv.Type(), kid)
		if pl.err != nil {
			return nil, at(fs[i].Name, pl.err)
		}
		x, err := b.value(pl.root, fv, depth+1)
		if err != nil {
			return nil, at(fs[i].Name, err)
		}
		out = append(out, Field{Name: fs[i].Name, Value: x})
	}
	return out, nil
}

func (b *treeBuilder) list(n *node, v reflect.Value, depth int) (any, error) {
	b.lists++
	defer func() { b.lists-- }()
	out := make([]any, 0, v.Len())
	for i := range v.Len() {
		x, err := b.value(n.elem, v.Index(i), depth+1)
		if err != nil {
			return nil, at(strconv.Itoa(i), err)
		}
		out = append(out, x)
	}
	return out, nil
}
