package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
)

// custom appends what a function of form/v4 gives.
func (w *formWriter) custom(dst []byte, n *node, v reflect.Value, depth int) ([]byte, error) {
	texts, err := n.custom(v.Interface())
	if err != nil {
		return dst, &FieldError{Problem: "the type's own function refuses", Err: ErrInvalid, Cause: err}
	}
	if len(texts) == 1 {
		return w.pair(dst, texts[0])
	}
	if len(texts) == 0 {
		return dst, nil
	}
	pl := w.e.plan.of(reflect.TypeFor[[]string](), nil)
	if pl.err != nil {
		return dst, pl.err
	}
	return w.list(dst, pl.root, reflect.ValueOf(texts), depth)
}

// scalarText gives the text of a scalar in scratch space; nil is a null.
func (w *formWriter) scalarText(n *node, v reflect.Value) ([]byte, error) {
	buf := w.scratch[:0]
	var err error
	switch n.kind {
	case kindBool:
		buf = w.boolean(buf, v.Bool())
	case kindInt:
		buf = strconv.AppendInt(buf, v.Int(), 10)
	case kindUint:
		buf = strconv.AppendUint(buf, v.Uint(), 10)
	case kindFloat32, kindFloat64:
		buf, err = formFloat(buf, v.Float(), n.kind)
	case kindBytes:
		buf = base64.StdEncoding.AppendEncode(buf, bytesOf(v))
	case kindTime, kindIP:
		if buf, err = w.special(buf, n, v); buf == nil {
			return nil, err
		}
	case kindJSONTag:
		buf, err = w.e.json.valueText(buf, v, w.e.maxBody)
	default:
		return w.foreign(n, v)
	}
	w.scratch = buf
	if buf == nil {
		buf = []byte{}
	}
	return buf, err
}

// special appends a time or an address; nil is a null, what a zero one is.
func (w *formWriter) special(buf []byte, n *node, v reflect.Value) ([]byte, error) {
	if n.kind == kindIP {
		s, fe := ipText(v, n.base, n.rules.ip)
		if s == "" && n.base != nil {
			return nil, orNil(fe)
		}
		return append(w.room(buf), s...), orNil(fe)
	}
	t := timeOf(v)
	if t.IsZero() {
		return nil, nil
	}
	buf, fe := appendTime(w.room(buf), t, n.layout(w.e.o.TimeLayout))
	return buf, orNil(fe)
}

// room keeps an empty text apart from a null.
func (w *formWriter) room(buf []byte) []byte {
	if buf == nil {
		return make([]byte, 0, 64)
	}
	return buf
}

func (w *formWriter) boolean(buf []byte, b bool) []byte {
	if w.e.o.Bools == BoolTrueFalse {
		return strconv.AppendBool(buf, b)
	}
	if b {
		return append(buf, '1')
	}
	return append(buf, '0')
}

// formFloat writes a number as form/v4 does, without an exponent.
func formFloat(buf []byte, f float64, k kind) ([]byte, error) {
	bits := 64
	if k == kindFloat32 {
		bits = 32
	}
	if f-f != 0 {
		return buf, invalid("a number is not finite")
	}
	if f == 0 {
		f = 0 // not -0
	}
	return strconv.AppendFloat(buf, f, 'f', -1, bits), nil
}

// foreign gives what the host's own methods give. JSON that a method gives must
// be a scalar here; a json.RawMessage is its text.
func (w *formWriter) foreign(n *node, v reflect.Value) ([]byte, error) {
	raw, isText, err := foreignBytes(n, v)
	switch {
	case err != nil || isText || raw == nil:
		return raw, err
	case !json.Valid(raw):
		return nil, invalid("is no valid JSON text")
	case n.kind != kindJSON:
		return raw, nil
	}
	return w.scalarJSON(n, bytes.TrimSpace(raw))
}

// scalarJSON gives the text of a JSON scalar; nil is a null.
func (w *formWriter) scalarJSON(n *node, raw []byte) ([]byte, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return w.boolean(nil, raw[0] == 't'), nil
	case '"':
		quoted, fe := appendRaw(nil, raw, w.e.replace)
		if fe != nil {
			return nil, fe
		}
		var s string
		err := json.Unmarshal(quoted, &s)
		return []byte(s), err
	case '{', '[':
		return nil, unsupported(n.typ, "gives JSON that is no scalar: tag the field webhook:\"json\", or give the type a MarshalText method")
	}
	return raw, nil
}
