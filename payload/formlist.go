package payload

import (
	"bytes"
	"reflect"
	"strconv"
)

func (w *formWriter) list(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if len(w.key) == 0 {
		return dst, unsupported(v.Type(), "is a list, so it has no names for a form")
	}
	if w.e.lists == ListComma {
		return w.comma(dst, n, v)
	}
	mark := len(w.key)
	for i := range v.Len() {
		elem, ev, ok, err := deref(w.e.plan, n.elem, v.Index(i))
		if err != nil {
			return dst, at(strconv.Itoa(i), err)
		}
		if !ok && w.e.o.Nulls != NullEmpty {
			continue
		}
		w.element(i)
		switch {
		case !ok:
			dst, err = w.null(dst)
		case depth+1 > w.e.depth:
			err = w.tooDeep()
		default:
			dst, err = w.item(dst, elem, ev, depth+1)
		}
		w.key = w.key[:mark]
		if err != nil {
			return dst, at(strconv.Itoa(i), err)
		}
	}
	return dst, nil
}

// item appends one element, after looking again at what a dynamic type hid
// from the plan.
func (w *formWriter) item(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	if problem := w.e.checkList(&node{elem: n}); problem != "" {
		return dst, unsupported(n.typ, problem)
	}
	return w.value(dst, n, v, depth)
}

// element appends what the list style puts behind the key.
func (w *formWriter) element(i int) {
	switch w.e.lists {
	case ListBrackets:
		w.key = append(w.key, "%5B%5D"...)
	case ListIndex:
		if w.e.o.Keys == KeyDots {
			w.key = strconv.AppendInt(append(w.key, '.'), int64(i), 10)
			return
		}
		w.key = append(w.key, "%5B"...)
		w.key = strconv.AppendInt(w.key, int64(i), 10)
		w.key = append(w.key, "%5D"...)
	case ListRepeat, ListComma:
	}
}

// comma appends a list as one joined value.
func (w *formWriter) comma(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	if v.Len() == 0 {
		return dst, nil
	}
	var all []byte
	for i := range v.Len() {
		elem, ev, ok, err := deref(w.e.plan, n.elem, v.Index(i))
		if err != nil {
			return dst, at(strconv.Itoa(i), err)
		}
		if i > 0 {
			all = append(all, ',')
		}
		if !ok {
			continue
		}
		text, err := w.plainText(elem, ev)
		if err == nil && bytes.IndexByte(text, ',') >= 0 {
			err = invalid("an element holds a comma, which ListComma would split")
		}
		if err != nil {
			return dst, at(strconv.Itoa(i), err)
		}
		all = append(all, text...)
	}
	return w.pairBytes(dst, all)
}

// plainText is scalarText for scalars alone.
func (w *formWriter) plainText(n *node, v reflect.Value) ([]byte, error) {
	switch n.kind {
	case kindStruct, kindMap, kindFields, kindList, kindNullable, kindCustom:
		return nil, unsupported(n.typ, "cannot stand in a list of style ListComma")
	case kindString:
		return []byte(v.String()), nil
	default:
		return w.scalarText(n, v)
	}
}
