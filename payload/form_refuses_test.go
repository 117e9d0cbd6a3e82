package payload_test

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

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
