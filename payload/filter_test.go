package payload_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/outhook/outhook/payload"
)

func TestOnly(t *testing.T) {
	js, form := payload.JSON(payload.JSONOptions{}), payload.Form(payload.FormOptions{})
	for _, tt := range []struct {
		name  string
		e     payload.Encoder
		data  any
		paths []string
		want  string
		err   string
	}{
		{name: "nested, in declaration order", e: js, data: clickExample(), paths: []string{"link.rules.url", "event", "click.params.utm_source"}, want: `{"event":"click","link":{"rules":[{"url":"https://example.com/us-landing"}]},"click":{"params":{"utm_source":"twitter"}}}`},
		{name: "whole and part", e: js, data: clickExample(), paths: []string{"click.params", "click.params.x", "event"}, want: `{"event":"click","click":{"params":{"utm_source":"twitter"}}}`},
		{name: "fields", e: js, data: taskExample(), paths: []string{"full_name", "phone", "email", "extra_fields.citta"}, want: `{"full_name":"Giulia Bianchi","phone":"+39344999888","email":"giulia@example.com","extra_fields":{"citta":"Milano"}}`},
		{name: "form", e: form, data: crmUpdate{crmHead: crmHeadExample("u"), Contact: crmContactExample()}, paths: []string{"type", "contact.email", "contact.fields.plan"}, want: "type=u&contact%5Bemail%5D=anna%40example.com&contact%5Bfields%5D%5Bplan%5D=pi%C3%B9"},
		{name: "any", e: js, data: struct{ A any }{map[string]any{"x": 1, "y": map[string]int{"p": 1, "q": 2}}}, paths: []string{"A.y.q"}, want: `{"A":{"y":{"q":2}}}`},
		{name: "everything", e: js, data: rule{What: "w"}, want: `{"what":"w","matches":"","url":""}`},
		{name: "unknown", e: js, data: clickExample(), paths: []string{"event", "click.nope"}, err: "click.nope: is no field"},
		{name: "below a leaf", e: js, data: clickExample(), paths: []string{"event.x"}, err: "no fields to choose from"},
		{name: "required lost", e: js, data: taskExample(), paths: []string{"full_name", "email"}, err: "phone: is required"},
		{name: "required lost with its parent", e: form, data: crmUpdate{}, paths: []string{"type"}, err: "contact: is required"},
		{name: "private", e: js, data: struct {
			A int
			B int `webhook:"private"`
		}{}, paths: []string{"B"}, err: "private"},
		{name: "empty part", e: js, data: rule{}, paths: []string{"a..b"}, err: "no path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ := reflect.TypeOf(tt.data)
			only, err := tt.e.Only(typ, tt.paths)
			if tt.err != "" {
				if !errors.Is(err, payload.ErrUnsupported) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Only(%v) = %v, want %q", tt.paths, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("Only(%v) = %v, want nil", tt.paths, err)
			}
			if got := encode(t, only, tt.data); got != tt.want {
				t.Errorf("Encode = %s, want %s", got, tt.want)
			}
			if len(tt.paths) == 0 {
				return
			}
			if _, err := only.Encode(nil, &payload.Event{Data: struct{ Other int }{}}); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Encode(another type) = %v, want %v", err, payload.ErrUnsupported)
			}
			if _, err := only.Only(typ, tt.paths); !errors.Is(err, payload.ErrUnsupported) {
				t.Errorf("Only of Only = %v, want %v", err, payload.ErrUnsupported)
			}
		})
	}
	only, err := payload.JSONInForm("p", payload.JSONOptions{}).Only(reflect.TypeFor[rule](), []string{"url"})
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, only, rule{URL: "u"}); got != "p=%7B%22url%22%3A%22u%22%7D" {
		t.Errorf("Encode = %s, want the url alone", got)
	}
}
