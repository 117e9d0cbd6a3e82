package payload_test

import (
	"database/sql"
	"encoding/json"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

func encode(t *testing.T, e payload.Encoder, data any) string {
	t.Helper()
	body, err := e.Encode(nil, &payload.Event{Data: data})
	if err != nil {
		t.Fatalf("Encode(%T) = %v, want nil", data, err)
	}
	return string(body.Data)
}

func unescaped(t *testing.T, body string) string {
	t.Helper()
	s, err := url.QueryUnescape(body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type formShape struct {
	S    string            `form:"s"`
	B    bool              `form:"b"`
	P    *int              `form:"p"`
	L    []string          `form:"l"`
	M    map[string]int    `form:"m"`
	Sub  formSub           `form:"sub"`
	Raw  json.RawMessage   `form:"raw,omitempty"`
	Big  *big.Int          `form:"big"`
	Any  any               `form:"any"`
	Null sql.NullString    `form:"null"`
	T    time.Time         `form:"t,omitempty"`
	X    map[string]string `form:"x,omitempty"`
}

type formSub struct {
	F    float64   `form:"f"`
	Bits []bool    `form:"bits"`
	When time.Time `form:"when" webhook:"layout=unix"`
	Data []byte    `form:"data" webhook:"base64"`
}

func formShapeExample() formShape {
	return formShape{
		S: "a b", B: true, L: []string{"x", "y"}, M: map[string]int{"z": 1, "k": -2},
		Sub: formSub{F: 1e21, Bits: []bool{true, false}, When: time.Unix(1700000000, 0), Data: []byte{0xff, 0}},
		Raw: json.RawMessage(`{"a": 1}`), Big: big.NewInt(77), Any: map[string]any{"k": []int{1}},
		Null: sql.NullString{String: "n", Valid: true},
	}
}

func TestFormStyles(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options payload.FormOptions
		data    any
		want    string // unescaped, but for escapes that matter
		raw     bool
	}{
		{
			name: "defaults", data: formShapeExample(),
			want: `s=a b&b=1&l[]=x&l[]=y&m[k]=-2&m[z]=1&sub[f]=1000000000000000000000&sub[bits][]=1&sub[bits][]=0&sub[when]=1700000000&sub[data]=/wA=&raw={"a": 1}&big=77&any[k][]=1&null=n`,
		},
		{
			name: "other styles", data: formShapeExample(),
			options: payload.FormOptions{
				Lists: payload.ListIndex, Keys: payload.KeyDots, Bools: payload.BoolTrueFalse, Nulls: payload.NullEmpty,
			},
			want: `s=a b&b=true&p=&l.0=x&l.1=y&m.k=-2&m.z=1&sub.f=1000000000000000000000&sub.bits.0=true&sub.bits.1=false&sub.when=1700000000&sub.data=/wA=&raw={"a": 1}&big=77&any.k.0=1&null=n`,
		},
		{name: "repeat", options: payload.FormOptions{Lists: payload.ListRepeat}, data: struct{ L []int }{[]int{1, 2}}, want: "L=1&L=2"},
		{name: "comma", options: payload.FormOptions{Lists: payload.ListComma}, data: struct{ L []int }{[]int{1, 2}}, want: "L=1,2"},
		{name: "escapes", data: struct{ A string }{"é ~*;'[&="}, want: "A=%C3%A9+~%2A%3B%27%5B%26%3D", raw: true},
		{name: "names of members", options: payload.FormOptions{AllowMemberNames: true}, data: struct {
			A int            `form:"valueOf"`
			M map[string]int `form:"m"`
		}{1, map[string]int{"constructor": 2, "length": 3}}, want: "valueOf=1&m[constructor]=2&m[length]=3"},
		{name: "percent space", options: payload.FormOptions{Spaces: payload.SpacePercent}, data: payload.Fields{{Name: "a", Value: "x y"}}, want: "a=x%20y", raw: true},
		{name: "top-level map", data: map[string]any{"b": nil, "a": 1, "c": true}, want: "a=1&c=1"},
		{name: "top-level fields keep order", data: payload.Fields{{Name: "b", Value: 1}, {Name: "a", Value: payload.Fields{{Name: "z", Value: "q"}}}}, want: "b=1&a[z]=q"},
		{name: "replace", options: payload.FormOptions{InvalidUTF8: payload.UTF8Replace}, data: struct{ A string }{"a\xffb"}, want: "A=a%EF%BF%BDb", raw: true},
		{name: "objects by index", options: payload.FormOptions{Lists: payload.ListIndex}, data: struct {
			I []rule2 `form:"i"`
		}{[]rule2{{1, "a"}, {2, "b"}}}, want: "i[0][id]=1&i[0][n]=a&i[1][id]=2&i[1][n]=b"},
		{name: "objects by brackets", options: payload.FormOptions{Lists: payload.ListBrackets}, data: struct {
			I []rule2 `form:"i"`
		}{[]rule2{{1, "a"}}}, want: "i[][id]=1&i[][n]=a"},
		{name: "objects as JSON text", data: struct {
			I []rule3 `form:"i" webhook:"json"`
			J *rule3  `form:"j" webhook:"json"`
		}{I: []rule3{{ID: 1}}}, want: `i=[{"id":1}]`},
		{name: "nil elements", data: struct{ L []*int }{[]*int{ptr(1), nil, ptr(3)}}, want: "L[]=1&L[]=3"},
		{name: "nil elements sent", options: payload.FormOptions{Nulls: payload.NullEmpty}, data: struct{ L []*int }{[]*int{ptr(1), nil}}, want: "L[]=1&L[]="},
		{name: "own text", data: struct {
			D gender2
			J scalarJSON
		}{"x", scalarJSON{"q"}}, want: "D=text:x&J=q"},
		{name: "time", data: struct{ T time.Time }{time.Date(2025, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))}, want: "T=2025-01-02T02:04:05.123456Z"},
		{name: "time layout", options: payload.FormOptions{TimeLayout: time.DateOnly}, data: struct{ T time.Time }{time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)}, want: "T=2025-01-02"},
		{name: "type func", options: payload.FormOptions{TypeFuncs: []payload.TypeFunc{{
			Func: func(x any) ([]string, error) {
				c, _ := x.(complex128)
				return []string{"re", big.NewFloat(real(c)).String()}, nil
			},
			Types: []any{complex(1, 1)},
		}}}, data: struct{ C complex128 }{complex(2, 3)}, want: "C[]=re&C[]=2"},
		{name: "bracketed tag", data: struct {
			A string `form:"c[d]"`
			B string `form:"c[e]"`
		}{"1", "2"}, want: "c[d]=1&c[e]=2"},
		{name: "private and unexported", data: struct {
			A string
			b string
			C string `webhook:"private"`
			D string `form:"-"`
		}{"1", "2", "3", "4"}, want: "A=1"},
		{name: "zero time and address", data: struct {
			T time.Time
			A netip.Addr `webhook:"ip=allow"`
			S string     `webhook:"ip=anonymized"`
		}{}, want: "S="},
		{name: "zero time and address sent", options: payload.FormOptions{Nulls: payload.NullEmpty}, data: struct {
			T time.Time
			A netip.Addr `webhook:"ip=allow"`
		}{}, want: "T=&A="},
		{name: "negative zero", data: struct{ F float64 }{math.Copysign(0, -1)}, want: "F=0"},
		{name: "addresses", data: struct {
			A netip.Addr     `webhook:"ip=anonymized"`
			B net.IP         `webhook:"ip=allow"`
			C string         `webhook:"ip=anonymized"`
			D netip.AddrPort `webhook:"ip=anonymized"`
			E []netip.Addr   `webhook:"ip=allow"`
		}{
			netip.MustParseAddr("2001:db8:1:2:3::4"), net.IPv4(192, 0, 2, 7), "::ffff:192.0.2.99",
			netip.MustParseAddrPort("192.0.2.1:99"),
			[]netip.Addr{netip.MustParseAddr("192.0.2.1")},
		}, want: "A=2001:db8:1::&B=192.0.2.7&C=192.0.2.0&D=192.0.2.0&E[]=192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.Form(tt.options)
			if err := e.Check(reflect.TypeOf(tt.data)); err != nil {
				t.Fatalf("Check(%T) = %v, want nil", tt.data, err)
			}
			got := encode(t, e, tt.data)
			if !tt.raw {
				got = unescaped(t, got)
			}
			if got != tt.want {
				t.Errorf("Encode(%s) = %s, want %s", tt.name, got, tt.want)
			}
		})
	}
}

type rule2 struct {
	ID int    `form:"id"`
	N  string `form:"n"`
}

type rule3 struct {
	ID int `json:"id"`
}

type gender2 string

func (g gender2) MarshalText() ([]byte, error) { return []byte("text:" + string(g)), nil }

type scalarJSON struct{ s string }

func (s scalarJSON) MarshalJSON() ([]byte, error) { return json.Marshal(s.s) }

type secretName string

type embedsSecret struct {
	secretName
	A string
}

func TestFormEmbedded(t *testing.T) {
	got := encode(t, payload.Form(payload.FormOptions{}), embedsSecret{secretName: "LEAK", A: "1"})
	if got != "A=1" {
		t.Errorf("Encode(embedsSecret) = %s, want A=1", got)
	}
}

// TestFormAppends shows that Encode keeps what dst holds, and separates nothing
// from it.
func TestFormAppends(t *testing.T) {
	body, err := payload.Form(payload.FormOptions{}).Encode([]byte("before:"), &payload.Event{Data: leadExample()})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(body.Data[:18]); got != "before:ad_id=72&em" {
		t.Errorf("Encode appended %q, want before:ad_id=72&em", got)
	}
}
