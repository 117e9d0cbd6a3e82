package foreign_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	google "github.com/google/jsonschema-go/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outhook/outhook/payload"
)

// linkClicked has null wherever a bare link has nothing to say.
type linkClicked struct {
	ID      int64      `json:"id" form:"id"`
	URL     string     `json:"url" form:"url" webhook:"required"`
	Country *string    `json:"country" form:"country"`
	BotName *string    `json:"bot_name" form:"bot_name"`
	Price   *float64   `json:"price" form:"price"`
	First   *bool      `json:"first" form:"first"`
	Geo     *point     `json:"geo" form:"geo"`
	Expires *time.Time `json:"expires" form:"expires"`
	Day     time.Time  `json:"day" form:"day" webhook:"layout=2006-01-02"`
	Unix    time.Time  `json:"unix" form:"unix" webhook:"layout=unix"`
	Rules   []rule     `json:"rules" form:"rules" webhook:"json"`
	Tags    []*string  `json:"tags" form:"tags"`
	Any     any        `json:"any" form:"any"`
	Raw     []byte     `json:"raw" form:"raw" webhook:"base64"`
}

type point struct {
	Lat float64  `json:"lat" form:"lat"`
	Lng *float64 `json:"lng" form:"lng"`
}

type rule struct {
	What string  `json:"what" form:"what" webhook:"required"`
	With *string `json:"with" form:"with"`
}

func theLink() linkClicked {
	country, price, first, expires := "IT", 1.5, true, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	l := emptyLink()
	l.ID, l.Country, l.Price, l.First, l.Expires = 1<<53-1, &country, &price, &first, &expires
	l.Geo = &point{Lat: 41.9, Lng: &price}
	l.Rules, l.Tags = []rule{{What: "x"}, {What: "y", With: &country}}, []*string{&country, &country}
	l.Any, l.Raw = "thing", []byte{0, 255}
	return l
}

// emptyLink has null in every place that can have it.
func emptyLink() linkClicked {
	return linkClicked{URL: "https://example.com/?a=1", Day: time.Unix(1e9, 0), Unix: time.Unix(1e9, 0)}
}

// category holds itself, so that its schema has a definition.
type category struct {
	Name string      `json:"name" webhook:"required"`
	Subs []*category `json:"subs"`
	Up   *category   `json:"up"`
}

func theCatalog(t *testing.T, forms bool) *payload.Catalog {
	t.Helper()
	c := payload.NewCatalog()
	errs := []error{
		payload.Describe(c, "contact.updated", "A contact *changed*.", theContact()),
		payload.Describe(c, "link.clicked", "Somebody followed a link.", theLink()),
		payload.Describe(c, "link.bare", "The same, of which nothing is known.", emptyLink()),
		payload.Describe(c, "LEAD_CREATED", "", theLead()),
	}
	if !forms {
		errs = append(errs, payload.Describe(c, "category.moved", "It holds itself.",
			category{Name: "a", Subs: []*category{{Name: "b", Up: &category{Name: "c"}}, nil}}))
	}
	for _, err := range errs {
		if err != nil {
			t.Fatalf("Describe: %v", err)
		}
	}
	return c
}

// senders are the ways to send a catalog.
func senders() map[string]payload.Encoder {
	in := func(e payload.Envelope) payload.Encoder { return payload.JSON(payload.JSONOptions{Envelope: e}) }
	return map[string]payload.Encoder{
		"bare":                   in(payload.Bare()),
		"standard":               in(payload.Standard()),
		"CloudEvents binary":     in(payload.CloudEventsBinary("https://sender.example/x")),
		"CloudEvents structured": in(payload.CloudEventsStructured("https://sender.example/x")),
		"thin": in(payload.Thin(func(e *payload.Event) payload.Ref {
			return payload.Ref{ID: e.ID, Type: "thing", URL: "https://sender.example/things/1"}
		})),
		"form":       payload.Form(payload.FormOptions{}),
		"empty form": payload.Form(payload.FormOptions{Nulls: payload.NullEmpty}),
	}
}

func documentOf(t *testing.T, name string, e payload.Encoder) ([]byte, *payload.Catalog) {
	t.Helper()
	c := theCatalog(t, strings.HasSuffix(name, "form"))
	doc, err := c.OpenAPI(e, payload.Info{Title: "Events", Version: "1.0.0", Description: "What is sent."})
	if err != nil {
		t.Fatalf("OpenAPI: %v", err)
	}
	return doc, c
}

// openAPIValidator is @seriousme/openapi-schema-validator in node.
type openAPIValidator struct{ *child }

func startOpenAPI(t *testing.T) openAPIValidator {
	t.Helper()
	if !full() {
		return openAPIValidator{}
	}
	var ready struct{ Version string }
	return openAPIValidator{start(t, &ready, "node", "js/openapi.mjs")}
}

// problems tells what it says against a document.
func (v openAPIValidator) problems(t *testing.T, doc []byte) string {
	t.Helper()
	var answer struct {
		Valid   bool
		Version string
		Errors  any
	}
	v.ask(t, map[string]string{"document": string(doc)}, &answer)
	if answer.Valid && answer.Version == "3.1" {
		return ""
	}
	return fmt.Sprintf("version %s: %v", answer.Version, answer.Errors)
}

// webhookOf is the body's media type and schema in a document's webhook.
func webhookOf(t *testing.T, doc []byte, event string) map[string]any {
	t.Helper()
	var parsed struct {
		Webhooks map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct{ Schema map[string]any }
				}
			}
		}
	}
	if err := json.Unmarshal(doc, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, media := range parsed.Webhooks[event].Post.RequestBody.Content {
		return media.Schema
	}
	return nil
}

func TestOpenAPIDocumentsAreValid(t *testing.T) {
	v := startOpenAPI(t)
	for name, e := range senders() {
		t.Run(name, func(t *testing.T) {
			doc, c := documentOf(t, name, e)
			for _, event := range c.Names() {
				if len(webhookOf(t, doc, event)) == 0 {
					t.Errorf("%s is not among the webhooks, with a schema", event)
				}
			}
			if !full() {
				return
			}
			if p := v.problems(t, doc); p != "" {
				t.Errorf("refused: %s", p)
			}
		})
	}
}

// TestOpenAPIValidatorSees plants faults, so that a validator that says yes to
// all is noticed. It does not look into the schemas: the compilers below do.
func TestOpenAPIValidatorSees(t *testing.T) {
	v := startOpenAPI(t)
	doc, _ := documentOf(t, "standard", senders()["standard"])
	for _, tt := range []struct{ name, from, to string }{
		{name: "no title", from: `"title":"Events"`, to: `"titel":"Events"`},
		{name: "a body that is no object", from: `"requestBody":{`, to: `"requestBody":"x","x-was":{`},
		{name: "a body without content", from: `"content":{"application/json"`, to: `"x-content":{"application/json"`},
		{name: "a parameter without a place", from: `"operationId":`, to: `"parameters":[{"name":"x","schema":{}}],"operationId":`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := bytes.Replace(doc, []byte(tt.from), []byte(tt.to), 1)
			if bytes.Equal(bad, doc) {
				t.Fatalf("there is no %s in the document", tt.from)
			}
			if full() && v.problems(t, bad) == "" {
				t.Error("the validator takes it")
			}
		})
	}
}

// schemaOf compiles a schema in both validators.
func schemaOf(t *testing.T, c *payload.Catalog, e payload.Encoder, event string) []func(any) error {
	t.Helper()
	text, err := c.Schema(e, event)
	if err != nil {
		t.Fatalf("Schema(%s): %v", event, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.AssertContent()
	if err := compiler.AddResource("event.json", doc); err != nil {
		t.Fatal(err)
	}
	first, err := compiler.Compile("event.json")
	if err != nil {
		t.Fatalf("%s is no schema: %v\n%s", event, err, text)
	}
	var schema google.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatalf("%s is no schema: %v", event, err)
	}
	second, err := schema.Resolve(nil)
	if err != nil {
		t.Fatalf("%s is no schema: %v", event, err)
	}
	return []func(any) error{first.Validate, func(body any) error { return second.Validate(floats(body)) }}
}

// instanceOf is the body as its schema describes it: JSON, or the pairs of a
// form under their flat names, several of one name as a list.
func instanceOf(t *testing.T, b payload.Body) any {
	t.Helper()
	if b.ContentType != formType {
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Data))
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	object := map[string]any{}
	for name, values := range collect(goReads(b.ContentType, b.Data).Pairs) {
		if strings.HasSuffix(name, "[]") {
			object[name] = values
			continue
		}
		object[name] = values[0]
	}
	return object
}

func collect(pairs [][2]string) map[string][]any {
	all := map[string][]any{}
	for _, p := range pairs {
		all[p[0]] = append(all[p[0]], p[1])
	}
	return all
}

func TestSchemasAcceptEverySample(t *testing.T) {
	for name, e := range senders() {
		t.Run(name, func(t *testing.T) {
			_, c := documentOf(t, name, e)
			for _, event := range c.Names() {
				sample, _ := c.Sample(event)
				bodies := []any{sample}
				if event == "link.clicked" {
					bodies = append(bodies, emptyLink())
				}
				for _, data := range bodies {
					b, err := e.Encode(nil, &payload.Event{ID: "msg_1", Type: event, Source: "api", Time: time.Now(), Data: data})
					if err != nil {
						t.Fatalf("Encode: %v", err)
					}
					for i, validate := range schemaOf(t, c, e, event) {
						if err := validate(instanceOf(t, b)); err != nil {
							t.Errorf("validator %d refuses the body of %s: %v\n%s", i, event, err, b.Data)
						}
					}
				}
			}
		})
	}
}

// TestSchemasRefuse holds that the schemas say something: a body with a member
// of another type, or without one that is always sent, is refused.
func TestSchemasRefuse(t *testing.T) {
	c, e := theCatalog(t, false), payload.JSON(payload.JSONOptions{})
	b, err := encode(t, e, theLink())
	if err != nil {
		t.Fatal(err)
	}
	validators := schemaOf(t, c, e, "link.clicked")
	object, ok := instanceOf(t, b).(map[string]any)
	if !ok {
		t.Fatalf("the body is no object: %s", b.Data)
	}
	for _, member := range slices.Sorted(maps.Keys(object)) {
		less := maps.Clone(object)
		delete(less, member)
		other := maps.Clone(object)
		other[member] = map[string]any{"no": []any{"such"}}
		for i, validate := range validators {
			if validate(less) == nil {
				t.Errorf("validator %d accepts a body without %s", i, member)
			}
			if member != "any" && validate(other) == nil {
				t.Errorf("validator %d accepts another type for %s", i, member)
			}
		}
	}
}
