package payload

import (
	"reflect"
	"strconv"
)

// jsonWriter writes one body. limit is the length of dst that it must not
// pass.
type jsonWriter struct {
	e     *jsonEncoder
	limit int
}

// value appends v by the plan n.
func (w *jsonWriter) value(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if len(dst) > w.limit {
		return dst, w.e.tooLarge()
	}
	switch n.kind {
	case kindString:
		return w.text(dst, v.String(), n)
	case kindPtr, kindIface:
		return w.indirect(dst, n, v, depth)
	case kindStruct:
		return w.structure(dst, n, v, depth)
	case kindList:
		return w.list(dst, n, v, depth)
	case kindMap:
		return w.mapping(dst, n, v, depth)
	case kindFields:
		return w.members(dst, n, v, depth)
	case kindNullable:
		if !v.Field(1).Bool() {
			return append(dst, "null"...), nil
		}
		return w.value(dst, n.elem, v.Field(0), depth)
	default:
		return w.leaf(dst, n, v)
	}
}

// indirect follows pointers and interfaces to the value behind them.
func (w *jsonWriter) indirect(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	n, v, ok, err := deref(w.e.plan, n, v)
	if err != nil {
		return dst, err
	}
	if !ok {
		return append(dst, "null"...), nil
	}
	return w.value(dst, n, v, depth)
}

// deref follows pointers and interfaces; false when it meets a nil.
func deref(p *planner, n *node, v reflect.Value) (*node, reflect.Value, bool, error) {
	for hops := 0; n.kind == kindPtr || n.kind == kindIface; hops++ {
		if v.IsNil() {
			return n, v, false, nil
		}
		if hops > maxNest {
			return n, v, false, invalid("is cyclic")
		}
		v = v.Elem()
		if n.kind == kindPtr {
			n = n.elem
			continue
		}
		pl := p.of(v.Type(), n.keep)
		if pl.err != nil {
			return n, v, false, pl.err
		}
		n = pl.root
	}
	return n, v, true, nil
}

func tooDeep() error {
	return invalid("is cyclic, or nested deeper than " + strconv.Itoa(maxNest) + " levels")
}

func (w *jsonWriter) structure(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if depth >= maxNest {
		return dst, tooDeep()
	}
	dst = append(dst, '{')
	first := len(dst)
	for i := range n.fields {
		f := &n.fields[i]
		fv, ok := f.get(v)
		if !ok || f.omits && f.absent(fv) {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(dst, f.lit...)
		var err error
		if dst, err = w.value(dst, f.node, fv, depth+1); err != nil {
			return dst, at(f.name, err)
		}
	}
	return append(dst, '}'), nil
}

func (w *jsonWriter) list(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if depth >= maxNest {
		return dst, tooDeep()
	}
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = w.value(dst, n.elem, v.Index(i), depth+1); err != nil {
			return dst, at(strconv.Itoa(i), err)
		}
	}
	return append(dst, ']'), nil
}

func (w *jsonWriter) mapping(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if depth >= maxNest {
		return dst, tooDeep()
	}
	entries, err := sortedEntries(v)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	first := len(dst)
	for _, en := range entries {
		elem, kept := n.entry(en.key)
		if !kept {
			continue
		}
		if dst, err = w.key(dst, en.key, first); err != nil {
			return dst, err
		}
		if dst, err = w.value(dst, elem, en.value, depth+1); err != nil {
			return dst, at(en.key, err)
		}
	}
	return append(dst, '}'), nil
}

// entry is the plan of the map entry called key, and whether it is kept.
func (n *node) entry(key string) (*node, bool) {
	if !n.keep.partial() {
		return n.elem, true
	}
	k, ok := n.kids[key]
	return k, ok
}

// key appends the comma, where one is due, the quoted name and the colon.
func (w *jsonWriter) key(dst []byte, name string, first int) ([]byte, error) {
	if len(dst) > first {
		dst = append(dst, ',')
	}
	dst, ok := appendJSONString(dst, name, w.e.replace)
	if !ok {
		return dst, invalid("a name is not UTF-8")
	}
	return append(dst, ':'), nil
}

func (w *jsonWriter) members(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if depth >= maxNest {
		return dst, tooDeep()
	}
	fs, ok := reflect.TypeAssert[Fields](v)
	if !ok {
		return dst, unsupported(v.Type(), "is no Fields")
	}
	if err := checkUnique(fs); err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	first := len(dst)
	for i := range fs {
		kid, kept := n.keep.kid(fs[i].Name)
		if !kept {
			continue
		}
		var err error
		if dst, err = w.key(dst, fs[i].Name, first); err != nil {
			return dst, err
		}
		if dst, err = w.dynamic(dst, fs[i].Value, kid, depth+1); err != nil {
			return dst, at(fs[i].Name, err)
		}
	}
	return append(dst, '}'), nil
}

// dynamic appends a value whose type only the value tells.
func (w *jsonWriter) dynamic(dst []byte, x any, fl *filter, depth int) ([]byte, error) {
	if x == nil {
		return append(dst, "null"...), nil
	}
	v := reflect.ValueOf(x)
	pl := w.e.plan.of(v.Type(), fl)
	if pl.err != nil {
		return dst, pl.err
	}
	return w.value(dst, pl.root, v, depth)
}
