package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/payload"
)

// treeBytes builds an arbitrary value from bytes: each one opens or fills
// something.
type treeBytes struct {
	data []byte
	text string
}

func treeOf(data []byte, text string) payload.Fields {
	b := treeBytes{data: data, text: text}
	return b.object(0)
}

func (t *treeBytes) next() byte {
	if len(t.data) == 0 {
		return 0
	}
	b := t.data[0]
	t.data = t.data[1:]
	return b
}

func (t *treeBytes) name(b byte) string {
	if int(b) < len(t.text) {
		return t.text[b:]
	}
	return string(rune('a'+b%26)) + strings.Repeat("x", int(b)%3)
}

func (t *treeBytes) object(depth int) payload.Fields {
	out := payload.Fields{}
	if depth > 40 {
		return out
	}
	for range t.next() % 5 {
		out = append(out, payload.Field{Name: t.name(t.next()), Value: t.value(depth)})
	}
	return out
}

func (t *treeBytes) value(depth int) any {
	b := t.next()
	if depth > 40 {
		return b
	}
	leaves := []any{
		nil, int(b) - 100, b%2 == 0, t.text, float64(b) / 7, []string{t.text, t.name(b)}, json.RawMessage(t.text), b, &t.text,
	}
	switch i := int(b) % (len(leaves) + 3); i {
	case len(leaves):
		return t.object(depth + 1)
	case len(leaves) + 1:
		list := []any{}
		for range b % 4 {
			list = append(list, t.value(depth+1))
		}
		return list
	case len(leaves) + 2:
		return map[string]any{t.name(b): t.value(depth + 1), "k": t.text}
	default:
		return leaves[i]
	}
}

func permanent(err error) bool {
	return errors.Is(err, payload.ErrInvalid) || errors.Is(err, payload.ErrUnsupported) || errors.Is(err, payload.ErrTooLarge)
}

// FuzzForm: any value gives an error of this package, or a body of valid UTF-8
// whose pairs come back in order with no key that the value does not have.
func FuzzForm(f *testing.F) {
	f.Add([]byte{3, 1, 5, 2, 9, 9, 7}, "a b&c=[d]")
	f.Add([]byte{4, 200, 6, 3, 3, 8, 8, 30, 31, 7, 7, 7}, "é\x00")
	f.Add([]byte{1, 1, 5, 1, 1, 5, 1, 1, 5, 1, 1, 5, 1, 1, 5, 1, 1, 5, 1, 1, 3}, "x][y")
	f.Add([]byte{2, 1, 3}, "\xff")
	styles := []payload.Encoder{
		payload.Form(payload.FormOptions{}),
		payload.Form(payload.FormOptions{
			Lists: payload.ListIndex, Keys: payload.KeyDots, Nulls: payload.NullEmpty, Spaces: payload.SpacePercent,
			AllowNumericKeys: true, InvalidUTF8: payload.UTF8Replace, MaxDepth: 32,
		}),
		payload.Form(payload.FormOptions{Lists: payload.ListComma, AllowDotsAndSpaces: true, MaxBody: 100, MaxPairs: 5}),
	}
	decoder := form.NewDecoder()
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tree := treeOf(data, text)
		for i, e := range styles {
			body, err := e.Encode(nil, &payload.Event{Data: tree})
			if err != nil {
				if !permanent(err) {
					t.Errorf("style %d: Encode(%v) = %v, want an error of the package", i, tree, err)
				}
				continue
			}
			again, err := e.Encode([]byte("x"), &payload.Event{Data: tree})
			if err != nil || string(again.Data) != "x"+string(body.Data) {
				t.Errorf("style %d: Encode = %s, then %s, %v", i, body.Data, again.Data, err)
			}
			values, err := url.ParseQuery(string(body.Data))
			if err != nil {
				t.Fatalf("style %d: ParseQuery(%s) = %v", i, body.Data, err)
			}
			checkPairs(t, values, tree, i == 1)
			var into struct{ A, B, C string }
			_ = decoder.Decode(&into, values) // must not panic on what we send
		}
	})
}

// checkPairs looks for text that is not UTF-8, and for keys that no field of
// tree gives.
func checkPairs(t *testing.T, values url.Values, tree payload.Fields, dots bool) {
	t.Helper()
	roots := map[string]bool{}
	for _, field := range tree {
		roots[field.Name] = true
	}
	for key, vs := range values {
		root, _, _ := strings.Cut(key, "[")
		if dots {
			root, _, _ = strings.Cut(root, ".")
		}
		if !roots[root] {
			t.Errorf("key %q is none of the value's", key)
		}
		if all := key + strings.Join(vs, ""); !utf8.ValidString(all) {
			t.Errorf("pair %q=%q is not UTF-8", key, vs)
		}
	}
}

// FuzzJSON: any value gives an error of this package, or JSON that is valid,
// is UTF-8, and comes back the same when it is read in order and written again.
func FuzzJSON(f *testing.F) {
	f.Add([]byte{3, 1, 5, 2, 9, 9, 7}, `{"a":"\u003c\ud83d\ude00"}`)
	f.Add([]byte{4, 200, 6, 3, 3, 8, 8, 30, 31, 7, 7, 7}, "é\x00<>&\u2028")
	f.Add([]byte{2, 1, 9}, `[1.50, -0, 1e5, "\/"]`)
	f.Add([]byte{2, 1, 9}, `"\ud800"`)
	f.Add([]byte{2, 1, 3}, "\xff")
	encoders := []payload.Encoder{
		payload.JSON(payload.JSONOptions{}),
		payload.JSON(payload.JSONOptions{InvalidUTF8: payload.UTF8Replace, SafeIntegers: true}),
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tree := treeOf(data, text)
		for i, e := range encoders {
			body, err := e.Encode(nil, &payload.Event{Data: tree})
			if err != nil {
				if !permanent(err) {
					t.Errorf("encoder %d: Encode(%v) = %v, want an error of the package", i, tree, err)
				}
				continue
			}
			if !json.Valid(body.Data) || !utf8.Valid(body.Data) {
				t.Fatalf("encoder %d: %q is no JSON in UTF-8", i, body.Data)
			}
			var back payload.Fields
			if err := json.Unmarshal(body.Data, &back); err != nil {
				continue // nested more deeply than Fields reads
			}
			again, err := e.Encode(nil, &payload.Event{Data: back})
			if err != nil {
				continue // a raw text may hold one name twice
			}
			if !bytes.Equal(again.Data, body.Data) {
				t.Errorf("encoder %d: %s came back as %s", i, body.Data, again.Data)
			}
		}
	})
}

// FuzzJSONString compares strings with encoding/json, which differs in U+2028
// and U+2029 alone.
func FuzzJSONString(f *testing.F) {
	f.Add("a\"\\\x00\x1f\x7f\u2028\u2029é😀<>&")
	f.Add("\xc3\x28")
	e := payload.JSON(payload.JSONOptions{InvalidUTF8: payload.UTF8Replace})
	unescape := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\uFFFD")
	f.Fuzz(func(t *testing.T, s string) {
		body, err := e.Encode(nil, &payload.Event{Data: s})
		if errors.Is(err, payload.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(body.Data) + "\n"; got != unescape.Replace(want.String()) {
			t.Errorf("Encode(%q) = %s, want %s", s, got, want.String())
		}
	})
}

// FuzzSplice: whatever stored bytes and a parameter are, the result is an
// error, or the stored bytes with exactly that parameter in them.
func FuzzSplice(f *testing.F) {
	f.Add(`{"a":{"b":1},"c":"}"}`, 1, "n", "v")
	f.Add(`{"data":{}}`, 2, "data", "\"")
	f.Add(`a=1&b%5Bc%5D=2`, 0, "b[d]", "x y")
	f.Add(`a=1&b%5Bc%5D=2`, 0, "b", "x y")
	f.Add(`{"n":1}`, 1, "n", "v")
	f.Add(`{ "\u006e" : 1 }`, 1, "n", "v")
	f.Fuzz(func(t *testing.T, stored string, tail int, name, value string) {
		body := payload.Body{ContentType: "application/json", Data: []byte(stored), Tail: tail}
		if tail == 0 {
			body.ContentType = "application/x-www-form-urlencoded"
		}
		params := []payload.Param{{Name: name, Value: value, Secret: true}}
		got, err := payload.Splice(nil, &body, params)
		if string(body.Data) != stored {
			t.Fatalf("Splice changed the stored bytes to %s", body.Data)
		}
		if err != nil {
			if !errors.Is(err, payload.ErrParam) {
				t.Errorf("Splice = %v, want %v", err, payload.ErrParam)
			}
			return
		}
		if tail == 0 {
			want := url.QueryEscape(name) + "=" + url.QueryEscape(value)
			if stored != "" {
				want = stored + "&" + want
			}
			if string(got) != want {
				t.Errorf("Splice = %s, want %s", got, want)
			}
			return
		}
		if json.Valid(body.Data) && tail <= 2 { // else not what an encoder stores
			checkMember(t, body, got, name, value)
		}
	})
}

// checkMember wants got to be body with one member more, name with value.
func checkMember(t *testing.T, body payload.Body, got []byte, name, value string) {
	t.Helper()
	if !json.Valid(got) {
		t.Fatalf("Splice(%s) = %s, which is no JSON", body.Data, got)
	}
	after, ok := memberAt(got, body.Tail)
	if ok && after[name] != value {
		t.Errorf("Splice(%s) = %s, whose %q is %q, want %q", body.Data, got, name, after[name], value)
	}
	if before, ok := memberAt(body.Data, body.Tail); ok && len(after) != len(before)+1 {
		t.Errorf("Splice(%s) = %s, want one member more", body.Data, got)
	}
}

// memberAt reads the object that stands at depth tail in the last member.
func memberAt(data []byte, tail int) (map[string]any, bool) {
	var f payload.Fields
	if json.Unmarshal(data, &f) != nil {
		return nil, false
	}
	if tail == 2 {
		if len(f) == 0 {
			return nil, false
		}
		inner, ok := f[len(f)-1].Value.(payload.Fields)
		if !ok {
			return nil, false
		}
		f = inner
	}
	out := map[string]any{}
	for _, m := range f {
		if _, dup := out[m.Name]; dup {
			return nil, false
		}
		out[m.Name] = m.Value
	}
	return out, true
}
