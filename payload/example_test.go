package payload_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/payload"
)

// Lead is an event as a host declares it.
type Lead struct {
	AdID  int      `form:"ad_id" json:"ad_id" webhook:"required"`
	Email string   `form:"email" json:"email" webhook:"required"`
	Tags  []string `form:"tags" json:"tags"`
	Notes string   `form:"notes,omitempty" json:"notes,omitempty"`
	Score int      `form:"score" json:"score" webhook:"private"`
}

func exampleLead() Lead {
	return Lead{AdID: 72, Email: "anna@example.com", Tags: []string{"new", "a&b"}, Score: 99}
}

func ExampleForm() {
	body, err := payload.Form(payload.FormOptions{}).Encode(nil, &payload.Event{Data: exampleLead()})
	fmt.Println(body.ContentType)
	fmt.Println(string(body.Data), err)
	// Output:
	// application/x-www-form-urlencoded
	// ad_id=72&email=anna%40example.com&tags%5B%5D=new&tags%5B%5D=a%26b <nil>
}

func ExampleJSON() {
	body, err := payload.JSON(payload.JSONOptions{}).Encode(nil, &payload.Event{Data: exampleLead()})
	fmt.Println(string(body.Data), err)
	// Output:
	// {"ad_id":72,"email":"anna@example.com","tags":["new","a&b"]} <nil>
}

func ExampleJSON_envelope() {
	e := payload.JSON(payload.JSONOptions{Envelope: payload.Standard()})
	body, err := e.Encode(nil, &payload.Event{
		Type: "lead.created", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: exampleLead(),
	})
	fmt.Println(string(body.Data), err)
	// Output:
	// {"type":"lead.created","timestamp":"2026-01-02T03:04:05Z","data":{"ad_id":72,"email":"anna@example.com","tags":["new","a&b"]}} <nil>
}

func ExampleJSON_only() {
	all := payload.JSON(payload.JSONOptions{})
	some, err := all.Only(reflect.TypeFor[Lead](), []string{"email", "ad_id"})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := some.Encode(nil, &payload.Event{Data: exampleLead()})
	fmt.Println(string(body.Data), err)
	_, err = all.Only(reflect.TypeFor[Lead](), []string{"email"})
	fmt.Println(err)
	// Output:
	// {"ad_id":72,"email":"anna@example.com"} <nil>
	// payload: unsupported type: payload_test.Lead: ad_id: is required and must not be left out
}

func ExampleJSONInForm() {
	body, err := payload.JSONInForm("payload", payload.JSONOptions{}).Encode(nil, &payload.Event{Data: payload.Fields{{Name: "a", Value: 1}}})
	fmt.Println(string(body.Data), err)
	// Output:
	// payload=%7B%22a%22%3A1%7D <nil>
}

func ExampleFromFormEncoder() {
	host := form.NewEncoder()
	host.SetNamespacePrefix("[")
	host.SetNamespaceSuffix("]")
	e := payload.FromFormEncoder(host, payload.HostFormOptions{})
	body, err := e.Encode(nil, &payload.Event{Data: struct {
		B int `form:"b"`
		A struct {
			C string `form:"c"`
		} `form:"a"`
	}{B: 1}})
	fmt.Println(string(body.Data), err)
	// Output:
	// a%5Bc%5D=&b=1 <nil>
}

func ExampleSplice() {
	body, err := payload.JSON(payload.JSONOptions{}).Encode(nil, &payload.Event{Data: payload.Fields{{Name: "a", Value: 1}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := payload.Splice(nil, &body, []payload.Param{{Name: "secrettoken", Value: "s3cret", Secret: true}})
	fmt.Println(string(out), err)
	fmt.Println(string(body.Data))
	// Output:
	// {"a":1,"secrettoken":"s3cret"} <nil>
	// {"a":1}
}

func ExampleSpliceURL() {
	u, err := payload.SpliceURL("https://example.com/hook?b=%2f#top", []payload.Param{
		{Name: "token", Value: "a&b", In: payload.InQuery, Secret: true},
	})
	fmt.Println(u, err)
	// Output:
	// https://example.com/hook?b=%2f&token=a%26b#top <nil>
}

func ExampleParam() {
	p := payload.Param{Name: "secrettoken", Value: "s3cret", Secret: true}
	text, err := json.Marshal(p)
	fmt.Printf("%v\n%#v\n%s %v\n", p, p, text, err)
	fmt.Println(errors.Is(json.Unmarshal(text, &p), payload.ErrRedacted))
	// Output:
	// secrettoken=[redacted] in body
	// payload.Param{Name:"secrettoken", Value:"[redacted]", In:0, Secret:true}
	// {"name":"secrettoken","in":"body","secret":true,"redacted":true} <nil>
	// true
}

func ExampleFields() {
	extra := payload.Fields{{Name: "eta", Value: 29}, {Name: "citta", Value: "Milano"}}
	text, err := json.Marshal(extra)
	fmt.Println(string(text), err)
	var back payload.Fields
	err = json.Unmarshal(text, &back)
	fmt.Println(back[1].Name, back[1].Value, err)
	// Output:
	// {"eta":29,"citta":"Milano"} <nil>
	// citta Milano <nil>
}

func ExampleValidate() {
	fmt.Println(payload.Validate(Lead{AdID: 72, Email: " "}))
	// Output:
	// payload: invalid event: email: is required, but missing or blank
}

func ExampleDescribe() {
	c := payload.NewCatalog()
	if err := payload.Describe(c, "lead.created", "Somebody left an address.", exampleLead()); err != nil {
		fmt.Println(err)
		return
	}
	sample, ok := c.Sample("lead.created")
	fmt.Println(c.Names(), sample, ok)
	// Output:
	// [lead.created] {72 anna@example.com [new a&b]  99} true
}

func ExampleCatalog_Schema() {
	c := payload.NewCatalog()
	if err := payload.Describe(c, "point.moved", "", struct {
		X int  `json:"x"`
		Y *int `json:"y"`
	}{X: 1}); err != nil {
		fmt.Println(err)
		return
	}
	schema, err := c.Schema(nil, "point.moved")
	fmt.Println(string(schema), err)
	// Output:
	// {"$schema":"https://json-schema.org/draft/2020-12/schema","title":"point.moved","type":"object","properties":{"x":{"type":"integer"},"y":{"type":["integer","null"]}},"required":["x","y"],"examples":[{"x":1,"y":null}]} <nil>
}

func ExampleCatalog_OpenAPI() {
	c := payload.NewCatalog()
	if err := payload.Describe(c, "ping", "", payload.Fields{{Name: "a", Value: 1}}); err != nil {
		fmt.Println(err)
		return
	}
	doc, err := c.OpenAPI(payload.JSON(payload.JSONOptions{}), payload.Info{Title: "Hooks", Version: "1"})
	fmt.Println(string(doc), err)
	// Output:
	// {"openapi":"3.1.0","info":{"title":"Hooks","version":"1"},"jsonSchemaDialect":"https://json-schema.org/draft/2020-12/schema","webhooks":{"ping":{"post":{"operationId":"ping","summary":"ping","requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","examples":[{"a":1}]}}}},"responses":{"2XX":{"description":"The event was received."}}}}}} <nil>
}

func ExampleDiff() {
	before, after := payload.NewCatalog(), payload.NewCatalog()
	err := errors.Join(
		payload.Describe(before, "point", "", struct{ X, Y int }{}),
		payload.Describe(after, "point", "", struct{ X float64 }{}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	was, err1 := before.Snapshot(nil)
	is, err2 := after.Snapshot(nil)
	fmt.Println(errors.Join(err1, err2))
	for _, change := range payload.Diff(was, is) {
		fmt.Println(change, change.Breaking())
	}
	// Output:
	// <nil>
	// point "X": type changed from integer to number true
	// point "Y": field removed true
}
