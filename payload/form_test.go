package payload_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/form/v4"

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

type node struct {
	Name string
	Next *node
	Any  any
}

func cycle() *node {
	n := &node{Name: "a"}
	n.Next = n
	return n
}

func anyCycle() any {
	var x any
	x = &x
	return payload.Fields{{Name: "x", Value: x}}
}

// TestFormRefuses holds what no receiver reads as it was meant: refused when
// the type is planned, where that can be told, else when the value is encoded.
func TestFormRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options payload.FormOptions
		data    any
		plan    bool // Check tells
		want    error
		text    string
	}{
		{name: "nil", want: payload.ErrInvalid},
		{name: "scalar", data: 7, plan: true, want: payload.ErrUnsupported, text: "no object"},
		{name: "list", data: []int{1}, plan: true, want: payload.ErrUnsupported},
		{name: "chan", data: struct{ C chan int }{}, plan: true, want: payload.ErrUnsupported, text: "C: kind chan"},
		{name: "func deep", data: struct{ A struct{ F []func() } }{}, plan: true, want: payload.ErrUnsupported, text: "A.F: kind func"},
		{name: "complex", data: struct{ C complex64 }{}, plan: true, want: payload.ErrUnsupported},
		{name: "no exported fields", data: struct{ U url.Userinfo }{}, plan: true, want: payload.ErrUnsupported, text: "no exported field"},
		{name: "bytes", data: struct{ B []byte }{}, plan: true, want: payload.ErrUnsupported, text: "base64"},
		{name: "list of objects", data: struct{ L []rule2 }{}, plan: true, want: payload.ErrUnsupported, text: "list of objects"},
		{name: "dynamic list of objects", data: struct{ L []any }{[]any{rule2{}}}, want: payload.ErrUnsupported},
		{name: "list of lists", options: payload.FormOptions{Lists: payload.ListBrackets}, data: struct{ L [][]int }{}, plan: true, want: payload.ErrUnsupported},
		{name: "map key kind", data: struct{ M map[bool]int }{}, plan: true, want: payload.ErrUnsupported},
		{name: "ip", data: struct{ IP net.IP }{}, plan: true, want: payload.ErrUnsupported, text: "IP: holds an IP address"},
		{name: "ip prefix in a map", data: struct{ M map[string]netip.Prefix }{}, plan: true, want: payload.ErrUnsupported},
		{name: "dynamic ip", data: struct{ A any }{netip.IPv4Unspecified()}, want: payload.ErrUnsupported},
		{name: "ip option on int", data: struct {
			A int `webhook:"ip=allow"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "unknown webhook option", data: struct {
			A int `webhook:"requierd"`
		}{}, plan: true, want: payload.ErrUnsupported, text: `requierd`},
		{name: "unknown form option", data: struct {
			A int `form:"a,omitempty,x"`
		}{}, plan: true, want: payload.ErrUnsupported, text: `"x"`},
		{name: "bad layout", data: struct {
			A time.Time `webhook:"layout=hello"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "layout on string", data: struct {
			A string `webhook:"layout=unix"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "required bool", data: struct {
			A bool `webhook:"required"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "option on an embedded struct", data: struct {
			crmHead `webhook:"required"`
		}{}, plan: true, want: payload.ErrUnsupported, text: "crmHead: an embedded struct"},
		{name: "two fields of one name", data: struct {
			A int `form:"x"`
			B int `form:"x"`
		}{}, plan: true, want: payload.ErrUnsupported, text: "A and B"},
		{name: "outer and embedded", data: struct {
			crmHead
			Type string `form:"type"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "scalar and nested", data: struct {
			A int   `form:"c"`
			B rule2 `form:"c[x]"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "too deep by type", data: struct {
			A struct {
				B struct {
					C struct {
						D struct{ E struct{ F struct{ G int } } }
					}
				}
			}
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "tag with empty brackets", data: struct {
			A []int `form:"a[]"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "tag with a dot", data: struct {
			A int `form:"a.b"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "numeric key", data: map[string]any{"f": map[string]int{"1": 1}}, want: payload.ErrInvalid, text: "AllowNumericKeys"},
		{name: "bracket in a key", data: map[string]any{"f": map[string]int{"x][email": 1}}, want: payload.ErrInvalid},
		{name: "empty key", data: map[string]any{"": 1}, want: payload.ErrInvalid},
		{name: "space inside", data: map[string]any{"m": map[string]string{" ": "1"}}, want: payload.ErrInvalid},
		{name: "proto", data: map[string]any{"__proto__": 1}, want: payload.ErrInvalid},
		{name: "member", data: map[string]any{"constructor": 1}, want: payload.ErrInvalid, text: "AllowMemberNames"},
		{name: "member inside", data: map[string]any{"a": map[string]int{"__lookupGetter__": 1}}, want: payload.ErrInvalid, text: "AllowMemberNames"},
		{name: "member for a field", data: struct {
			A int `form:"toString"`
		}{}, plan: true, want: payload.ErrUnsupported, text: "AllowMemberNames"},
		{name: "proto among members", options: payload.FormOptions{AllowMemberNames: true}, data: map[string]any{"__proto__": 1}, want: payload.ErrInvalid},
		{name: "control key", data: map[string]any{"a\x00": 1}, want: payload.ErrInvalid},
		{name: "dotted key", data: map[string]any{"a.b": 1}, want: payload.ErrInvalid},
		{name: "key not UTF-8", data: map[string]any{"\xff": 1}, want: payload.ErrInvalid},
		{name: "fields twice", data: payload.Fields{{Name: "a"}, {Name: "a"}}, want: payload.ErrInvalid},
		{name: "not UTF-8", data: struct{ A string }{"\xff"}, want: payload.ErrInvalid, text: "A: a string is not UTF-8"},
		{name: "NaN", data: struct{ F float64 }{math.NaN()}, want: payload.ErrInvalid},
		{name: "Inf", data: struct{ F float32 }{float32(math.Inf(1))}, want: payload.ErrInvalid},
		{name: "cyclic", data: cycle(), want: payload.ErrInvalid, text: "cyclic"},
		{name: "cyclic by interface", data: anyCycle(), want: payload.ErrInvalid, text: "cyclic"},
		{name: "pairs", data: struct{ L []int }{make([]int, 901)}, want: payload.ErrTooLarge},
		{name: "bytes limit", options: payload.FormOptions{MaxBody: 10}, data: struct{ S string }{"0123456789"}, want: payload.ErrTooLarge},
		{name: "comma in an element", options: payload.FormOptions{Lists: payload.ListComma}, data: struct{ L []string }{[]string{"a,b"}}, want: payload.ErrInvalid},
		{name: "object JSON", data: struct{ J objectJSON }{}, want: payload.ErrUnsupported},
		{name: "year", data: struct{ T time.Time }{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, want: payload.ErrInvalid},
		{name: "unreadable address", data: struct {
			A string `webhook:"ip=anonymized"`
		}{"not an address"}, want: payload.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.Form(tt.options)
			check := func(call string, err error) {
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%s(%s) = %v, want %v with %q", call, tt.name, err, tt.want, tt.text)
				}
			}
			if tt.plan {
				check("Check", e.Check(reflect.TypeOf(tt.data)))
				return
			}
			if tt.data != nil {
				if err := e.Check(reflect.TypeOf(tt.data)); err != nil {
					t.Errorf("Check(%T) = %v, want nil", tt.data, err)
				}
			}
			_, err := e.Encode(nil, &payload.Event{Data: tt.data})
			check("Encode", err)
		})
	}
}

type objectJSON struct{}

func (objectJSON) MarshalJSON() ([]byte, error) { return []byte(`{}`), nil }

func TestFormEmbedded(t *testing.T) {
	got := encode(t, payload.Form(payload.FormOptions{}), embedsSecret{secretName: "LEAK", A: "1"})
	if got != "A=1" {
		t.Errorf("Encode(embedsSecret) = %s, want A=1", got)
	}
}

func TestFormOptionsCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options payload.FormOptions
	}{
		{name: "lists", options: payload.FormOptions{Lists: 9}},
		{name: "keys", options: payload.FormOptions{Keys: 9}},
		{name: "bools", options: payload.FormOptions{Bools: 9}},
		{name: "nulls", options: payload.FormOptions{Nulls: 9}},
		{name: "spaces", options: payload.FormOptions{Spaces: 9}},
		{name: "utf8", options: payload.FormOptions{InvalidUTF8: 9}},
		{name: "layout", options: payload.FormOptions{TimeLayout: "x"}},
		{name: "pairs", options: payload.FormOptions{MaxPairs: -1}},
		{name: "depth", options: payload.FormOptions{MaxDepth: 33}},
		{name: "body", options: payload.FormOptions{MaxBody: -1}},
		{name: "type func", options: payload.FormOptions{TypeFuncs: []payload.TypeFunc{{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.Form(tt.options)
			if err := e.Check(nil); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Check(nil) = %v, want %v", err, payload.ErrUnsupported)
			}
			if _, err := e.Encode(nil, &payload.Event{Data: leadExample()}); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Encode = %v, want %v", err, payload.ErrUnsupported)
			}
		})
	}
	if err := payload.Form(payload.FormOptions{}).Check(nil); err != nil {
		t.Errorf("Check(nil) of the defaults = %v, want nil", err)
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

// safeForm is what form/v4 and Form write alike, but for the order: scalars and
// lists of scalars at top level, in form/v4's repeat style.
type safeForm struct {
	S string   `form:"s"`
	I int64    `form:"i"`
	U uint16   `form:"u"`
	F float64  `form:"f"`
	B bool     `form:"b"`
	L []string `form:"l"`
	P *string  `form:"p"`
	O string   `form:"o,omitempty"`
	N struct {
		X string `form:"x"`
		Y struct {
			Z int32 `form:"z"`
		} `form:"y"`
	} `form:"n"`
	M map[string]string `form:"m"`
}

// FuzzFormV4 is the differential test against form/v4 on the safe subset: its
// encoder gives the same pairs, and its decoder reads ours as what was sent.
func FuzzFormV4(f *testing.F) {
	f.Add("a b", int64(-3), uint16(9), 1.5, true, "x", "key")
	f.Add("", int64(math.MinInt64), uint16(0), 1e300, false, "é&=", "k.x")
	ours := payload.Form(payload.FormOptions{
		Lists: payload.ListRepeat, Bools: payload.BoolTrueFalse, AllowNumericKeys: true, AllowDotsAndSpaces: true,
	})
	theirs := form.NewEncoder()
	theirs.SetNamespacePrefix("[")
	theirs.SetNamespaceSuffix("]")
	decoder := form.NewDecoder()
	decoder.SetNamespacePrefix("[")
	decoder.SetNamespaceSuffix("]")
	f.Fuzz(func(t *testing.T, s string, i int64, u uint16, fl float64, b bool, p, key string) {
		in := safeForm{S: s, I: i, U: u, F: fl, B: b, L: []string{s, p}, P: &p, O: p, M: map[string]string{key: s}}
		in.N.X, in.N.Y.Z = p, int32(u)
		body, err := ours.Encode(nil, &payload.Event{Data: in})
		if err != nil {
			if errors.Is(err, payload.ErrInvalid) {
				return // text or key that form/v4 passes on
			}
			t.Fatalf("Encode(%+v) = %v", in, err)
		}
		got, err := url.ParseQuery(string(body.Data))
		if err != nil {
			t.Fatalf("ParseQuery(%s) = %v", body.Data, err)
		}
		want, err := theirs.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		if fl == 0 {
			want["f"] = []string{"0"} // form/v4 keeps the sign of zero
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("pairs of %+v = %v, want %v", in, got, want)
		}
		var back safeForm
		if err := decoder.Decode(&back, got); err != nil {
			t.Fatalf("Decode(%v) = %v", got, err)
		}
		if !reflect.DeepEqual(back, in) {
			t.Errorf("Decode(%v) = %+v, want %+v", got, back, in)
		}
	})
}
