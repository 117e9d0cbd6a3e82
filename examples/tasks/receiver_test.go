package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
)

func TestTasks(t *testing.T) {
	var story bytes.Buffer
	platform := newTasks(&story)
	path := platform.add("{{full_name}} {{extra_fields.eta}}")
	good := kittest.Golden(t, "3-task-extra")
	for _, tt := range []struct {
		name, method, path, kind, body string
		status                         int
		says                           string
	}{
		{name: "good", body: good, status: 202},
		{name: "charset", kind: "application/json; charset=utf-8", body: good, status: 202},
		{name: "another token", path: "/tasks/guessed", body: good, status: 404},
		{name: "no token", path: "/tasks/", body: good, status: 404},
		{name: "GET", method: http.MethodGet, status: 405},
		{name: "a form", kind: "application/x-www-form-urlencoded", body: "full_name=x", status: 415},
		{name: "too long", body: `{"full_name":"` + strings.Repeat("x", maxBody) + `"}`, status: 413},
		{name: "no JSON", body: `{"full_name":`, status: 400},
		{name: "null", body: `null`, status: 400},
		{name: "a list", body: `[]`, status: 400},
		{name: "more than one value", body: good + `{}`, status: 400},
		{name: "a number for a name", body: strings.Replace(good, `"Giulia Bianchi"`, `1`, 1), status: 400},
		{name: "extra fields in a list", body: strings.Replace(good, `{"eta":29`, `[{"eta":29`, 1) + "]", status: 400},
		{name: "no email", body: strings.Replace(good, "email", "mail", 1), status: 422, says: "email"},
		{name: "blank phone", body: strings.Replace(good, "+39344999888", " ", 1), status: 422, says: "phone"},
		{name: "nested extra field", body: strings.Replace(good, "29", "{}", 1), status: 422, says: "extra_fields.eta"},
		{name: "no age", body: strings.Replace(good, "eta", "age", 1), status: 422, says: "extra_fields.eta"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, where, kind := http.MethodPost, path, jsonType
			if tt.method != "" {
				method = tt.method
			}
			if tt.path != "" {
				where = tt.path
			}
			if tt.kind != "" {
				kind = tt.kind
			}
			story.Reset()
			r := httptest.NewRequestWithContext(t.Context(), method, where, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			platform.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("answered %d %q, want %d with %q", w.Code, w.Body.String(), tt.status, tt.says)
			}
			if started := strings.Contains(story.String(), "starts a task: Giulia Bianchi 29\n"); started != (tt.status == 202) {
				t.Errorf("the platform says %q", story.String())
			}
		})
	}
	if other := platform.add(""); len(other) < len("/tasks/")+26 || other == path {
		t.Errorf("add gave %s after %s, want another of 26 random characters", other, path)
	}
}

func TestFill(t *testing.T) {
	c := Contact{FullName: "Ada {{email}}", Phone: "1", Email: "a@example.com", ExtraFields: payload.Fields{
		{Name: "eta", Value: 29}, {Name: "città", Value: "Forlì"}, {Name: "yes", Value: true}, {Name: "none", Value: nil},
	}}
	for _, tt := range []struct{ name, template, want, err string }{
		{name: "text alone", template: "no { {names} }", want: "no { {names} }"},
		{name: "number", template: "{{extra_fields.eta}}", want: "29"},
		{name: "spaces", template: "<{{ phone }}>", want: "<1>"},
		{name: "all kinds", template: "{{extra_fields.città}} {{extra_fields.yes}} {{extra_fields.none}}.", want: "Forlì true ."},
		{name: "a value is no template", template: "{{full_name}}", want: "Ada {{email}}"},
		{name: "unknown", template: "{{name}}", err: `"name"`},
		{name: "unknown extra field", template: "{{extra_fields.Eta}} {{eta}}", err: "\"extra_fields.Eta\", which is not in the body\nthe task asks for \"eta\""},
		{name: "empty", template: "{{}}", err: `""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fill(tt.template, c)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("fill(%q) = %q, %v, want %q, %s", tt.template, got, err, tt.want, tt.err)
			}
		})
	}
}
