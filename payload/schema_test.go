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
)

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
