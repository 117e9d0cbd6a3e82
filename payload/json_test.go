package payload_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"reflect"
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

type pointerJSON struct{}

func (*pointerJSON) MarshalJSON() ([]byte, error) { return []byte(` "ptr" `), nil }

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
