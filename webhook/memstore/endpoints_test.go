package memstore_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func set(t *testing.T, s *memstore.Store, e webhook.Endpoint) *webhook.Endpoint {
	t.Helper()
	stored, err := s.Set(t.Context(), &e)
	if err != nil {
		t.Fatalf("Set(%s): %v", e.ID, err)
	}
	return stored
}

func endpointIDs(list []*webhook.Endpoint) []string {
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
	}
	return got
}

func TestMatch(t *testing.T) {
	s := memstore.New(memstore.Options{})
	link, space := webhook.In("link", "1"), webhook.In("workspace", "1")
	set(t, s, webhook.Endpoint{ID: "all", Scope: link})
	set(t, s, webhook.Endpoint{ID: "types", Scope: link, Name: "n", Types: []string{"link.clicked", "lead.*"}})
	set(t, s, webhook.Endpoint{ID: "source", Scope: space, Sources: []string{"api"}, Status: webhook.Disabled})
	set(t, s, webhook.Endpoint{ID: "everywhere", Scope: webhook.Everywhere, Status: webhook.Paused})
	for _, tt := range []struct {
		name string
		q    webhook.Query
		want []string
	}{
		{name: "one scope", q: webhook.Query{Scopes: []webhook.Scope{link}, Type: "link.made"}, want: []string{"all", "everywhere"}},
		{name: "prefix", q: webhook.Query{Scopes: []webhook.Scope{link}, Type: "lead.created"}, want: []string{"all", "types", "everywhere"}},
		{name: "two scopes", q: webhook.Query{Scopes: []webhook.Scope{space, link}, Type: "link.clicked", Source: "api"}, want: []string{"source", "all", "types", "everywhere"}},
		{name: "no scope", q: webhook.Query{Type: "x"}, want: []string{"everywhere"}},
		{name: "another source", q: webhook.Query{Scopes: []webhook.Scope{space}, Type: "x", Source: "admin"}, want: []string{"everywhere"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := s.Match(t.Context(), tt.q); err != nil || !slices.Equal(endpointIDs(got), tt.want) {
				t.Errorf("Match(%+v) = %v, %v, want %v", tt.q, endpointIDs(got), err, tt.want)
			}
		})
	}
	if err := s.Remove(t.Context(), "everywhere"); err != nil {
		t.Errorf("Remove = %v", err)
	}
	if got, err := s.Match(t.Context(), webhook.Query{Type: "x"}); err != nil || got != nil {
		t.Errorf("Match of nothing = %v, %v, want nil", got, err)
	}
}

func TestSet(t *testing.T) {
	s := memstore.New(memstore.Options{MaxEndpoints: 3})
	one, two := webhook.In("list", "1"), webhook.In("list", "2")
	set(t, s, webhook.Endpoint{ID: "a", Scope: one, Types: []string{"x", "y"}})
	set(t, s, webhook.Endpoint{ID: "b", Scope: one, Name: "b"})
	set(t, s, webhook.Endpoint{ID: "c", Scope: two})
	for _, tt := range []struct {
		name   string
		e      webhook.Endpoint
		wantID string
		want   error
	}{
		{name: "same id", e: webhook.Endpoint{ID: "b", Scope: one, Name: "new"}, wantID: "b"},
		{name: "its old name is free", e: webhook.Endpoint{ID: "a", Scope: one, Name: "b"}, wantID: "a"},
		{name: "same scope, types and name", e: webhook.Endpoint{ID: "other", Scope: one, Name: "b"}, wantID: "a"},
		{name: "without an id", e: webhook.Endpoint{Scope: two, URL: "https://example.com/"}, wantID: "c"},
		{name: "types in another order", e: webhook.Endpoint{ID: "a", Scope: one, Types: []string{"y", "x"}}, wantID: "a"},
		{name: "and without an id", e: webhook.Endpoint{Scope: one, Types: []string{"x", "y"}}, wantID: "a"},
		{name: "another scope", e: webhook.Endpoint{ID: "a", Scope: two}, want: webhook.ErrConflict},
		{name: "two at once", e: webhook.Endpoint{ID: "b", Scope: one, Types: []string{"x", "y"}}, want: webhook.ErrConflict},
		{name: "no scope", e: webhook.Endpoint{ID: "z"}, want: webhook.ErrInvalidScope},
		{name: "too many", e: webhook.Endpoint{ID: "d", Scope: two, Name: "d"}, want: webhook.ErrFull},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored, err := s.Set(t.Context(), &tt.e)
			if tt.want != nil {
				wantErr(t, "Set", err, tt.want)
				return
			}
			if err != nil || stored.ID != tt.wantID {
				t.Errorf("Set = %+v, %v, want it stored as %s", stored, err, tt.wantID)
			}
		})
	}
	for scope, want := range map[webhook.Scope][]string{one: {"a", "b"}, two: {"c"}} {
		if got, err := s.List(t.Context(), scope); err != nil || !slices.Equal(endpointIDs(got), want) {
			t.Errorf("List(%s) = %v, %v, want %v", scope, endpointIDs(got), err, want)
		}
	}
	if _, err := s.Set(t.Context(), &webhook.Endpoint{Scope: one, Name: "new one"}); err == nil {
		t.Error("Set of a new endpoint without an ID returned no error")
	}
	if _, err := s.Set(t.Context(), nil); err == nil {
		t.Error("Set(nil) returned no error")
	}
}

func TestSetCopies(t *testing.T) {
	s := memstore.New(memstore.Options{})
	e := webhook.Endpoint{
		ID: "a", Scope: webhook.In("list", "1"), Types: []string{"x"}, Sources: []string{"api"}, Fields: []string{"f"},
		Params:  []payload.Param{{Name: "p", Value: "v"}},
		Headers: []webhook.Header{{Name: "H", Value: "v"}}, Meta: map[string]string{"k": "v"},
	}
	stored := set(t, s, e)
	want := fmt.Sprintf("%+v", *stored)
	e.Types[0], e.Sources[0], e.Fields[0], e.Meta["k"] = "changed", "changed", "changed", "changed"
	e.Params[0].Name, e.Headers[0].Name = "changed", "changed"
	if got := fmt.Sprintf("%+v", *stored); got != want {
		t.Errorf("after the caller changed its own, the store has %s, want %s", got, want)
	}
	if stored.Meta["k"] != "v" || stored.Types[0] != "x" {
		t.Errorf("the store shares %v and %v with its caller", stored.Meta, stored.Types)
	}
}

func TestStatus(t *testing.T) {
	s := memstore.New(memstore.Options{})
	before := set(t, s, webhook.Endpoint{ID: "a", Scope: webhook.In("list", "1")})
	get := func() *webhook.Endpoint {
		t.Helper()
		list, err := s.Endpoints(t.Context(), []string{"none", "a"})
		if err != nil || len(list) != 1 {
			t.Fatalf("Endpoints = %v, %v, want a", list, err)
		}
		return list[0]
	}
	if err := s.SetStatus(t.Context(), "a", webhook.Paused, "by hand"); err != nil {
		t.Errorf("SetStatus = %v", err)
	}
	if e := get(); e.Status != webhook.Paused || e.StatusReason != "by hand" || before.Status != 0 {
		t.Errorf("status %v for %q, the one before %v, want paused by hand, active", e.Status, e.StatusReason, before.Status)
	}
	for _, reason := range []string{"gone", "again"} {
		if err := s.Disable(t.Context(), "a", reason); err != nil {
			t.Errorf("Disable = %v", err)
		}
	}
	if e := get(); e.Status != webhook.Disabled || e.StatusReason != "gone" {
		t.Errorf("status %v for %q, want disabled for the first reason", e.Status, e.StatusReason)
	}
	found, err := s.Match(t.Context(), webhook.Query{Scopes: []webhook.Scope{before.Scope}, Type: "x"})
	if err != nil || len(found) != 1 || found[0].Status != webhook.Disabled {
		t.Errorf("Match = %v, %v, want the disabled endpoint", found, err)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Errorf("Remove = %v", err)
	}
	err = s.Disable(t.Context(), "a", "x")
	if err != nil {
		t.Errorf("Disable of an unknown endpoint = %v", err)
	}
	wantErr(t, "SetStatus of an unknown endpoint", s.SetStatus(t.Context(), "a", webhook.Active, ""), webhook.ErrNotFound)
	wantErr(t, "Remove of an unknown endpoint", s.Remove(t.Context(), "a"), webhook.ErrNotFound)
}
