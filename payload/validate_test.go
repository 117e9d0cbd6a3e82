package payload_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

type checked struct {
	Name    string            `json:"full_name" form:"name" webhook:"required"`
	Form    string            `form:"only_form" webhook:"required"`
	Plain   *string           `webhook:"required"`
	List    []string          `webhook:"required"`
	Map     map[string]string `webhook:"required"`
	When    time.Time         `webhook:"required"`
	Num     int               `webhook:"required"`
	Any     any               `webhook:"required"`
	Hidden  string            `webhook:"required,private"`
	Sub     checkedSub        `json:"sub"`
	Subs    []checkedSub      `json:"subs"`
	ByName  map[string]*checkedSub
	Dynamic any `json:"dynamic"`
}

type checkedSub struct {
	ID string `json:"id" webhook:"required"`
}

type ownRules struct{ N int }

func (o *ownRules) Validate() error {
	if o.N < 0 {
		return errHost
	}
	return nil
}

func goodChecked() checked {
	s := checkedSub{ID: "1"}
	return checked{
		Name: "n", Form: "f", Plain: ptr("p"), List: []string{""}, Map: map[string]string{"": ""}, When: time.Unix(1, 0),
		Num: 1, Any: 0, Hidden: "h", Sub: s, Subs: []checkedSub{s}, ByName: map[string]*checkedSub{"a": &s, "b": nil}, Dynamic: s,
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		data any
		want error
		text []string
	}{
		{name: "good", data: goodChecked()},
		{name: "good pointer", data: ptr(goodChecked())},
		{name: "nothing to check", data: plainExample()},
		{name: "nil", want: payload.ErrInvalid, text: []string{"no data"}},
		{name: "nil pointer", data: (*checked)(nil), want: payload.ErrInvalid},
		{
			name: "all missing", want: payload.ErrInvalid,
			data: checked{Name: " \t", Plain: ptr(""), List: []string{}, Any: "", Subs: []checkedSub{{ID: "1"}, {}}, ByName: map[string]*checkedSub{"k": {}}, Dynamic: checkedSub{}},
			text: []string{
				"full_name: is required", "only_form: is required", "Plain: is", "List: is", "Map: is", "When: is", "Num: is",
				"Any: is", "Hidden: is", "sub.id: is", "subs.1.id: is", "ByName.k.id: is", "dynamic.id: is",
			},
		},
		{name: "number behind a pointer", data: struct {
			N *int `webhook:"required"`
		}{ptr(0)}},
		{name: "own rules", data: ownRules{-1}, want: errHost},
		{name: "own rules inside", data: struct {
			A map[string]ownRules `json:"a"`
			B []*ownRules         `json:"b"`
		}{map[string]ownRules{"k": {-1}}, []*ownRules{{1}, {-1}}}, want: errHost, text: []string{"a.k: its own rules", "b.1: its own rules"}},
		{name: "gender", data: lead{AdID: "1", Email: "e", Gender: "X"}, want: errGender, text: []string{"gender: its own", "neither M nor F"}},
		{name: "cyclic", data: cycle(), want: payload.ErrInvalid, text: []string{"cyclic"}},
		{name: "cyclic by interface", data: anyCycle(), want: payload.ErrInvalid, text: []string{"cyclic"}},
		{name: "address", data: struct{ A []*netip.Addr }{}, want: payload.ErrUnsupported, text: []string{"A: holds an IP"}},
		{name: "address here allowed, there not", data: struct {
			A *netip.Addr `webhook:"ip=allow"`
			B *netip.Addr
		}{}, want: payload.ErrUnsupported, text: []string{"B: holds an IP"}},
		{name: "dynamic address", data: payload.Fields{{Name: "x", Value: netip.IPv6Unspecified()}}, want: payload.ErrUnsupported},
		{name: "unknown option", data: struct {
			A int `webhook:"required,foo"`
		}{}, want: payload.ErrUnsupported, text: []string{"struct { A int", "A: unknown option \"foo\""}},
		{name: "left out of JSON, sent in a form", data: struct {
			A string `json:"-" webhook:"required"`
			B int    `json:"-" form:"b" webhook:"required"`
		}{}, want: payload.ErrInvalid, text: []string{"A: is required", "b: is required"}},
		{name: "address that no JSON has", data: struct {
			A netip.Addr `json:"-"`
		}{}},
		{name: "chan", data: struct{ A chan int }{}, want: payload.ErrUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := payload.Validate(tt.data)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Validate = %v, want %v", err, tt.want)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("Validate = %v, want it to hold %q", err, text)
				}
			}
			if err != nil && len(tt.text) > 1 && errors.Is(tt.want, payload.ErrInvalid) {
				if got := strings.Count(err.Error(), "\n") + 1; got != len(tt.text) {
					t.Errorf("Validate = %d errors, want %d: %v", got, len(tt.text), err)
				}
			}
		})
	}
}

func TestFieldError(t *testing.T) {
	err := payload.Validate(task{FullName: "n", Phone: "p"})
	var fe *payload.FieldError
	if !errors.As(err, &fe) || fe.Path != "email" || !errors.Is(fe.Err, payload.ErrInvalid) {
		t.Fatalf("Validate = %#v, want a FieldError for email", err)
	}
	if got, want := err.Error(), "payload: invalid event: email: is required, but missing or blank"; got != want {
		t.Errorf("Error() = %s, want %s", got, want)
	}
}

// TestConcurrent shows that encoders, Validate and Catalog share nothing that
// races.
func TestConcurrent(t *testing.T) {
	form, js, c := payload.Form(payload.FormOptions{}), payload.JSON(payload.JSONOptions{}), payload.NewCatalog()
	done := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for range 50 {
				_, e1 := form.Encode(nil, &payload.Event{Data: scanExample()})
				_, e2 := js.Encode(nil, &payload.Event{Data: clickExample()})
				e3 := payload.Validate(goodChecked())
				err = errors.Join(err, e1, e2, e3)
			}
			done <- errors.Join(err, payload.Describe(c, string(rune('a'+i)), "", taskExample()))
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := len(c.Names()); got != 8 {
		t.Errorf("len(Names()) = %d, want 8", got)
	}
	if typ, ok := c.Type("a"); !ok || typ != reflect.TypeFor[task]() {
		t.Errorf("Type(a) = %v, %t, want task", typ, ok)
	}
}
