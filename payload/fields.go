package payload

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Field is one named value of a Fields.
type Field struct {
	Name  string
	Value any
}

// Fields is an object whose members keep their order, for what a host's types
// cannot name: free extra fields. It can stand inside an event or be its whole
// data, in a form and in JSON. Two members of one name are an error when it is
// encoded. It is not safe for concurrent change.
type Fields []Field

var (
	_ json.Marshaler   = Fields(nil)
	_ json.Unmarshaler = (*Fields)(nil)
)

// Get returns the value of the first member called name.
func (f Fields) Get(name string) (any, bool) {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value, true
		}
	}
	return nil, false
}

// MarshalJSON keeps the order of the members, also when encoding/json encodes
// a value that holds a Fields.
func (f Fields) MarshalJSON() ([]byte, error) {
	e, err := newJSON(JSONOptions{MaxBody: maxBodyLimit})
	if err != nil {
		return nil, err
	}
	body, err := e.Encode(nil, &Event{Data: f})
	if err != nil {
		return nil, err
	}
	return body.Data, nil
}

// UnmarshalJSON reads an object and keeps the order of its members. Nested
// objects become Fields, arrays []any, numbers json.Number.
func (f *Fields) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return err
	}
	switch x := v.(type) {
	case nil:
		*f = nil
	case Fields:
		*f = x
	default:
		return &json.UnmarshalTypeError{Value: "non-object", Type: reflect.TypeFor[Fields]()}
	}
	return nil
}

// readValue reads one JSON value into the types that UnmarshalJSON names.
func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxNest {
		return nil, invalid("JSON is nested too deeply")
	}
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		return readObject(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return tok, nil
}

func readObject(d *json.Decoder, depth int) (any, error) {
	out := Fields{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, invalid("a JSON object has a key that is no string")
		}
		v, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, Field{Name: name, Value: v})
	}
	_, err := d.Token()
	return out, err
}

// checkUnique reports the first name that stands twice in f. Short lists are
// compared in place, without allocating.
func checkUnique(f Fields) *FieldError {
	if len(f) <= 16 {
		for i := range f {
			for j := range i {
				if f[i].Name == f[j].Name {
					return &FieldError{Path: f[i].Name, Problem: "stands twice in a Fields", Err: ErrInvalid}
				}
			}
		}
		return nil
	}
	seen := make(map[string]struct{}, len(f))
	for i := range f {
		if _, dup := seen[f[i].Name]; dup {
			return &FieldError{Path: f[i].Name, Problem: "stands twice in a Fields", Err: ErrInvalid}
		}
		seen[f[i].Name] = struct{}{}
	}
	return nil
}
