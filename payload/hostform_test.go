package payload_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/payload"
)

type hostEvent struct {
	Name string            `form:"name" webhook:"required"`
	When time.Time         `form:"when"`
	Tags []string          `form:"tags"`
	Attr map[string]string `form:"attr"`
	Any  any               `form:"any"`
	Num  *float64          `form:"num"`
}

func TestFromFormEncoder(t *testing.T) {
	e := payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{})
	data := hostEvent{Name: "a b", When: time.Unix(0, 0).UTC(), Tags: []string{"x", "y"}, Attr: map[string]string{"k": "v"}, Any: 7}
	for _, in := range []any{data, &data} {
		if got, want := encode(t, e, in), "any=7&attr%5Bk%5D=v&name=a+b&tags=x&tags=y&when=1970-01-01T00%3A00%3A00Z"; got != want {
			t.Errorf("Encode(%T) = %s, want %s", in, got, want)
		}
	}
	custom := form.NewEncoder()
	custom.RegisterCustomTypeFunc(func(x any) ([]string, error) {
		b, _ := x.(big.Int)
		return []string{b.String()}, nil
	}, big.Int{})
	withCustom := payload.FromFormEncoder(custom, payload.HostFormOptions{Custom: []any{big.Int{}}})
	if got := encode(t, withCustom, struct{ B *big.Int }{big.NewInt(5)}); got != "B=5" {
		t.Errorf("Encode(big.Int) = %s, want B=5", got)
	}
	if only, err := e.Only(reflect.TypeFor[hostEvent](), nil); err != nil || only != e {
		t.Errorf("Only(nil) = %v, %v, want the encoder", only, err)
	}
	if _, err := e.Only(reflect.TypeFor[hostEvent](), []string{"name"}); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Only(name) = %v, want %v", err, payload.ErrUnsupported)
	}
	if err := e.CheckParams(reflect.TypeFor[hostEvent](), []payload.Param{{Name: "token"}, {Name: "token[x]"}}); !errors.Is(err, payload.ErrParam) {
		t.Errorf("CheckParams = %v, want %v", err, payload.ErrParam)
	}
}

func TestFromFormEncoderRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		data any
		plan bool
		want error
	}{
		{name: "nil", want: payload.ErrInvalid},
		{name: "map", data: map[string]string{}, plan: true, want: payload.ErrUnsupported},
		{name: "chan", data: struct{ C chan int }{}, plan: true, want: payload.ErrUnsupported},
		{name: "address", data: struct {
			A netip.Addr `webhook:"ip=allow"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "bytes", data: struct{ B []byte }{}, plan: true, want: payload.ErrUnsupported},
		{name: "raw", data: struct{ B json.RawMessage }{}, plan: true, want: payload.ErrUnsupported},
		{name: "text marshaler", data: struct{ B *big.Int }{}, plan: true, want: payload.ErrUnsupported},
		{name: "recursive", data: cycle(), plan: true, want: payload.ErrUnsupported},
		{name: "embedded secret", data: embedsSecret{}, plan: true, want: payload.ErrUnsupported},
		{name: "private", data: struct {
			A string `webhook:"private"`
		}{}, plan: true, want: payload.ErrUnsupported},
		{name: "map keys", data: struct{ M map[bool]int }{}, plan: true, want: payload.ErrUnsupported},
		{name: "no fields", data: struct{ B big.Float }{}, plan: true, want: payload.ErrUnsupported},
		{name: "cyclic", data: struct{ A any }{func() any { var x any; x = &x; return x }()}, want: payload.ErrInvalid},
		{name: "dynamic chan", data: struct{ A any }{make(chan int)}, want: payload.ErrUnsupported},
		{name: "key injection", data: struct{ M map[string]int }{map[string]int{"x][y": 1}}, want: payload.ErrInvalid},
		{name: "NaN", data: struct{ F []float64 }{[]float64{math.NaN()}}, want: payload.ErrInvalid},
		{name: "not UTF-8", data: struct{ S string }{"\xff"}, want: payload.ErrInvalid},
		{name: "too many", data: struct{ S []int }{make([]int, 901)}, want: payload.ErrTooLarge},
		{name: "too large", data: struct{ S string }{strings.Repeat("x", 70000)}, want: payload.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{})
			if tt.data != nil {
				if err := e.Check(reflect.TypeOf(tt.data)); (err != nil) != tt.plan {
					t.Errorf("Check = %v, want an error: %t", err, tt.plan)
				}
			}
			if _, err := e.Encode(nil, &payload.Event{Data: tt.data}); !errors.Is(err, tt.want) {
				t.Errorf("Encode = %v, want %v", err, tt.want)
			}
		})
	}
	for name, e := range map[string]payload.Encoder{
		"nil encoder": payload.FromFormEncoder(nil, payload.HostFormOptions{}),
		"nil custom":  payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{Custom: []any{nil}}),
		"pairs":       payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{MaxPairs: -1}),
		"body":        payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{MaxBody: -1}),
	} {
		if err := e.Check(nil); !errors.Is(err, payload.ErrUnsupported) {
			t.Errorf("%s: Check(nil) = %v, want %v", name, err, payload.ErrUnsupported)
		}
	}
	c := payload.NewCatalog()
	if err := payload.Describe(c, "e", "", hostEvent{Name: "n"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Schema(payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{}), "e"); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Schema = %v, want %v", err, payload.ErrUnsupported)
	}
	if _, err := c.Snapshot(payload.FromFormEncoder(form.NewEncoder(), payload.HostFormOptions{})); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Snapshot = %v, want %v", err, payload.ErrUnsupported)
	}
}
