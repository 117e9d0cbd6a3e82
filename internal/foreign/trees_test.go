package foreign_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// asForm turns the tree of an event into what a form can say of it, which is
// what every receiver has to read: scalars are their text, numbers without an
// exponent, true and false are 1 and 0, null is left out, and so are lists and objects with nothing in
// them.
func asForm(tree any) (any, bool) {
	switch v := tree.(type) {
	case nil:
		return nil, false
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case json.Number:
		return decimal(v), true
	case []any:
		list := []any{}
		for _, e := range v {
			if f, ok := asForm(e); ok {
				list = append(list, f)
			}
		}
		return list, len(list) > 0
	case map[string]any:
		object := map[string]any{}
		for name, e := range v {
			if f, ok := asForm(e); ok {
				object[name] = f
			}
		}
		return object, len(object) > 0
	default:
		return v, true
	}
}

// decimal writes a number without an exponent.
func decimal(n json.Number) string {
	f, err := n.Float64()
	if err != nil || !strings.Contains(n.String(), "e") {
		return n.String()
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// same compares trees. Numbers are compared as the floats that JavaScript
// makes of them, since languages write them in their own ways.
func same(a, b any) bool { return reflect.DeepEqual(floats(a), floats(b)) }

func floats(tree any) any {
	switch v := tree.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = floats(e)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, e := range v {
			object[name] = floats(e)
		}
		return object
	default:
		return v
	}
}
