package webhook

import (
	"slices"
	"strconv"
	"testing"
)

func TestWanting(t *testing.T) {
	in := func(id string, scope Scope) *Endpoint { return &Endpoint{ID: id, Scope: scope} }
	a, b, c := in("a", "link:1"), in("b", "link:1"), in("c", Everywhere)
	other := in("d", "link:2")
	for _, tt := range []struct {
		name        string
		found, want []*Endpoint
	}{
		{name: "nothing"},
		{name: "one", found: []*Endpoint{a}, want: []*Endpoint{a}},
		{name: "one of another scope", found: []*Endpoint{other}},
		{name: "one nil", found: []*Endpoint{nil}},
		{name: "all", found: []*Endpoint{a, b, c}, want: []*Endpoint{a, b, c}},
		{name: "twice", found: []*Endpoint{a, b, in("a", "link:1"), c, b}, want: []*Endpoint{a, b, c}},
		{name: "more than matches", found: []*Endpoint{other, a, nil, b, other}, want: []*Endpoint{a, b}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given := slices.Clone(tt.found)
			if got := wanting(tt.found, Query{Scopes: []Scope{"link:1"}}); !slices.Equal(got, tt.want) {
				t.Errorf("wanting = %v, want %v", got, tt.want)
			}
			if !slices.Equal(tt.found, given) {
				t.Error("wanting changed what the store returned")
			}
		})
	}
}

func TestIDSet(t *testing.T) {
	const n = 5000
	all := make([]*Endpoint, 2*n)
	for i := range all {
		all[i] = &Endpoint{ID: strconv.Itoa(i % n)}
	}
	s := newIDSet(len(all))
	for i := range all {
		if got, want := s.add(all, i), i < n; got != want {
			t.Fatalf("add(%d) = %v, want %v", i, got, want)
		}
	}
}
