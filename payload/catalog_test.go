package payload_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
)

// category holds itself, so its schema needs a definition.
type category struct {
	Name string      `json:"name" webhook:"required"`
	Subs []*category `json:"subs"`
	Up   *category   `json:"up,omitempty"`
}

type mixed struct {
	ID     uint8          `json:"id" form:"id"`
	Amount float32        `json:"amount" form:"amount"`
	Quoted int64          `json:"quoted,string" form:"quoted"`
	Day    time.Time      `json:"day" form:"day" webhook:"layout=2006-01-02"`
	Unix   *time.Time     `json:"unix" form:"unix" webhook:"layout=unix"`
	Data   []byte         `json:"data" form:"data" webhook:"base64"`
	Maybe  *rule          `json:"maybe" form:"maybe"`
	Must   *string        `json:"must" form:"must" webhook:"required"`
	Any    any            `json:"any" form:"any"`
	Flags  [2]bool        `json:"flags" form:"flags"`
	Nums   []int          `json:"nums" form:"nums"`
	Attrs  map[string]int `json:"attrs" form:"attrs"`
	Extra  payload.Fields `json:"extra,omitempty" form:"extra"`
}

func mixedExample() mixed {
	return mixed{
		ID: 3, Amount: 1.5, Quoted: 1 << 60, Day: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), Data: []byte("x"),
		Must: ptr("here"), Any: "thing", Flags: [2]bool{true, false}, Nums: []int{-1, 2}, Attrs: map[string]int{"k": 1},
		Extra: payload.Fields{{Name: "x", Value: 1}},
	}
}

func catalogExample(t *testing.T) *payload.Catalog {
	t.Helper()
	c := payload.NewCatalog()
	for _, err := range []error{
		payload.Describe(c, "link.clicked", "A link was clicked.", clickExample()),
		payload.Describe(c, "link.clicked.bot", "A robot clicked.", ptr(clickBot())),
		payload.Describe(c, "task.lead", "", taskExample()),
		payload.Describe(c, "category.moved", "A category <moved>.", category{Name: "a", Subs: []*category{{Name: "b", Up: &category{Name: "a"}}, nil}}),
		payload.Describe(c, "mixed", "", mixedExample()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestCatalog(t *testing.T) {
	c := catalogExample(t)
	if got, want := c.Names(), []string{"link.clicked", "link.clicked.bot", "task.lead", "category.moved", "mixed"}; !slices.Equal(got, want) {
		t.Errorf("Names() = %v, want %v", got, want)
	}
	if got, ok := c.Sample("task.lead"); !ok || !reflect.DeepEqual(got, taskExample()) {
		t.Errorf("Sample(task.lead) = %v, %t, want the sample", got, ok)
	}
	if got, ok := c.Type("link.clicked.bot"); !ok || got != reflect.TypeFor[*clickEvent]() {
		t.Errorf("Type(link.clicked.bot) = %v, %t, want *clickEvent", got, ok)
	}
	if got, ok := c.Doc("link.clicked"); !ok || got != "A link was clicked." {
		t.Errorf("Doc(link.clicked) = %q, %t", got, ok)
	}
	if _, ok := c.Sample("nope"); ok {
		t.Error("Sample(nope) = true, want false")
	}
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{name: "twice", err: payload.Describe(c, "task.lead", "", taskExample()), want: payload.ErrInvalid},
		{name: "no name", err: payload.Describe(c, "", "", taskExample()), want: payload.ErrInvalid},
		{name: "bad sample", err: payload.Describe(c, "x", "", task{}), want: payload.ErrInvalid},
		{name: "bad type", err: payload.Describe(c, "x", "", make(chan int)), want: payload.ErrUnsupported},
		{name: "nil interface", err: payload.Describe[any](c, "x", "", nil), want: payload.ErrInvalid},
		{name: "unknown name", err: second(c.Schema(nil, "nope")), want: payload.ErrInvalid},
		{name: "no title", err: second(c.OpenAPI(nil, payload.Info{Version: "1"})), want: payload.ErrInvalid},
		{name: "transform", err: second(c.OpenAPI(payload.JSON(payload.JSONOptions{Transform: func(f payload.Fields) (payload.Fields, error) { return f, nil }}), payload.Info{Title: "t", Version: "1"})), want: payload.ErrUnsupported},
		{name: "broken encoder", err: second(c.OpenAPI(payload.JSON(payload.JSONOptions{MaxBody: -1}), payload.Info{Title: "t", Version: "1"})), want: payload.ErrUnsupported},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	var zero payload.Catalog
	if err := payload.Describe(&zero, "a", "", taskExample()); err != nil {
		t.Errorf("Describe on a zero Catalog = %v, want nil", err)
	}
}

func second[T any](_ T, err error) error { return err }

func encoders() map[string]payload.Encoder {
	return map[string]payload.Encoder{
		"json":         nil,
		"standard":     payload.JSON(payload.JSONOptions{Envelope: payload.Standard()}),
		"binary":       payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsBinary("/here")}),
		"structured":   payload.JSON(payload.JSONOptions{Envelope: payload.CloudEventsStructured("/here")}),
		"thin":         payload.JSON(payload.JSONOptions{Envelope: payload.Thin(func(*payload.Event) payload.Ref { return payload.Ref{} })}),
		"field":        payload.JSONInForm("", payload.JSONOptions{}),
		"form":         payload.Form(payload.FormOptions{Lists: payload.ListIndex}),
		"form, dots":   payload.Form(payload.FormOptions{Lists: payload.ListIndex, Keys: payload.KeyDots, Bools: payload.BoolTrueFalse, Nulls: payload.NullEmpty}),
		"form, repeat": payload.Form(payload.FormOptions{Lists: payload.ListBrackets}),
	}
}
