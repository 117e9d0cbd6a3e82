package payload_test

import (
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

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
