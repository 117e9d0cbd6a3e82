package payload

import (
	"encoding"
	"reflect"
	"sort"
	"strconv"
	"unicode/utf8"
)

// entry is one entry of a map, its key as text.
type entry struct {
	key   string
	value reflect.Value
	index uint32 // of keys that look like array indexes
	isIdx bool
}

// sortedEntries lists a map in an order that does not change: keys that look
// like array indexes first, by number, as JavaScript keeps them; then the rest
// by bytes.
func sortedEntries(v reflect.Value) ([]entry, error) {
	out := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := keyText(it.Key())
		if err != nil {
			return nil, err
		}
		en := entry{key: key, value: it.Value()}
		en.index, en.isIdx = arrayIndex(key)
		out = append(out, en)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i], &out[j]
		if a.isIdx != b.isIdx {
			return a.isIdx
		}
		if a.isIdx {
			return a.index < b.index
		}
		return a.key < b.key
	})
	for i := 1; i < len(out); i++ {
		if out[i].key == out[i-1].key {
			return nil, &FieldError{Path: out[i].key, Problem: "two keys of a map have this text", Err: ErrInvalid}
		}
	}
	return out, nil
}

// arrayIndex tells whether JavaScript takes key for an array index.
func arrayIndex(key string) (uint32, bool) {
	if key == "" || len(key) > 10 || key[0] == '0' && len(key) > 1 || key[0] < '0' || key[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 32)
	return uint32(n), err == nil && n < 1<<32-1
}

// keyText is the text of a map key.
func keyText(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String && !k.Type().Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return k.String(), nil
	}
	if k.Type().Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		if k.Kind() == reflect.Pointer && k.IsNil() {
			return "", invalid("a key of a map is nil")
		}
		m, ok := reflect.TypeAssert[encoding.TextMarshaler](k)
		if !ok {
			return "", unsupported(k.Type(), "has no MarshalText method")
		}
		text, err := m.MarshalText()
		if err == nil && !utf8.Valid(text) {
			return "", invalid("a key of a map is not UTF-8")
		}
		return string(text), ownError(err)
	}
	if k.CanUint() {
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return strconv.FormatInt(k.Int(), 10), nil
}
