package payload_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/outhook/outhook/payload"
)

type ruleA struct{ X int }

type ruleB struct{ X int }

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
