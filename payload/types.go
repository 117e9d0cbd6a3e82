package payload

import (
	"reflect"
)

// broken is the encoder that invalid options give: it says what is wrong with
// them, whatever it is asked.
type broken struct{ err error }

var _ Encoder = broken{}

func (b broken) Check(reflect.Type) error                     { return b.err }
func (b broken) Encode([]byte, *Event) (Body, error)          { return Body{}, b.err }
func (b broken) CheckParams(reflect.Type, []Param) error      { return b.err }
func (b broken) Only(reflect.Type, []string) (Encoder, error) { return nil, b.err }

// answer is what a type alone tells.
type answer uint8

const (
	no answer = iota + 1
	yes
	unknown
)

// mayBe strips pointers off t and asks f about the rest; interfaces and types
// with their own MarshalJSON tell nothing.
func mayBe(t reflect.Type, f func(reflect.Type) answer) answer {
	return f(indirectType(t))
}

// isObject tells whether a type becomes a JSON object.
func isObject(t reflect.Type) answer {
	if t == reflect.TypeFor[Fields]() {
		return yes
	}
	if t.Kind() == reflect.Interface || (ipTypeOf(t) == nil && isLeafType(t)) || t.String() == "json.RawMessage" {
		return unknown
	}
	switch t.Kind() {
	case reflect.Struct:
		if isNullable(t) {
			return unknown
		}
		return yes
	case reflect.Map:
		return yes
	default:
		return no
	}
}

func indirectType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer && t.Elem() != t {
		t = t.Elem()
	}
	return t
}
