package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/outhook/outhook/payload"
)

func TestSplice(t *testing.T) {
	a, b := payload.Param{Name: "a", Value: "1 &"}, payload.Param{Name: "b", Value: "\"é"}
	query := payload.Param{Name: "q", Value: "x", In: payload.InQuery}
	const form, js = "application/x-www-form-urlencoded", "application/json"
	for _, tt := range []struct {
		name   string
		body   payload.Body
		params []payload.Param
		want   string
		err    error
	}{
		{name: "form", body: payload.Body{ContentType: form, Data: []byte("x=1")}, params: []payload.Param{a, query, b}, want: "x=1&a=1+%26&b=%22%C3%A9"},
		{name: "empty form", body: payload.Body{ContentType: form + "; charset=utf-8"}, params: []payload.Param{a}, want: "a=1+%26"},
		{name: "object", body: payload.Body{ContentType: js, Data: []byte(`{"x":1}`), Tail: 1}, params: []payload.Param{a, b}, want: `{"x":1,"a":"1 &","b":"\"é"}`},
		{name: "empty object", body: payload.Body{ContentType: js, Data: []byte(`{}`), Tail: 1}, params: []payload.Param{a, b}, want: `{"a":"1 &","b":"\"é"}`},
		{name: "inner object", body: payload.Body{ContentType: "application/cloudevents+json; charset=UTF-8", Data: []byte(`{"a":"x","data":{}}`), Tail: 2}, params: []payload.Param{a}, want: `{"a":"x","data":{"a":"1 &"}}`},
		{name: "no params on a list", body: payload.Body{ContentType: js, Data: []byte(`[]`), Tail: -1}, params: []payload.Param{query}, want: `[]`},
		{name: "list", body: payload.Body{ContentType: js, Data: []byte(`[]`), Tail: -1}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "other type", body: payload.Body{ContentType: "text/plain", Data: []byte(`x`)}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "tail too long", body: payload.Body{ContentType: js, Data: []byte(`{}`), Tail: 2}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "tail no object", body: payload.Body{ContentType: js, Data: []byte(`[1]`), Tail: 1}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "form clash", body: payload.Body{ContentType: form, Data: []byte("b=1&a=2")}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "form clash with a container", body: payload.Body{ContentType: form, Data: []byte("a%5Bx%5D=2")}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "form clash with a scalar", body: payload.Body{ContentType: form, Data: []byte("c=2")}, params: []payload.Param{{Name: "c[x]"}}, err: payload.ErrParam},
		{name: "form, part of a name", body: payload.Body{ContentType: form, Data: []byte("ba=a&ab=a&x%5Ba%5D=a")}, params: []payload.Param{a}, want: "ba=a&ab=a&x%5Ba%5D=a&a=1+%26"},
		{name: "form, two in one container", body: payload.Body{ContentType: form, Data: []byte("c%5By%5D=2")}, params: []payload.Param{{Name: "c[x]", Value: "1"}}, want: "c%5By%5D=2&c%5Bx%5D=1"},
		{name: "JSON clash", body: payload.Body{ContentType: js, Data: []byte(`{"x":{"a":1},"a":2}`), Tail: 1}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "JSON, name further in", body: payload.Body{ContentType: js, Data: []byte(`{"x":{"a":1},"y":"\"a\":","z":["a"]}`), Tail: 1}, params: []payload.Param{a}, want: `{"x":{"a":1},"y":"\"a\":","z":["a"],"a":"1 &"}`},
		{name: "JSON, name beside the inner object", body: payload.Body{ContentType: js, Data: []byte(`{"m":{"a":1},"data":{"b":1}}`), Tail: 2}, params: []payload.Param{a}, want: `{"m":{"a":1},"data":{"b":1,"a":"1 &"}}`},
		{name: "JSON clash in the inner object", body: payload.Body{ContentType: js, Data: []byte(`{"data":{"a":1}}`), Tail: 2}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "JSON with spaces", body: payload.Body{ContentType: js, Data: []byte("{\n}"), Tail: 1}, params: []payload.Param{a}, want: "{\n\"a\":\"1 &\"}"},
		{name: "JSON with spaces, a member", body: payload.Body{ContentType: js, Data: []byte("{ \"x\" : \"a\" }"), Tail: 1}, params: []payload.Param{a}, want: "{ \"x\" : \"a\" ,\"a\":\"1 &\"}"},
		{name: "JSON clash with spaces", body: payload.Body{ContentType: js, Data: []byte("{ \"a\" : 1 }"), Tail: 1}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "JSON clash, spelt otherwise", body: payload.Body{ContentType: js, Data: []byte(`{"\u0061":1}`), Tail: 1}, params: []payload.Param{a}, err: payload.ErrParam},
		{name: "JSON, escapes further in", body: payload.Body{ContentType: js, Data: []byte(`{"x":"\u0061","y":{"\u0061":"\\"}}`), Tail: 1}, params: []payload.Param{a}, want: `{"x":"\u0061","y":{"\u0061":"\\"},"a":"1 &"}`},
		{name: "params clash", body: payload.Body{ContentType: form}, params: []payload.Param{a, a}, err: payload.ErrParam},
		{name: "JSON params clash", body: payload.Body{ContentType: js, Data: []byte(`{}`), Tail: 1}, params: []payload.Param{b, b}, err: payload.ErrParam},
		{name: "empty name", body: payload.Body{ContentType: form}, params: []payload.Param{{Value: "SECRET"}}, err: payload.ErrParam},
		{name: "not UTF-8", body: payload.Body{ContentType: js, Data: []byte(`{}`), Tail: 1}, params: []payload.Param{{Name: "a", Value: "SECRET\xff"}}, err: payload.ErrParam},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := string(tt.body.Data)
			got, err := payload.Splice([]byte("dst"), &tt.body, tt.params)
			if !errors.Is(err, tt.err) {
				t.Fatalf("Splice = %v, want %v", err, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("Splice = %v, which holds the value", err)
			}
			if string(got) != "dst"+tt.want {
				t.Errorf("Splice = %s, want dst%s", got, tt.want)
			}
			if string(tt.body.Data) != before {
				t.Errorf("Splice changed the stored bytes to %s", tt.body.Data)
			}
		})
	}
}

func TestSpliceURL(t *testing.T) {
	p := []payload.Param{{Name: "t k", Value: "a&b", In: payload.InQuery}, {Name: "body", Value: "x"}, {Name: "z", Value: "", In: payload.InQuery}}
	for _, tt := range []struct {
		name, url, want string
		params          []payload.Param
		err             error
	}{
		{name: "no query", url: "https://h/%2Fp", params: p, want: "https://h/%2Fp?t+k=a%26b&z="},
		{name: "query kept", url: "https://h/p?b=%2f&a", params: p, want: "https://h/p?b=%2f&a&t+k=a%26b&z="},
		{name: "empty query", url: "https://h/p?", params: p, want: "https://h/p?t+k=a%26b&z="},
		{name: "open query", url: "https://h/p?a=1&", params: p, want: "https://h/p?a=1&t+k=a%26b&z="},
		{name: "fragment", url: "https://h/p#x?y", params: p, want: "https://h/p?t+k=a%26b&z=#x?y"},
		{name: "nothing to add", url: "https://h/p#", params: p[1:2], want: "https://h/p#"},
		{name: "clash", url: "https://h/p?t%20k=1", params: p, err: payload.ErrParam},
		{name: "clash of params", url: "https://h/p", params: []payload.Param{p[2], p[2]}, err: payload.ErrParam},
		{name: "bad name", url: "https://h/p", params: []payload.Param{{Name: "a\n", In: payload.InQuery}}, err: payload.ErrParam},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := payload.SpliceURL(tt.url, tt.params)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("SpliceURL(%s) = %s, %v, want %s, %v", tt.url, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestCheckParams(t *testing.T) {
	form, js := payload.Form(payload.FormOptions{}), payload.JSON(payload.JSONOptions{})
	field := payload.JSONInForm("payload", payload.JSONOptions{})
	thin := payload.JSON(payload.JSONOptions{Envelope: payload.Thin(func(*payload.Event) payload.Ref { return payload.Ref{} })})
	name := func(s string) []payload.Param { return []payload.Param{{Name: s, Value: "SECRET"}} }
	for _, tt := range []struct {
		name   string
		e      payload.Encoder
		typ    reflect.Type
		params []payload.Param
		ok     bool
	}{
		{name: "new name", e: form, typ: reflect.TypeFor[lead](), params: name("token"), ok: true},
		{name: "field", e: form, typ: reflect.TypeFor[lead](), params: name("email")},
		{name: "pointer", e: form, typ: reflect.TypeFor[*lead](), params: name("email")},
		{name: "container", e: form, typ: reflect.TypeFor[crmUpdate](), params: name("contact")},
		{name: "inside a container", e: form, typ: reflect.TypeFor[crmUpdate](), params: name("contact[token]"), ok: true},
		{name: "field inside", e: form, typ: reflect.TypeFor[crmUpdate](), params: name("contact[email]")},
		{name: "inside a scalar", e: form, typ: reflect.TypeFor[crmUpdate](), params: name("type[x]")},
		{name: "inside a map", e: form, typ: reflect.TypeFor[crmUpdate](), params: name("contact[fields][x]")},
		{name: "no type", e: form, params: name("email"), ok: true},
		{name: "bad brackets", e: form, params: name("a[")},
		{name: "dot", e: form, params: name("a.b")},
		{name: "proto inside", e: form, params: name("a[__proto__]")},
		{name: "member", e: form, params: name("valueOf")},
		{name: "twice", e: form, params: append(name("a"), name("a")...)},
		{name: "name and container", e: form, params: append(name("a"), name("a[b]")...)},
		{name: "same name in query", e: form, params: []payload.Param{{Name: "a"}, {Name: "a", In: payload.InQuery}}, ok: true},
		{name: "JSON", e: js, typ: reflect.TypeFor[task](), params: name("token"), ok: true},
		{name: "JSON field", e: js, typ: reflect.TypeFor[task](), params: name("email")},
		{name: "JSON list", e: js, typ: reflect.TypeFor[[]int](), params: name("email")},
		{name: "JSON list, query", e: js, typ: reflect.TypeFor[[]int](), params: []payload.Param{{Name: "a", In: payload.InQuery}}, ok: true},
		{name: "JSON interface", e: js, typ: reflect.TypeFor[any](), params: name("email"), ok: true},
		{name: "thin", e: thin, typ: reflect.TypeFor[task](), params: name("email"), ok: true},
		{name: "thin member", e: thin, typ: reflect.TypeFor[task](), params: name("type")},
		{name: "JSON in a form", e: field, typ: reflect.TypeFor[task](), params: name("email"), ok: true},
		{name: "JSON in a form, its field", e: field, typ: reflect.TypeFor[task](), params: name("payload")},
		{name: "place", e: js, params: []payload.Param{{Name: "a", In: 7}}},
		{name: "empty", e: js, params: name("")},
		{name: "value not UTF-8", e: js, params: []payload.Param{{Name: "a", Value: "SECRET\xff"}}},
		{name: "too many", e: js, params: make([]payload.Param, 65)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.e.CheckParams(tt.typ, tt.params)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, payload.ErrParam) {
				t.Errorf("CheckParams(%v) = %v, want nil: %t", tt.params, err, tt.ok)
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("CheckParams = %v, which holds the value", err)
			}
		})
	}
}

// TestParamIsSilent shows that no verb, log or JSON gives a secret value.
func TestParamIsSilent(t *testing.T) {
	const canary = "CANARY-7f3a"
	p := payload.Param{Name: "token", Value: canary, Secret: true}
	holder := struct {
		Params []payload.Param
		One    *payload.Param
	}{[]payload.Param{p}, &p}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %v"} {
		args := []any{p}
		if verb == "%T %v" {
			args = []any{p, &p}
		}
		fmt.Fprintf(&out, verb, args...)
		fmt.Fprintf(&out, verb, append(args[:0:0], holder, holder)...)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "p", p, "ptr", &p, "holder", holder)
	}
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the value shows in %s", out.String())
	}
}

// TestParamJSON shows what a management API writes and reads.
func TestParamJSON(t *testing.T) {
	for _, tt := range []struct {
		name  string
		param payload.Param
		text  string
		err   error // of reading the text back
	}{
		{name: "secret", param: payload.Param{Name: "t", Value: "v", Secret: true}, text: `{"name":"t","in":"body","secret":true,"redacted":true}`, err: payload.ErrRedacted},
		{name: "open", param: payload.Param{Name: "list", Value: "7", In: payload.InQuery}, text: `{"name":"list","value":"7","in":"query"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.param)
			if err != nil || string(text) != tt.text {
				t.Errorf("Marshal(%v) = %s, %v, want %s", tt.param, text, err, tt.text)
			}
			var back payload.Param
			if err := json.Unmarshal(text, &back); !errors.Is(err, tt.err) || err == nil && back != tt.param {
				t.Errorf("Unmarshal(%s) = %v, %v, want %v, %v", text, back, err, tt.param, tt.err)
			}
		})
	}
	var back payload.Param
	if err := json.Unmarshal([]byte(`{"name":"t","value":"v","secret":true}`), &back); err != nil || back.Value != "v" || !back.Secret {
		t.Errorf("Unmarshal of a new secret = %v, %v, want its value", back, err)
	}
	for _, bad := range []string{`{"in":"header"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("Unmarshal(%s) = nil, want an error", bad)
		}
	}
}

// TestBodyIsSilent shows that neither fmt nor slog gives the content.
func TestBodyIsSilent(t *testing.T) {
	const canary = "CANARY-7f3a"
	body := payload.Body{ContentType: "application/json", Data: []byte(`"` + canary + `"`)}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x", body, body, body, body, &body, []any{body})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "body", body)
	for _, bad := range []string{canary, fmt.Sprintf("%x", canary)} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("the content shows in %s", out.String())
		}
	}
	for _, good := range []string{"application/json, 13 bytes", `"size":13`, `"sha256":"`} {
		if !strings.Contains(out.String(), good) {
			t.Errorf("%s does not hold %s", out.String(), good)
		}
	}
}

// TestZeroAllocations holds what the package promises about reused buffers.
func TestZeroAllocations(t *testing.T) {
	form, js := payload.Form(payload.FormOptions{}), payload.JSON(payload.JSONOptions{})
	params := []payload.Param{{Name: "secrettoken", Value: "s", Secret: true}}
	body, err := form.Encode(nil, &payload.Event{Data: leadExample()})
	if err != nil {
		t.Fatal(err)
	}
	jsBody, err := js.Encode(nil, &payload.Event{Data: plainExample()})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	leadEvent, plainEvent := &payload.Event{Data: leadExample()}, &payload.Event{Data: plainExample()}
	timeEvent := &payload.Event{Data: crmHeadExample("x")}
	for _, tt := range []struct {
		name string
		f    func() error
	}{
		{name: "form", f: func() error { _, err := form.Encode(buf, leadEvent); return err }},
		{name: "form with a time", f: func() error { _, err := form.Encode(buf, timeEvent); return err }},
		{name: "JSON", f: func() error { _, err := js.Encode(buf, plainEvent); return err }},
		{name: "splice form", f: func() error { _, err := payload.Splice(buf, &body, params); return err }},
		{name: "splice JSON", f: func() error { _, err := payload.Splice(buf, &jsBody, params); return err }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, func() {
				if err := tt.f(); err != nil {
					t.Error(err)
				}
			}); n >= 1 {
				t.Errorf("%s: %v allocations, want 0", tt.name, n)
			}
		})
	}
}
