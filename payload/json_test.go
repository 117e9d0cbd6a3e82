package payload_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

type jsonShape struct {
	S     string         `json:"s"`
	P     *int           `json:"p"`
	L     []int          `json:"l"`
	M     map[string]int `json:"m"`
	B     []byte         `json:"b"`
	O     string         `json:"o,omitempty"`
	Z     time.Time      `json:"z,omitzero"`
	Q     int64          `json:"q,string"`
	Any   any            `json:"any"`
	Raw   json.RawMessage
	Num   json.Number
	Big   big.Int
	Null  sql.NullInt64
	Empty struct{} `json:"empty"`
	Arr   [2]bool
	T     time.Time `json:"t"`
	Text  gender2
	K     map[int]string
}

func TestJSONShapes(t *testing.T) {
	when := time.Date(2025, 1, 2, 3, 4, 5, 120000999, time.FixedZone("", -3600))
	for _, tt := range []struct {
		name    string
		options payload.JSONOptions
		data    any
		want    string
	}{
		{
			name: "zero", data: &jsonShape{},
			want: `{"s":"","p":null,"l":[],"m":{},"b":"","q":"0","any":null,"Raw":null,"Num":0,"Big":0,"Null":null,"empty":{},"Arr":[false,false],"t":"0001-01-01T00:00:00Z","Text":"text:","K":{}}`,
		},
		{
			name: "full", data: jsonShape{
				S: "<&>\u2028é\x7f\x00\b", P: ptr(1), L: []int{1}, M: map[string]int{"b": 1, "10": 2, "9": 3, "a": 4, "01": 5},
				B: []byte{1}, O: "o", Z: when, Q: -5, Any: []any{1, "x", nil, 1.5, payload.Fields{{Name: "z"}, {Name: "a"}}},
				Raw: json.RawMessage(" {\"a\" : \"\\u003c\\u2028\\ud83d\\ude00\\/\" , \"b\": 1.50 } "), Num: "29.90", Big: *big.NewInt(7),
				Null: sql.NullInt64{Int64: 3, Valid: true}, T: when, Text: "m", K: map[int]string{-1: "x", 2: "y"},
			},
			want: `{"s":"<&>` + "\u2028" + `é` + "\x7f" + `\u0000\b","p":1,"l":[1],"m":{"9":3,"10":2,"01":5,"a":4,"b":1},"b":"AQ==","o":"o","z":"2025-01-02T04:04:05.12Z","q":"-5","any":[1,"x",null,1.5,{"z":null,"a":null}],"Raw":{"a":"<` + "\u2028😀/" + `","b":1.50},"Num":29.90,"Big":7,"Null":3,"empty":{},"Arr":[false,false],"t":"2025-01-02T04:04:05.12Z","Text":"text:m","K":{"2":"y","-1":"x"}}`,
		},
		{name: "list", data: []int{1, 2}, want: "[1,2]"},
		{name: "string", data: "x", want: `"x"`},
		{name: "short floats at the borders", data: []float32{1e-6, 9.999999e-7, 1e21, 9.999999e20}, want: "[0.000001,9.999999e-7,1e+21,999999900000000000000]"},
		{name: "floats", data: []float64{0, math.Copysign(0, -1), 1e21, 1e-7, 123456789.5, -1e20, 5e-324}, want: "[0,0,1e+21,1e-7,123456789.5,-100000000000000000000,5e-324]"},
		{name: "replace", options: payload.JSONOptions{InvalidUTF8: payload.UTF8Replace}, data: []string{"a\xff\xfeb"}, want: "[\"a\uFFFD\uFFFDb\"]"},
		{name: "lone surrogate replaced", options: payload.JSONOptions{InvalidUTF8: payload.UTF8Replace}, data: json.RawMessage(`"\ud800x"`), want: "\"\uFFFDx\""},
		{name: "layout", options: payload.JSONOptions{TimeLayout: "unixmilli"}, data: struct {
			A time.Time
			B time.Time `webhook:"layout=2006-01-02"`
		}{when, when}, want: `{"A":1735790645120,"B":"2025-01-02"}`},
		{name: "embedded", data: struct {
			rule
			*crmHead
			URL string `json:"url"`
		}{rule: rule{What: "w", URL: "inner"}, URL: "outer"}, want: `{"what":"w","matches":"","url":"outer"}`},
		{name: "private", data: struct {
			A string
			B string `webhook:"private"`
		}{"1", "2"}, want: `{"A":"1"}`},
		{name: "address", data: struct {
			A netip.Addr `webhook:"ip=anonymized"`
		}{netip.MustParseAddr("192.0.2.77")}, want: `{"A":"192.0.2.0"}`},
		{name: "host's Marshal", options: payload.JSONOptions{Marshal: json.Marshal}, data: rule{What: "<"}, want: `{"what":"<","matches":"","url":""}`},
		{name: "pointer methods on a value", data: struct{ P pointerJSON }{}, want: `{"P":"ptr"}`},
		{name: "safe integers", options: payload.JSONOptions{SafeIntegers: true}, data: []int64{1<<53 - 1, -(1<<53 - 1)}, want: "[9007199254740991,-9007199254740991]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.JSON(tt.options)
			if err := e.Check(reflect.TypeOf(tt.data)); err != nil {
				t.Fatalf("Check(%T) = %v, want nil", tt.data, err)
			}
			if got := encode(t, e, tt.data); got != tt.want {
				t.Errorf("Encode(%s) = %s\nwant %s", tt.name, got, tt.want)
			}
		})
	}
}

type ruleA struct{ X int }

type ruleB struct{ X int }

type pointerJSON struct{}

func (*pointerJSON) MarshalJSON() ([]byte, error) { return []byte(` "ptr" `), nil }

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return []byte(`{`), nil }

var errHost = errors.New("host says no")

type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, errHost }

func TestJSONRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options payload.JSONOptions
		data    any
		plan    bool
		want    error
		text    string
	}{
		{name: "nil", want: payload.ErrInvalid},
		{name: "nil pointer", data: (*rule)(nil), want: payload.ErrInvalid},
		{name: "all problems", data: payload.Fields{{Name: "x", Value: struct {
			A chan int
			B func()
		}{}}}, want: payload.ErrUnsupported, text: "x.B: kind func"},
		{name: "chan", data: struct{ A []chan int }{}, plan: true, want: payload.ErrUnsupported, text: "A: kind chan"},
		{name: "unknown option", data: struct {
			A int `webhook:"privat"`
		}{}, plan: true, want: payload.ErrUnsupported, text: "struct { A int"},
		{name: "ip", data: struct{ A *netip.Addr }{}, plan: true, want: payload.ErrUnsupported},
		{name: "ambiguous", data: struct {
			ruleA
			ruleB
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "Marshal and private", options: payload.JSONOptions{Marshal: json.Marshal}, data: struct {
			A int `webhook:"private"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "cyclic", data: cycle(), want: payload.ErrInvalid, text: "cyclic"},
		{name: "cyclic by interface", data: anyCycle(), want: payload.ErrInvalid, text: "cyclic"},
		{name: "deep cycle by any", data: func() any { n := &node{}; n.Any = n; return n }(), want: payload.ErrInvalid, text: "cyclic"},
		{name: "not UTF-8", data: struct{ A []string }{[]string{"", "\xff"}}, want: payload.ErrInvalid, text: "A.1: a string is not UTF-8"},
		{name: "key not UTF-8", data: map[string]int{"\xff": 1}, want: payload.ErrInvalid},
		{name: "raw not UTF-8", data: json.RawMessage("\"\xff\""), want: payload.ErrInvalid},
		{name: "lone surrogate", data: json.RawMessage(`"\udc00"`), want: payload.ErrInvalid},
		{name: "bad raw", data: json.RawMessage("{"), want: payload.ErrInvalid},
		{name: "bad number", data: json.Number("true"), want: payload.ErrInvalid},
		{name: "bad marshaler", data: []badJSON{{}}, want: payload.ErrInvalid},
		{name: "failing marshaler", data: failingJSON{}, want: errHost},
		{name: "NaN", data: math.NaN(), want: payload.ErrInvalid},
		{name: "unsafe integer", options: payload.JSONOptions{SafeIntegers: true}, data: struct{ A int64 }{1 << 53}, want: payload.ErrInvalid, text: "A: an integer"},
		{name: "unsafe unsigned", options: payload.JSONOptions{SafeIntegers: true}, data: uint64(1 << 60), want: payload.ErrInvalid},
		{name: "too large", data: strings.Repeat("x", 65536), want: payload.ErrTooLarge},
		{name: "too large list", options: payload.JSONOptions{MaxBody: 100}, data: make([]int, 1000000), want: payload.ErrTooLarge},
		{name: "failing Marshal", options: payload.JSONOptions{Marshal: func(any) ([]byte, error) { return nil, errHost }}, data: 1, want: errHost},
		{name: "fields twice", data: payload.Fields{{Name: "a"}, {Name: "a"}}, want: payload.ErrInvalid},
		{name: "dynamic chan", data: payload.Fields{{Name: "a", Value: make(chan int)}}, want: payload.ErrUnsupported, text: "a: kind chan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.JSON(tt.options)
			if tt.data != nil {
				if err := e.Check(reflect.TypeOf(tt.data)); (err != nil) != tt.plan {
					t.Errorf("Check(%T) = %v, want an error: %t", tt.data, err, tt.plan)
				}
			}
			_, err := e.Encode(nil, &payload.Event{Data: tt.data})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Encode(%s) = %v, want %v with %q", tt.name, err, tt.want, tt.text)
			}
		})
	}
}

func TestJSONOptionsCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options payload.JSONOptions
	}{
		{name: "layout", options: payload.JSONOptions{TimeLayout: "x"}},
		{name: "utf8", options: payload.JSONOptions{InvalidUTF8: 3}},
		{name: "body", options: payload.JSONOptions{MaxBody: -1}},
		{name: "source", options: payload.JSONOptions{Envelope: payload.CloudEventsBinary("")}},
		{name: "source", options: payload.JSONOptions{Envelope: payload.CloudEventsStructured(" ")}},
		{name: "thin", options: payload.JSONOptions{Envelope: payload.Thin(nil)}},
		{name: "marshal and transform", options: payload.JSONOptions{
			Marshal: json.Marshal, Transform: func(f payload.Fields) (payload.Fields, error) { return f, nil },
		}},
		{name: "marshal and layout", options: payload.JSONOptions{Marshal: json.Marshal, TimeLayout: "unix"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.JSON(tt.options)
			for call, err := range map[string]error{
				"Check":       e.Check(nil),
				"CheckParams": e.CheckParams(nil, nil),
			} {
				if !errors.Is(err, payload.ErrUnsupported) {
					t.Errorf("%s = %v, want %v", call, err, payload.ErrUnsupported)
				}
			}
			if _, err := e.Only(nil, nil); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Only = %v, want %v", err, payload.ErrUnsupported)
			}
			if _, err := payload.JSONInForm("", tt.options).Encode(nil, &payload.Event{Data: 1}); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Encode = %v, want %v", err, payload.ErrUnsupported)
			}
		})
	}
}

// TestJSONLikeStd compares with encoding/json where both have one meaning.
func TestJSONLikeStd(t *testing.T) {
	ev := clickExample()
	ev.Timestamp = ev.Timestamp.Truncate(time.Second)
	for _, data := range []any{ev, plainExample(), taskExample(), rule{What: "é\t\"\\/"}} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(data); err != nil {
			t.Fatal(err)
		}
		if got := encode(t, payload.JSON(payload.JSONOptions{}), data) + "\n"; got != want.String() {
			t.Errorf("Encode(%T) = %s, want %s", data, got, want.String())
		}
	}
}

func TestFieldsJSON(t *testing.T) {
	const text = `{"z":1,"a":{"y":[1,{"b":null,"a":"x"}],"x":1.50},"n":12345678901234567890}`
	var f payload.Fields
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(map[string]any{"f": f})
	if err != nil || string(got) != `{"f":`+text+`}` {
		t.Errorf("Marshal(Unmarshal) = %s, %v, want %s", got, err, text)
	}
	if v, ok := f.Get("z"); !ok || v != json.Number("1") {
		t.Errorf("Get(z) = %v, %t, want 1, true", v, ok)
	}
	if _, ok := f.Get("nope"); ok {
		t.Error("Get(nope) = true, want false")
	}
	for _, bad := range []string{`[1]`, `{"a":`, `7`, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`} {
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("Unmarshal(%s) = nil, want an error", bad)
		}
	}
	if err := json.Unmarshal([]byte("null"), &f); err != nil || f != nil {
		t.Errorf("Unmarshal(null) = %v, %v, want nil", f, err)
	}
}

func TestEnvelopes(t *testing.T) {
	ev := payload.Event{
		ID: "msg_1", Type: "link.clicked", Source: "api",
		Time: time.Date(2025, 1, 15, 11, 30, 0, 5000, time.FixedZone("", 3600)), Data: rule{What: "w"},
	}
	data := `{"what":"w","matches":"","url":""}`
	params := []payload.Param{{Name: "token", Value: "s"}}
	for _, tt := range []struct {
		name    string
		e       payload.Encoder
		content string
		want    string
		spliced string
		header  []payload.Header
	}{
		{name: "bare", e: payload.JSON(payload.JSONOptions{Envelope: payload.Bare()}), content: "application/json", want: data, spliced: `{"what":"w","matches":"","url":"","token":"s"}`},
		{
			name: "standard", e: payload.JSON(payload.JSONOptions{Envelope: payload.Standard()}), content: "application/json",
			want:    `{"type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","data":` + data + `}`,
			spliced: `{"type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","data":{"what":"w","matches":"","url":"","token":"s"}}`,
		},
		{
			name: "binary", e: payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsBinary("/a b")}), content: "application/json",
			want: data, spliced: `{"what":"w","matches":"","url":"","token":"s"}`,
			header: []payload.Header{
				{Name: "ce-specversion", Value: "1.0"},
				{Name: "ce-id", Value: "msg_1"},
				{Name: "ce-source", Value: "/a%20b"},
				{Name: "ce-type", Value: "link.clicked"},
				{Name: "ce-time", Value: "2025-01-15T10:30:00.000005Z"},
			},
		},
		{
			name: "structured", e: payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsStructured("/a b")}), content: "application/cloudevents+json; charset=UTF-8",
			want:    `{"specversion":"1.0","id":"msg_1","source":"/a b","type":"link.clicked","time":"2025-01-15T10:30:00.000005Z","datacontenttype":"application/json","data":` + data + `}`,
			spliced: `{"specversion":"1.0","id":"msg_1","source":"/a b","type":"link.clicked","time":"2025-01-15T10:30:00.000005Z","datacontenttype":"application/json","data":{"what":"w","matches":"","url":"","token":"s"}}`,
		},
		{
			name: "thin", e: payload.JSON(payload.JSONOptions{Envelope: payload.Thin(func(ev *payload.Event) payload.Ref {
				return payload.Ref{ID: "7", Type: "link", URL: "/links/7?e=" + ev.ID}
			})}), content: "application/json",
			want:    `{"id":"msg_1","type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","related_object":{"id":"7","type":"link","url":"/links/7?e=msg_1"}}`,
			spliced: `{"id":"msg_1","type":"link.clicked","timestamp":"2025-01-15T10:30:00.000005Z","related_object":{"id":"7","type":"link","url":"/links/7?e=msg_1"},"token":"s"}`,
		},
		{
			name: "form field", e: payload.JSONInForm("", payload.JSONOptions{Envelope: payload.Standard()}), content: "application/x-www-form-urlencoded",
			want:    `payload=%7B%22type%22%3A%22link.clicked%22%2C%22timestamp%22%3A%222025-01-15T10%3A30%3A00.000005Z%22%2C%22data%22%3A%7B%22what%22%3A%22w%22%2C%22matches%22%3A%22%22%2C%22url%22%3A%22%22%7D%7D`,
			spliced: `payload=%7B%22type%22%3A%22link.clicked%22%2C%22timestamp%22%3A%222025-01-15T10%3A30%3A00.000005Z%22%2C%22data%22%3A%7B%22what%22%3A%22w%22%2C%22matches%22%3A%22%22%2C%22url%22%3A%22%22%7D%7D&token=s`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.e.Encode(nil, &ev)
			if err != nil || string(body.Data) != tt.want || body.ContentType != tt.content {
				t.Fatalf("Encode = %s %s, %v\nwant %s", body.ContentType, body.Data, err, tt.want)
			}
			if err := tt.e.CheckParams(reflect.TypeFor[rule](), params); err != nil {
				t.Errorf("CheckParams = %v, want nil", err)
			}
			got, err := payload.Splice(nil, &body, params)
			if err != nil || string(got) != tt.spliced {
				t.Errorf("Splice = %s, %v\nwant %s", got, err, tt.spliced)
			}
			if !slices.Equal(body.Header, tt.header) {
				t.Errorf("Header = %v, want %v", body.Header, tt.header)
			}
			_, err = tt.e.Encode(nil, &payload.Event{Data: rule{}})
			if bare := tt.name == "bare"; errors.Is(err, payload.ErrInvalid) == bare {
				t.Errorf("Encode without id, type and time = %v, want %v unless bare", err, payload.ErrInvalid)
			}
		})
	}
	list := payload.JSON(payload.JSONOptions{Envelope: payload.Standard()})
	body, err := list.Encode(nil, &payload.Event{Type: "t", Time: ev.Time, Data: []int{}})
	if err != nil || body.Tail != -1 {
		t.Errorf("Encode([]) has Tail %d, %v, want -1", body.Tail, err)
	}
}

func TestOnly(t *testing.T) {
	js, form := payload.JSON(payload.JSONOptions{}), payload.Form(payload.FormOptions{})
	for _, tt := range []struct {
		name  string
		e     payload.Encoder
		data  any
		paths []string
		want  string
		err   string
	}{
		{name: "nested, in declaration order", e: js, data: clickExample(), paths: []string{"link.rules.url", "event", "click.params.utm_source"}, want: `{"event":"click","link":{"rules":[{"url":"https://example.com/us-landing"}]},"click":{"params":{"utm_source":"twitter"}}}`},
		{name: "whole and part", e: js, data: clickExample(), paths: []string{"click.params", "click.params.x", "event"}, want: `{"event":"click","click":{"params":{"utm_source":"twitter"}}}`},
		{name: "fields", e: js, data: taskExample(), paths: []string{"full_name", "phone", "email", "extra_fields.citta"}, want: `{"full_name":"Giulia Bianchi","phone":"+39344999888","email":"giulia@example.com","extra_fields":{"citta":"Milano"}}`},
		{name: "form", e: form, data: crmUpdate{crmHead: crmHeadExample("u"), Contact: crmContactExample()}, paths: []string{"type", "contact.email", "contact.fields.plan"}, want: "type=u&contact%5Bemail%5D=anna%40example.com&contact%5Bfields%5D%5Bplan%5D=pi%C3%B9"},
		{name: "any", e: js, data: struct{ A any }{map[string]any{"x": 1, "y": map[string]int{"p": 1, "q": 2}}}, paths: []string{"A.y.q"}, want: `{"A":{"y":{"q":2}}}`},
		{name: "everything", e: js, data: rule{What: "w"}, want: `{"what":"w","matches":"","url":""}`},
		{name: "unknown", e: js, data: clickExample(), paths: []string{"event", "click.nope"}, err: "click.nope: is no field"},
		{name: "below a leaf", e: js, data: clickExample(), paths: []string{"event.x"}, err: "no fields to choose from"},
		{name: "required lost", e: js, data: taskExample(), paths: []string{"full_name", "email"}, err: "phone: is required"},
		{name: "required lost with its parent", e: form, data: crmUpdate{}, paths: []string{"type"}, err: "contact: is required"},
		{name: "private", e: js, data: struct {
			A int
			B int `webhook:"private"`
		}{}, paths: []string{"B"}, err: "private"},
		{name: "empty part", e: js, data: rule{}, paths: []string{"a..b"}, err: "no path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ := reflect.TypeOf(tt.data)
			only, err := tt.e.Only(typ, tt.paths)
			if tt.err != "" {
				if !errors.Is(err, payload.ErrUnsupported) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Only(%v) = %v, want %q", tt.paths, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("Only(%v) = %v, want nil", tt.paths, err)
			}
			if got := encode(t, only, tt.data); got != tt.want {
				t.Errorf("Encode = %s, want %s", got, tt.want)
			}
			if len(tt.paths) == 0 {
				return
			}
			if _, err := only.Encode(nil, &payload.Event{Data: struct{ Other int }{}}); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Encode(another type) = %v, want %v", err, payload.ErrUnsupported)
			}
			if _, err := only.Only(typ, tt.paths); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Only of Only = %v, want %v", err, payload.ErrUnsupported)
			}
		})
	}
	only, err := payload.JSONInForm("p", payload.JSONOptions{}).Only(reflect.TypeFor[rule](), []string{"url"})
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, only, rule{URL: "u"}); got != "p=%7B%22url%22%3A%22u%22%7D" {
		t.Errorf("Encode = %s, want the url alone", got)
	}
}

type transformed struct {
	Name   string          `json:"name" form:"name" webhook:"required"`
	Secret string          `json:"secret" form:"secret" webhook:"private"`
	IP     netip.Addr      `json:"ip" form:"ip" webhook:"ip=anonymized"`
	When   time.Time       `json:"when" form:"when" webhook:"layout=unix"`
	Big    *big.Int        `json:"big" form:"big"`
	Sub    *transformedSub `json:"sub" form:"sub"`
	Tags   []string        `json:"tags" form:"tags"`
	Attrs  map[string]any  `json:"attrs" form:"attrs"`
}

type transformedSub struct {
	A int    `json:"a,string" form:"a"`
	B []byte `json:"b" form:"b" webhook:"base64"`
	C []rule `json:"c" form:"c" webhook:"json"`
}

func TestTransform(t *testing.T) {
	data := transformed{
		Name: "n", Secret: "LEAK", IP: netip.MustParseAddr("192.0.2.9"), When: time.Unix(5, 0), Big: big.NewInt(3),
		Sub: &transformedSub{A: 7, B: []byte{1}}, Tags: []string{"x"}, Attrs: map[string]any{"k": payload.Fields{{Name: "z", Value: nil}}},
	}
	add := func(f payload.Fields) (payload.Fields, error) {
		for i := range f {
			if f[i].Name == "name" {
				f[i].Value = "changed"
			}
		}
		return append(f, payload.Field{Name: "extra", Value: 1}), nil
	}
	drop := func(payload.Fields) (payload.Fields, error) { return payload.Fields{{Name: "name", Value: " "}}, nil }
	fail := func(payload.Fields) (payload.Fields, error) { return nil, errHost }
	js := payload.JSON(payload.JSONOptions{Transform: add})
	want := `{"name":"changed","ip":"192.0.2.0","when":5,"big":3,"sub":{"a":"7","b":"AQ==","c":[]},"tags":["x"],"attrs":{"k":{"z":null}},"extra":1}`
	if got := encode(t, js, data); got != want {
		t.Errorf("Encode = %s\nwant %s", got, want)
	}
	form := payload.Form(payload.FormOptions{Transform: add})
	want = `name=changed&ip=192.0.2.0&when=5&big=3&sub[a]=7&sub[b]=AQ==&sub[c]=[]&tags[]=x&extra=1`
	if got := unescaped(t, encode(t, form, data)); got != want {
		t.Errorf("Encode = %s\nwant %s", got, want)
	}
	for _, tt := range []struct {
		name string
		fn   func(payload.Fields) (payload.Fields, error)
		want error
	}{
		{name: "drops a required field", fn: drop, want: payload.ErrInvalid},
		{name: "fails", fn: fail, want: errHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, e := range []payload.Encoder{payload.JSON(payload.JSONOptions{Transform: tt.fn}), payload.Form(payload.FormOptions{Transform: tt.fn})} {
				if _, err := e.Encode(nil, &payload.Event{Data: data}); !errors.Is(err, tt.want) {
					t.Errorf("Encode = %v, want %v", err, tt.want)
				}
			}
		})
	}
	if err := js.Check(reflect.TypeFor[[]int]()); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Check([]int) = %v, want %v", err, payload.ErrUnsupported)
	}
}

// TestJSONStringBytes puts each character that may need an escape at each
// place of the eight bytes that are looked at together.
func TestJSONStringBytes(t *testing.T) {
	e := payload.JSON(payload.JSONOptions{})
	for c := range rune(0x100) {
		for at := range 17 {
			s := strings.Repeat("x", at) + string(c) + strings.Repeat("~", 17-at)
			body, err := e.Encode(nil, &payload.Event{Data: s})
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(s); err != nil {
				t.Fatal(err)
			}
			if got := string(body.Data) + "\n"; got != want.String() {
				t.Errorf("Encode(%q) = %s, want %s", s, got, want.String())
			}
		}
	}
}
