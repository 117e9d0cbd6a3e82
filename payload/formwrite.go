package payload

import (
	"reflect"
	"strconv"
)

// formWriter writes one form. key is the escaped key of the value at hand.
type formWriter struct {
	e       *formEncoder
	key     []byte
	scratch []byte
	base    int
	limit   int
	pairs   int
}

// root appends the object that the event is.
func (w *formWriter) root(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	n, v, ok, err := deref(w.e.plan, n, v)
	if err != nil {
		return dst, err
	}
	if !ok {
		return dst, invalid("the event is nil")
	}
	switch n.kind {
	case kindStruct, kindMap, kindFields:
		return w.value(dst, n, v, 0)
	default:
		return dst, unsupported(v.Type(), "is no object, so it has no names for a form")
	}
}

// value appends the pairs of v under the key at hand. Depth counts the parts
// of the key behind its first.
func (w *formWriter) value(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	switch n.kind {
	case kindString:
		return w.pair(dst, v.String())
	case kindPtr, kindIface:
		n, v, ok, err := deref(w.e.plan, n, v)
		if err != nil {
			return dst, err
		}
		if !ok {
			return w.null(dst)
		}
		return w.value(dst, n, v, depth)
	case kindNullable:
		if !v.Field(1).Bool() {
			return w.null(dst)
		}
		return w.value(dst, n.elem, v.Field(0), depth)
	case kindStruct, kindMap, kindFields, kindList:
		return w.container(dst, n, v, depth)
	case kindCustom:
		return w.custom(dst, n, v, depth)
	default:
		return w.scalar(dst, n, v)
	}
}

// container appends a value that holds others.
func (w *formWriter) container(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	switch n.kind {
	case kindStruct:
		return w.structure(dst, n, v, depth)
	case kindMap:
		return w.mapping(dst, n, v, depth)
	case kindFields:
		return w.members(dst, n, v, depth)
	default:
		return w.list(dst, n, v, depth)
	}
}

// scalar appends the pair of a value that holds no others.
func (w *formWriter) scalar(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	text, err := w.scalarText(n, v)
	if err != nil {
		return dst, err
	}
	if text == nil {
		return w.null(dst)
	}
	return w.pairBytes(dst, text)
}

func (w *formWriter) null(dst []byte) ([]byte, error) {
	if w.e.o.Nulls == NullEmpty && len(w.key) > 0 {
		return w.pair(dst, "")
	}
	return dst, nil
}

// open appends the separator, the key and the equals sign.
func (w *formWriter) open(dst []byte) ([]byte, error) {
	if w.pairs++; w.pairs > w.e.pairs || len(dst) > w.limit {
		return dst, w.tooMuch()
	}
	if len(dst) > w.base {
		dst = append(dst, '&')
	}
	dst = append(dst, w.key...)
	return append(dst, '='), nil
}

func (w *formWriter) tooMuch() error {
	if w.pairs <= w.e.pairs {
		return w.e.tooLarge()
	}
	return &FieldError{
		Problem: "more than " + strconv.Itoa(w.e.pairs) + " pairs: receivers cut a form silently at 1000",
		Err:     ErrTooLarge,
	}
}

func (w *formWriter) pair(dst []byte, s string) ([]byte, error) {
	dst, err := w.open(dst)
	if err != nil {
		return dst, err
	}
	return w.text(dst, s)
}

// text appends the escaped value of a pair.
func (w *formWriter) text(dst []byte, s string) ([]byte, error) {
	dst, ok := appendChecked(dst, s, w.e.space)
	if ok {
		return dst, nil
	}
	if !w.e.replace {
		return dst, invalid("a string is not UTF-8")
	}
	return appendEscaped(dst, replaceUTF8(s), w.e.space), nil
}

// replaceUTF8 puts U+FFFD in the place of each byte that is not UTF-8.
func replaceUTF8(s string) string {
	return string([]rune(s))
}

func (w *formWriter) pairBytes(dst, text []byte) ([]byte, error) {
	if !validUTF8(text) {
		return w.pair(dst, string(text))
	}
	dst, err := w.open(dst)
	if err != nil {
		return dst, err
	}
	return appendEscaped(dst, text, w.e.space), nil
}

func (w *formWriter) structure(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	mark := len(w.key)
	if mark > 0 {
		depth++
	}
	for i := range n.fields {
		f := &n.fields[i]
		var (
			fv  reflect.Value
			err error
		)
		if !f.deep {
			fv = v.Field(f.first)
		} else if deep, ok := f.get(v); ok {
			fv = deep
		} else {
			continue
		}
		if mark == 0 && f.node.kind == kindString && !f.wire.omitZero {
			dst, err = w.topString(dst, f, fv.String())
		} else if !f.omits || !f.absentForm(fv) {
			dst, err = w.member(dst, f, fv, depth+f.parts)
			w.key = w.key[:mark]
		}
		if err != nil {
			return dst, at(f.name, err)
		}
	}
	return dst, nil
}

// topString appends a string field of the event itself: the commonest of all,
// and so without the detour over the key at hand.
func (w *formWriter) topString(dst []byte, f *field, s string) ([]byte, error) {
	if s == "" && f.omits {
		return dst, nil
	}
	if w.pairs++; w.pairs > w.e.pairs || len(dst) > w.limit {
		return dst, w.tooMuch()
	}
	open := f.open
	if len(dst) == w.base {
		open = open[1:] // no separator before the first
	}
	return w.text(append(dst, open...), s)
}

// member appends a field under its name; the caller restores the key.
func (w *formWriter) member(dst []byte, f *field, v reflect.Value, depth int) ([]byte, error) {
	if depth > w.e.depth {
		return dst, w.tooDeep()
	}
	if len(w.key) == 0 {
		w.key = append(w.key, f.lit...)
	} else {
		w.key = append(w.key, f.sub...)
	}
	return w.value(dst, f.node, v, depth)
}

func (w *formWriter) tooDeep() error {
	return invalid("is cyclic, or its key has more than " + strconv.Itoa(w.e.depth) + " bracketed parts")
}

// absentForm is absent by form/v4's idea of an empty value, which takes zero
// structs in: a zero time is left out by omitempty.
func (f *field) absentForm(v reflect.Value) bool {
	return f.absent(v) || f.wire.omitEmpty && v.Kind() == reflect.Struct && v.IsZero()
}

// enter puts one part behind the key at hand; the caller restores the key.
func (w *formWriter) enter(name string, depth int) (int, error) {
	first := len(w.key) == 0
	if problem := w.e.checkSegment(name, first); problem != "" {
		return depth, invalid(problem)
	}
	w.key = w.e.segment(w.key, name, first)
	if !first {
		depth++
	}
	if depth > w.e.depth {
		return depth, w.tooDeep()
	}
	return depth, nil
}

func (w *formWriter) mapping(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	entries, err := sortedEntries(v)
	if err != nil {
		return dst, err
	}
	mark := len(w.key)
	for _, en := range entries {
		elem, kept := n.entry(en.key)
		if !kept {
			continue
		}
		down, err := w.enter(en.key, depth)
		if err == nil {
			dst, err = w.value(dst, elem, en.value, down)
		}
		w.key = w.key[:mark]
		if err != nil {
			return dst, at(en.key, err)
		}
	}
	return dst, nil
}

func (w *formWriter) members(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	fs, ok := reflect.TypeAssert[Fields](v)
	if !ok {
		return dst, unsupported(v.Type(), "is no Fields")
	}
	if err := checkUnique(fs); err != nil {
		return dst, err
	}
	mark := len(w.key)
	for i := range fs {
		kid, kept := n.keep.kid(fs[i].Name)
		if !kept {
			continue
		}
		down, err := w.enter(fs[i].Name, depth)
		if err == nil {
			dst, err = w.dynamic(dst, fs[i].Value, kid, down)
		}
		w.key = w.key[:mark]
		if err != nil {
			return dst, at(fs[i].Name, err)
		}
	}
	return dst, nil
}

// dynamic appends a value whose type only the value tells.
func (w *formWriter) dynamic(dst []byte, x any, fl *filter, depth int) ([]byte, error) {
	if x == nil {
		return w.null(dst)
	}
	v := reflect.ValueOf(x)
	pl := w.e.plan.of(v.Type(), fl)
	if pl.err != nil {
		return dst, pl.err
	}
	return w.value(dst, pl.root, v, depth)
}
