package foreign_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

// contact has a field of every kind that a form carries.
type contact struct {
	ID       int               `json:"id" form:"id"`
	Email    string            `json:"email" form:"email"`
	Name     string            `json:"name" form:"name"`
	Active   bool              `json:"active" form:"active"`
	Blocked  bool              `json:"blocked" form:"blocked"`
	Score    float64           `json:"score" form:"score"`
	Phone    *string           `json:"phone" form:"phone"`
	Empty    string            `json:"empty" form:"empty"`
	Tags     []string          `json:"tags" form:"tags"`
	One      []int             `json:"one" form:"one"`
	Flags    []bool            `json:"flags" form:"flags"`
	None     []string          `json:"none" form:"none"`
	Address  address           `json:"address" form:"address"`
	Fields   map[string]string `json:"fields" form:"fields"`
	Extra    payload.Fields    `json:"extra" form:"extra"`
	Seen     netip.Addr        `json:"seen" form:"seen" webhook:"ip=anonymized"`
	Created  time.Time         `json:"created" form:"created"`
	UniqueID string            `json:"unique_id" form:"unique_id"`
}

type address struct {
	Street string   `json:"street" form:"street"`
	Lines  []string `json:"lines" form:"lines"`
	Geo    struct {
		Lat float64 `json:"lat" form:"lat"`
		Lng float64 `json:"lng" form:"lng"`
	} `json:"geo" form:"geo"`
}

func theContact() contact {
	c := contact{
		ID: 72, Email: "zoë+x@example.com", Name: "Zoë 🐘 e\u0301 عربى 日本 \u2028", Active: true, Score: 1.5e-7,
		Tags: []string{"a b", "c&d=e", "100%", "+;?/#[x]", "<b>'\"\\", "line\r\nline", ""},
		One:  []int{-3}, Flags: []bool{true, false},
		Fields:   map[string]string{"plan": "pro", "città": "Zürich", "a-b_c": "", "x.y z": "1", "k&=+%": "v", "toUpperCase": "f"},
		Extra:    payload.Fields{{Name: "eta", Value: 29}, {Name: "deep", Value: payload.Fields{{Name: "list", Value: []any{"x", 1, true}}}}},
		Seen:     netip.MustParseAddr("203.0.113.77"),
		Created:  time.Date(2026, 3, 14, 15, 9, 26, 535000000, time.FixedZone("CET", 3600)),
		UniqueID: "00184",
	}
	c.Address.Street, c.Address.Lines = "Via Appia 1", []string{"c/o", "scala B"}
	c.Address.Geo.Lat, c.Address.Geo.Lng = 41.9, -12.5
	return c
}

func encode(t *testing.T, e payload.Encoder, data any) (payload.Body, error) {
	t.Helper()
	return e.Encode(nil, &payload.Event{ID: "msg_1", Type: "contact.updated", Time: time.Unix(1, 0), Data: data})
}

// treeOf is the tree of an event: its own JSON, as encoded by outhook.
func treeOf(t *testing.T, data any) any {
	t.Helper()
	b, err := encode(t, payload.JSON(payload.JSONOptions{MaxBody: 1 << 24}), data)
	if err != nil {
		t.Fatalf("JSON of the event: %v", err)
	}
	tree, err := decode(b.Data)
	if err != nil {
		t.Fatalf("JSON of the event: %v", err)
	}
	return tree
}

// differing names the readers that made something else of the body than want.
func (r *readers) differing(t *testing.T, contentType string, body []byte, want any) []string {
	t.Helper()
	var names []string
	for name, got := range r.read(t, contentType, body) {
		tree, err := got.tree()
		if err != nil || !same(tree, want) {
			text, _ := json.Marshal(tree)
			names = append(names, fmt.Sprintf("%s (%.150s %v)", name, text, err))
		}
	}
	slices.Sort(names)
	return names
}

func TestEveryKindOfFieldIsReadAlike(t *testing.T) {
	r := startReaders(t)
	want := treeOf(t, theContact())
	form, err := encode(t, payload.Form(payload.FormOptions{}), theContact())
	if err != nil {
		t.Fatal(err)
	}
	formTree, _ := asForm(want)
	for _, name := range r.differing(t, form.ContentType, form.Data, formTree) {
		t.Errorf("form read differently by %s", name)
	}
	for name, e := range map[string]payload.Envelope{"bare": payload.Bare(), "standard": payload.Standard()} {
		b, err := encode(t, payload.JSON(payload.JSONOptions{Envelope: e}), theContact())
		if err != nil {
			t.Fatal(err)
		}
		want := want
		if name == "standard" {
			want = map[string]any{"type": "contact.updated", "timestamp": "1970-01-01T00:00:01Z", "data": want}
		}
		for _, reader := range r.differing(t, b.ContentType, b.Data, want) {
			t.Errorf("JSON, %s, read differently by %s", name, reader)
		}
	}
	t.Logf("readers: %d", len(r.read(t, formType, []byte("a=1"))))
}

// shape is something that an event may hold. Forms that Form refuses by
// default are made by the options that permit it, or by hand where none does.
type shape struct {
	name    string
	data    any
	options payload.FormOptions // that permit what is refused
	byHand  string              // the body, where no options permit it
	want    any                 // the tree, where JSON cannot say it
	refused bool
	notBy   string // a reader that reads otherwise what all others read alike
}

type pair struct {
	A any `json:"a" form:"a"`
	B any `json:"b" form:"b"`
}

func field(name string, value any) payload.Fields { return payload.Fields{{Name: name, Value: value}} }

func nested(depth int) payload.Fields {
	inner := field("z", "1")
	for range depth {
		inner = field("k", inner)
	}
	return inner
}

func many(n int) payload.Fields {
	var f payload.Fields
	for i := range n {
		f = append(f, payload.Field{Name: "p" + strconv.Itoa(i), Value: i})
	}
	return f
}

type item struct {
	ID  int    `json:"id" form:"id"`
	Qty string `json:"qty" form:"qty"`
}

func shapes() []shape {
	indexed := payload.FormOptions{Lists: payload.ListIndex}
	numeric := payload.FormOptions{AllowNumericKeys: true}
	members := payload.FormOptions{AllowMemberNames: true}
	dots := payload.FormOptions{AllowDotsAndSpaces: true}
	deep := payload.FormOptions{MaxDepth: 32}
	items := []item{{ID: 1, Qty: "2"}, {ID: 3, Qty: "4"}}
	return []shape{
		{name: "scalars", data: pair{A: "x", B: 1}},
		{name: "empty string", data: pair{A: "", B: "x"}},
		{name: "spaces around", data: pair{A: "  x  ", B: "\t"}},
		{name: "null beside a value", data: pair{A: nil, B: "x"}},
		{name: "true and false", data: pair{A: true, B: false}},
		{name: "list", data: pair{A: []string{"x", "y", "x"}, B: "1"}},
		{name: "list of one", data: pair{A: []string{"x"}, B: "1"}},
		{name: "list of an empty string", data: pair{A: []string{""}, B: "1"}},
		{name: "list of 20", data: pair{A: slices.Repeat([]int{7}, 20), B: "1"}},
		{name: "empty list", data: pair{A: []string{}, B: "1"}},
		{name: "list with a null", data: pair{A: []any{"x", nil, "y"}, B: "1"}},
		{name: "object", data: pair{A: items[0], B: items[1]}},
		{name: "map", data: pair{A: map[string]any{"x": 1, "y": []int{1, 2}}, B: "1"}},
		{name: "empty map", data: pair{A: map[string]any{}, B: "1"}},
		{name: "list in the deepest place", data: field("a", field("b", field("c", field("d", field("e", []int{1, 2})))))},
		{name: "as deep as it goes", data: nested(5)},
		{name: "as many as it goes", data: many(900)},
		{name: "dot and space in a nested name", data: field("a", map[string]string{"b.c": "1", "d e": "2"})},
		{name: "separators in a nested name", data: field("a", map[string]string{"b&c=d+e%20;": "1"})},
		{name: "separators in a name", data: field("b&c=d+e%20;", "1")},
		{name: "name with a number in it", data: field("a", map[string]string{"1a": "1", "a1": "2", "1e3": "3", "-1": "4"})},
		{name: "list of 21", data: pair{A: slices.Repeat([]int{7}, 21), B: "1"}, notBy: "qs"},
		{name: "list as long as it goes", data: pair{A: slices.Repeat([]int{7}, 899), B: "1"}, notBy: "qs"},
		{name: "names that only look alike", data: payload.Fields{{Name: "é", Value: 1}, {Name: "e\u0301", Value: 2}, {Name: "E", Value: 3}, {Name: "e", Value: 4}}},
		{name: "NUL", data: pair{A: "x\x00y", B: "1"}},
		{name: "line breaks", data: pair{A: "a\r\nb\nc\rd", B: "1"}},
		{name: "names of PHP's own", data: payload.Fields{{Name: "GLOBALS", Value: 1}, {Name: "_method", Value: 2}, {Name: "_charset_", Value: 3}, {Name: "utf8", Value: 4}}},

		{name: "digits for a name", data: field("a", map[string]string{"1": "x", "7": "y"}), options: numeric, refused: true},
		{name: "digits for names in order", data: field("a", map[string]string{"0": "x", "1": "y"}), options: numeric, refused: true},
		{name: "names of JavaScript's methods", data: field("a", map[string]string{"toString": "1", "x": "2"}), options: members, refused: true},
		{name: "name of JavaScript's constructor", data: payload.Fields{{Name: "constructor", Value: "1"}, {Name: "x", Value: "2"}}, options: members, refused: true},
		{name: "list of objects", data: pair{A: items, B: "1"}, options: indexed, refused: true},
		{name: "list of objects in brackets", data: pair{A: items, B: "1"}, options: payload.FormOptions{Lists: payload.ListBrackets}, refused: true},
		{name: "list of lists", data: pair{A: [][]int{{1, 2}, {3}}, B: "1"}, options: indexed, refused: true},
		{name: "dot in a name", data: field("a.b", "1"), options: dots, refused: true},
		{name: "space in a name", data: field("a b", "1"), options: dots, refused: true},
		{name: "dot in the name of an object", data: field("a.b", field("c", "1")), options: dots, refused: true},
		{name: "too deep", data: nested(6), options: deep, refused: true},
		{name: "too many", data: many(1001), options: payload.FormOptions{MaxPairs: 5000}, refused: true},
		{name: "too large", data: field("a", strings.Repeat("x", 120<<10)), options: payload.FormOptions{MaxBody: 1 << 20}, refused: true},
		{name: "bracket in a nested name", data: field("a", map[string]string{"x][y": "1"}), byHand: "a%5Bx%5D%5By%5D=1", refused: true},
		{name: "opening bracket in a nested name", data: field("a", map[string]string{"x[y": "1"}), byHand: "a%5Bx%5By%5D=1", refused: true},
		{name: "bracket in a name", data: field("a[b]", "1"), byHand: "a%5Bb%5D=1", refused: true},
		{name: "empty nested name", data: field("a", map[string]string{"": "1"}), byHand: "a%5B%5D=1", refused: true},
		{name: "empty name", data: field("", "1"), byHand: "=1", refused: true},
		{name: "line break in a nested name", data: field("a", map[string]string{"\n": "1"}), byHand: "a%5B%0A%5D=1", refused: true},
		{name: "space for a nested name", data: field("a", map[string]string{" ": "1"}), byHand: "a%5B+%5D=1", refused: true},
		{name: "__proto__", data: field("a", map[string]string{"__proto__": "1", "b": "2"}), byHand: "a%5B__proto__%5D=1&a%5Bb%5D=2", refused: true},
		{
			name: "scalar and object of one name", data: payload.Fields{{Name: "a", Value: "1"}, {Name: "a", Value: field("b", "2")}},
			byHand: "a=1&a%5Bb%5D=2", want: map[string]any{"a": "1", "a[b]": "2"}, refused: true,
		},
		{
			name: "name twice", data: payload.Fields{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}},
			byHand: "a=1&a=2", want: map[string]any{"a": []any{"1", "2"}}, refused: true,
		},
		{name: "not UTF-8", data: pair{A: "x\xffy", B: "1"}, byHand: "a=x%FFy&b=1", want: map[string]any{"a": "x\xffy", "b": "1"}, refused: true},
	}
}

// TestFormsAreReadAlikeOrRefused holds both halves of the promise: what Form
// takes by default is read alike by all, and what it refuses is read
// differently by somebody. One shape that it takes, a long list, is an object
// on qs where the application calls it by itself, with its own defaults;
// express reads a list.
func TestFormsAreReadAlikeOrRefused(t *testing.T) {
	r := startReaders(t)
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			body, err := encode(t, payload.Form(payload.FormOptions{}), tt.data)
			if tt.refused {
				tt.isReadDifferently(t, r, err)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			want, _ := asForm(treeOf(t, tt.data))
			found := false
			for _, name := range r.differing(t, formType, body.Data, want) {
				if tt.notBy != "" && strings.HasPrefix(name, tt.notBy+" ") {
					found = true
					continue
				}
				t.Errorf("%.300s is read differently by %s", body.Data, name)
			}
			if full() && tt.notBy != "" && !found {
				t.Errorf("%.300s is read by %s like by all", body.Data, tt.notBy)
			}
		})
	}
}

func (tt shape) isReadDifferently(t *testing.T, r *readers, refusal error) {
	t.Helper()
	if !errors.Is(refusal, payload.ErrInvalid) && !errors.Is(refusal, payload.ErrUnsupported) && !errors.Is(refusal, payload.ErrTooLarge) {
		t.Fatalf("Encode = %v, want it refused", refusal)
	}
	body := []byte(tt.byHand)
	if tt.byHand == "" {
		b, err := encode(t, payload.Form(tt.options), tt.data)
		if err != nil {
			t.Fatalf("with %+v still refused: %v", tt.options, err)
		}
		body = b.Data
	}
	want := tt.want
	if want == nil {
		want, _ = asForm(treeOf(t, tt.data))
	}
	names := r.differing(t, formType, body, want)
	if full() && len(names) == 0 {
		t.Errorf("%.300s is refused, and all read it alike", body)
	}
	for _, name := range names {
		t.Logf("read differently by %.120s", name)
	}
}

// TestRandomTreesAreReadAlike makes trees of what Form takes, and some of what
// it may refuse: what passes is read alike by all.
func TestRandomTreesAreReadAlike(t *testing.T) {
	r := startReaders(t)
	rng := rand.New(rand.NewPCG(1, 2))
	e := payload.Form(payload.FormOptions{})
	n, passed := 300, 0
	for range n {
		data := randomFields(rng, 0)
		body, err := encode(t, e, data)
		if err != nil {
			continue
		}
		passed++
		want, ok := asForm(treeOf(t, data))
		if !ok {
			want = map[string]any{}
		}
		for _, name := range r.differing(t, formType, body.Data, want) {
			t.Errorf("%.300s is read differently by %s", body.Data, name)
		}
	}
	if passed < n/3 {
		t.Errorf("%d of %d trees passed, want a third at least", passed, n)
	}
	t.Logf("%d of %d trees passed", passed, n)
}

const letters = "abzAZ019 .-_~!*'()&=+%;:/?#@$,\"\\<>^`{|}éß日🐘\u00a0\u200b\u2028\ufeff"

func randomText(rng *rand.Rand, most int) string {
	all := []rune(letters)
	text := make([]rune, rng.IntN(most+1))
	for i := range text {
		text[i] = all[rng.IntN(len(all))]
	}
	return string(text)
}

func randomFields(rng *rand.Rand, depth int) payload.Fields {
	var f payload.Fields
	for i := range rng.IntN(5) {
		name := randomText(rng, 3) + string(rune('a'+i))
		if depth > 0 && rng.IntN(3) == 0 {
			name = randomText(rng, 2)
		}
		if depth == 0 {
			name = strings.NewReplacer(".", "", " ", "").Replace(name)
		}
		f = append(f, payload.Field{Name: name, Value: randomValue(rng, depth+1)})
	}
	return f
}

func randomValue(rng *rand.Rand, depth int) any {
	switch k := rng.IntN(10); {
	case k < 2 && depth < 5:
		return randomFields(rng, depth)
	case k < 4:
		var list []any
		for range rng.IntN(5) {
			list = append(list, randomText(rng, 8))
		}
		return list
	case k == 4:
		return rng.IntN(2) == 0
	case k == 5:
		return rng.Int64N(1 << 53)
	case k == 6:
		return nil
	default:
		return randomText(rng, 20)
	}
}
