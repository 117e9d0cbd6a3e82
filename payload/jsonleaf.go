package payload

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxSafe is the largest integer that JavaScript reads exactly.
const maxSafe = 1<<53 - 1

func (w *jsonWriter) text(dst []byte, s string, n *node) ([]byte, error) {
	if n.rules.quoted {
		inner, ok := appendJSONString(nil, s, w.e.replace)
		if !ok {
			return dst, invalid("a string is not UTF-8")
		}
		s = string(inner)
	}
	dst, ok := appendJSONString(dst, s, w.e.replace)
	if !ok {
		return dst, invalid("a string is not UTF-8")
	}
	return dst, nil
}

// leaf appends a value that holds no others.
func (w *jsonWriter) leaf(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	switch n.kind {
	case kindBool, kindInt, kindUint, kindFloat32, kindFloat64:
		if n.rules.quoted {
			dst, err := w.number(append(dst, '"'), n, v)
			return append(dst, '"'), err
		}
		return w.number(dst, n, v)
	case kindBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, bytesOf(v))
		return append(dst, '"'), nil
	case kindTime:
		return w.time(dst, n, v)
	case kindIP:
		s, err := ipText(v, n.base, n.rules.ip)
		if err != nil {
			return dst, err
		}
		return w.text(dst, s, n)
	default:
		return w.foreign(dst, n, v)
	}
}

func (w *jsonWriter) number(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	safe := w.e.safeIntegers && !n.rules.quoted
	switch n.kind {
	case kindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case kindInt:
		x := v.Int()
		if safe && (x > maxSafe || x < -maxSafe) {
			return dst, unsafeInteger()
		}
		return strconv.AppendInt(dst, x, 10), nil
	case kindUint:
		x := v.Uint()
		if safe && x > maxSafe {
			return dst, unsafeInteger()
		}
		return strconv.AppendUint(dst, x, 10), nil
	case kindFloat32:
		return finite(appendFloat(dst, v.Float(), 32))
	default:
		return finite(appendFloat(dst, v.Float(), 64))
	}
}

func unsafeInteger() error {
	return invalid("an integer beyond 2^53 changes in JavaScript: send it as a string, json:\",string\"")
}

func finite(dst []byte, ok bool) ([]byte, error) {
	if !ok {
		return dst, invalid("a number is not finite")
	}
	return dst, nil
}

// bytesOf returns the bytes of a slice or array of bytes.
func bytesOf(v reflect.Value) []byte {
	if v.Kind() == reflect.Array && !v.CanAddr() {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	return v.Bytes()
}

// timeOf reads a time without copying it to the heap.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		if t, ok := reflect.TypeAssert[*time.Time](v.Addr()); ok {
			return *t
		}
	}
	t, _ := reflect.TypeAssert[time.Time](v)
	return t
}

func (w *jsonWriter) time(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	layout := n.layout(w.e.timeLayout)
	t := timeOf(v)
	if numericLayout(layout) {
		dst, err := appendTime(dst, t, layout)
		return dst, orNil(err)
	}
	var buf [64]byte
	text, err := appendTime(buf[:0], t, layout)
	if err != nil {
		return dst, err
	}
	dst, ok := appendJSONString(dst, text, w.e.replace)
	if !ok {
		return dst, invalid("a time layout is not UTF-8")
	}
	return dst, nil
}

// orNil keeps a nil *FieldError from becoming a non-nil error.
func orNil(err *FieldError) error {
	if err == nil {
		return nil
	}
	return err
}

// foreign appends what the host's own methods give.
func (w *jsonWriter) foreign(dst []byte, n *node, v reflect.Value) ([]byte, error) {
	raw, isText, err := foreignBytes(n, v)
	if err != nil {
		return dst, err
	}
	if isText {
		dst, ok := appendJSONString(dst, raw, w.e.replace)
		if !ok {
			return dst, invalid("a text is not UTF-8")
		}
		return dst, nil
	}
	if raw == nil {
		return append(dst, "null"...), nil
	}
	dst, fe := appendRaw(dst, raw, w.e.replace)
	return dst, orNil(fe)
}

// foreignBytes asks a value for its own text or JSON; nil JSON means null.
func foreignBytes(n *node, v reflect.Value) (raw []byte, isText bool, err error) {
	switch n.kind {
	case kindRaw:
		return v.Bytes(), false, nil
	case kindNumber:
		s := v.String()
		if s == "" {
			s = "0" // as encoding/json
		}
		if !json.Valid([]byte(s)) || strings.ContainsAny(s[:1], `"{[tfn `) {
			return nil, false, invalid("a json.Number is no number")
		}
		return []byte(s), false, nil
	case kindText:
		m, ok := methodsOf(n, v).(encoding.TextMarshaler)
		if !ok {
			return nil, true, unsupported(v.Type(), "has no MarshalText method")
		}
		raw, err = m.MarshalText()
		return raw, true, ownError(err)
	case kindJSON:
		m, ok := methodsOf(n, v).(json.Marshaler)
		if !ok {
			return nil, false, unsupported(v.Type(), "has no MarshalJSON method")
		}
		raw, err = m.MarshalJSON()
		return raw, false, ownError(err)
	default:
		return nil, false, unsupported(v.Type(), fmt.Sprintf("plan kind %d has no writer", n.kind))
	}
}

// ownError wraps what a host's marshalling method returned.
func ownError(err error) error {
	if err == nil {
		return nil
	}
	return &FieldError{Problem: "the value's own marshalling method refuses", Err: ErrInvalid, Cause: err}
}

// methodsOf returns v as the type that has the marshalling method.
func methodsOf(n *node, v reflect.Value) any {
	if !n.ptr {
		return v.Interface()
	}
	if !v.CanAddr() {
		c := reflect.New(v.Type())
		c.Elem().Set(v)
		return c.Interface()
	}
	return v.Addr().Interface()
}
