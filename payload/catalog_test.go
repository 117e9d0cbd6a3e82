package payload_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
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

// TestSchemas checks every sample against its schema, with the part of a
// validator that our schemas use.
func TestSchemas(t *testing.T) {
	c := catalogExample(t)
	for name, e := range encoders() {
		for _, event := range c.Names() {
			if strings.HasPrefix(name, "form") && event == "category.moved" {
				continue // nested too deeply for a form
			}
			t.Run(name+" "+event, func(t *testing.T) {
				text, err := c.Schema(e, event)
				if err != nil {
					t.Fatal(err)
				}
				var schema map[string]any
				if err := json.Unmarshal(text, &schema); err != nil {
					t.Fatal(err)
				}
				if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["title"] != event {
					t.Errorf("Schema = %s, lacks its head", text)
				}
				examples, _ := schema["examples"].([]any)
				if len(examples) != 1 {
					t.Fatalf("Schema = %s, has no example", text)
				}
				v := schemaCheck{root: schema}
				if problems := v.check(schema, examples[0], "$"); len(problems) > 0 {
					t.Errorf("Schema = %s\nrefuses its example: %v", text, problems)
				}
			})
		}
	}
}

// TestSchemaRefuses shows that the schemas are not empty words.
func TestSchemaRefuses(t *testing.T) {
	c := catalogExample(t)
	for _, tt := range []struct{ event, body string }{
		{event: "task.lead", body: `{"full_name":"a","phone":"b"}`},
		{event: "task.lead", body: `{"full_name":"","phone":"b","email":"c"}`},
		{event: "task.lead", body: `{"full_name":null,"phone":"b","email":"c"}`},
		{event: "category.moved", body: `{"name":"a","subs":[{"name":1,"subs":[]}]}`},
		{event: "category.moved", body: `{"name":"a","subs":null}`},
	} {
		text, err := c.Schema(nil, tt.event)
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		var body any
		if err := errors.Join(json.Unmarshal(text, &schema), json.Unmarshal([]byte(tt.body), &body)); err != nil {
			t.Fatal(err)
		}
		v := schemaCheck{root: schema}
		if problems := v.check(schema, body, "$"); len(problems) == 0 {
			t.Errorf("the schema of %s accepts %s", tt.event, tt.body)
		}
	}
}

// schemaCheck is the part of a JSON Schema validator that our schemas use; an
// unknown keyword is a problem.
type schemaCheck struct{ root map[string]any }

func (v schemaCheck) check(schema map[string]any, value any, path string) []string {
	var out []string
	for keyword, want := range schema {
		switch keyword {
		case "$schema", "title", "description", "examples", "$defs", "format", "contentEncoding", "contentMediaType", "contentSchema":
		case "$ref":
			defs, _ := v.root["$defs"].(map[string]any)
			def, ok := defs[strings.TrimPrefix(want.(string), "#/$defs/")].(map[string]any)
			if !ok {
				out = append(out, path+": no such $ref")
			}
			out = append(out, v.check(def, value, path)...)
		case "anyOf":
			if !slices.ContainsFunc(want.([]any), func(sub any) bool { return len(v.check(sub.(map[string]any), value, path)) == 0 }) {
				out = append(out, path+": anyOf")
			}
		case "properties", "additionalProperties", "patternProperties", "items":
			out = append(out, v.inner(keyword, want, value, path)...)
		default:
			if !holds(keyword, want, value) {
				out = append(out, fmt.Sprintf("%s: %s %v", path, keyword, want))
			}
		}
	}
	return out
}

// inner checks the members and elements of value.
func (v schemaCheck) inner(keyword string, want, value any, path string) []string {
	var out []string
	schemas, _ := want.(map[string]any)
	if list, ok := value.([]any); ok && keyword == "items" {
		for i, x := range list {
			out = append(out, v.check(schemas, x, fmt.Sprintf("%s.%d", path, i))...)
		}
	}
	obj, _ := value.(map[string]any)
	for name, x := range obj {
		if keyword == "additionalProperties" {
			out = append(out, v.check(schemas, x, path+"."+name)...)
			continue
		}
		for pattern, sub := range schemas {
			if keyword == "properties" && pattern == name || keyword == "patternProperties" && regexp.MustCompile(pattern).MatchString(name) {
				out = append(out, v.check(sub.(map[string]any), x, path+"."+name)...)
			}
		}
	}
	return out
}

// holds checks the keywords that look at one value alone.
func holds(keyword string, want, value any) bool {
	switch keyword {
	case "const":
		return reflect.DeepEqual(value, want)
	case "enum":
		return slices.Contains(want.([]any), value)
	case "type":
		return hasOneType(value, want)
	}
	switch x := value.(type) {
	case string:
		return holdsText(keyword, want, x)
	case float64:
		return keyword == "minimum" && x >= want.(float64)
	case []any:
		n := int(want.(float64))
		return keyword == "minItems" && len(x) >= n || keyword == "maxItems" && len(x) <= n
	case map[string]any:
		return holdsObject(keyword, want, x)
	}
	return slices.Contains([]string{"required", "pattern", "minLength", "minimum", "minItems", "maxItems"}, keyword)
}

func holdsText(keyword string, want any, text string) bool {
	switch keyword {
	case "pattern":
		return regexp.MustCompile(want.(string)).MatchString(text)
	case "minLength":
		return len(text) >= int(want.(float64))
	}
	return false
}

func holdsObject(keyword string, want any, obj map[string]any) bool {
	if keyword == "minProperties" {
		return len(obj) >= int(want.(float64))
	}
	for _, name := range want.([]any) {
		if _, ok := obj[name.(string)]; !ok || keyword != "required" {
			return false
		}
	}
	return true
}

func hasOneType(value, want any) bool {
	names, ok := want.([]any)
	if !ok {
		names = []any{want}
	}
	return slices.ContainsFunc(names, func(n any) bool { return hasType(value, n.(string)) })
}

func hasType(value any, name string) bool {
	switch x := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && x == math.Trunc(x)
	case []any:
		return name == "array"
	default:
		return name == "object"
	}
}

func TestOpenAPI(t *testing.T) {
	c := catalogExample(t)
	info := payload.Info{Title: "Links", Version: "1.2.0", Description: "What we send."}
	text, err := c.OpenAPI(nil, info)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi", append(text, '\n'))
	lead := payload.NewCatalog()
	if err := payload.Describe(lead, "lead", "A new lead.", leadExample()); err != nil {
		t.Fatal(err)
	}
	if err := payload.Describe(lead, "contact.update", "", crmUpdate{crmHead: crmHeadExample("update"), Contact: crmContactExample()}); err != nil {
		t.Fatal(err)
	}
	text, err = lead.OpenAPI(payload.Form(payload.FormOptions{}), info)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi-form", append(text, '\n'))
	for name, e := range encoders() {
		if strings.HasPrefix(name, "form") {
			continue
		}
		if text, err = c.OpenAPI(e, info); err != nil || !json.Valid(text) {
			t.Errorf("OpenAPI(%s) = %s, %v, want a document", name, text, err)
		}
	}
}

func TestDiff(t *testing.T) {
	type was struct {
		A string `json:"a"`
		B int    `json:"b"`
		C *int   `json:"c"`
		D []rule `json:"d"`
		E struct {
			F bool `json:"f"`
		} `json:"e"`
		G map[string]time.Time `json:"g"`
	}
	type is struct {
		A string `json:"a,omitempty"`
		B string `json:"b"`
		C int    `json:"c"`
		D []struct {
			What string `json:"what"`
		} `json:"d"`
		E struct {
			F bool `json:"f"`
			N int  `json:"n"`
		} `json:"e"`
		G map[string]time.Time `json:"g"`
	}
	before, after := payload.NewCatalog(), payload.NewCatalog()
	for _, err := range []error{
		payload.Describe(before, "same", "", plainExample()),
		payload.Describe(before, "thing", "", was{}),
		payload.Describe(before, "gone", "", rule{}),
		payload.Describe(after, "same", "", plainExample()),
		payload.Describe(after, "new", "", category{Name: "x"}),
		payload.Describe(after, "thing", "", is{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var read payload.Snapshot
	old, err1 := before.Snapshot(nil)
	stored, err2 := json.Marshal(old)
	now, err3 := after.Snapshot(payload.JSON(payload.JSONOptions{}))
	if err := errors.Join(err1, err2, err3, json.Unmarshal(stored, &read)); err != nil {
		t.Fatal(err)
	}
	var got []string
	breaking := 0
	for _, c := range payload.Diff(read, now) {
		got = append(got, c.String())
		if c.Breaking() {
			breaking++
		}
	}
	want := []string{
		`thing "a": became optional`, `thing "b": type changed from integer to string`, `thing "c": became required`,
		`thing "d.[].matches": field removed`, `thing "d.[].url": field removed`, `thing "e.n": field added`,
		`gone: event removed`, `new: event added`,
	}
	if !slices.Equal(got, want) || breaking != 5 {
		t.Errorf("Diff = %d breaking, %q\nwant 5, %q", breaking, got, want)
	}
	if got := payload.Diff(now, now); len(got) != 0 {
		t.Errorf("Diff of equal snapshots = %v, want none", got)
	}
	if _, err := before.Snapshot(payload.Form(payload.FormOptions{})); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Snapshot of a list of objects in a form = %v, want %v", err, payload.ErrUnsupported)
	}
}
