package payload_test

import (
	"errors"
	"math"
	"net/url"
	"reflect"
	"testing"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/payload"
)

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
