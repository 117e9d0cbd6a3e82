package payload

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

// marshaler fills n where t brings its own text or JSON. JSON asks MarshalJSON
// first, a form MarshalText.
func (c *compiler) marshaler(n *node, t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer || t == reflect.TypeFor[Fields]() {
		return false // what is behind it is asked, and a Fields is an object
	}
	js, jsPtr := implements(t, reflect.TypeFor[json.Marshaler]())
	tx, txPtr := implements(t, reflect.TypeFor[encoding.TextMarshaler]())
	switch {
	case js && (c.p.format == formatJSON || !tx):
		n.kind, n.ptr = kindJSON, jsPtr
	case tx:
		n.kind, n.ptr = kindText, txPtr
	default:
		return false
	}
	return true
}

// implements tells whether t, or a pointer to it, has the methods of iface.
func implements(t, iface reflect.Type) (ok, ptr bool) {
	if t.Implements(iface) {
		return true, false
	}
	if reflect.PointerTo(t).Implements(iface) {
		return true, true
	}
	return false, false
}

// scalarKind is the kind of a plain leaf, zero for what is none.
func scalarKind(t reflect.Type, r rules) kind {
	switch t.Kind() {
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return kindUint
	case reflect.Float32:
		return kindFloat32
	case reflect.Float64:
		return kindFloat64
	case reflect.String:
		return kindString
	case reflect.Slice:
		if plainByte(t.Elem()) {
			return kindBytes
		}
	case reflect.Array:
		if plainByte(t.Elem()) && r.base64 {
			return kindBytes
		}
	default:
	}
	return 0
}

// plainByte tells bytes from named types that happen to be one byte long and
// bring their own text.
func plainByte(t reflect.Type) bool {
	if t.Kind() != reflect.Uint8 {
		return false
	}
	js, _ := implements(t, reflect.TypeFor[json.Marshaler]())
	tx, _ := implements(t, reflect.TypeFor[encoding.TextMarshaler]())
	return !js && !tx
}

// isLeafType tells whether an embedded struct is written as one value, so that
// it is a field and gives none of its own.
func isLeafType(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() || ipTypeOf(t) != nil {
		return true
	}
	js, _ := implements(t, reflect.TypeFor[json.Marshaler]())
	tx, _ := implements(t, reflect.TypeFor[encoding.TextMarshaler]())
	return js || tx
}
