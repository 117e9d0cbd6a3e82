package sqlcore //nolint:testpackage // what is tested has no exported name

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

func recalledFor(s *Store, scopes ...webhook.Scope) *recalled {
	_, check := s.Recall(webhook.Query{Scopes: scopes})
	r, _ := check.(*recalled)
	return r
}

// What is remembered is bounded, by matches and by endpoints, and counted.
func TestMatchesAreBounded(t *testing.T) {
	for _, each := range []int{0, 1, mostRemembered} {
		s := &Store{d: PostgreSQL}
		for i := range 2*mostInAll + 3 {
			s.remember([]webhook.Scope{webhook.In("link", strconv.Itoa(i%(mostInAll+2)))}, make([]*webhook.Endpoint, each), nil)
			if n := len(s.matches.byScopes); n > mostInAll || s.matches.endpoints > mostInAll+mostRemembered {
				t.Fatalf("%d matches and %d endpoints are remembered, want %d at most", n, s.matches.endpoints, mostInAll)
			}
		}
		if want := len(s.matches.byScopes) * each; s.matches.endpoints != want {
			t.Errorf("%d endpoints are counted, want %d", s.matches.endpoints, want)
		}
	}
	s := &Store{d: PostgreSQL}
	s.remember([]webhook.Scope{"link:1"}, make([]*webhook.Endpoint, mostRemembered+1), nil)
	if recalledFor(s, "link:1") != nil {
		t.Errorf("a match of %d endpoints is remembered, want none of more than %d", mostRemembered+1, mostRemembered)
	}
}

// A match is remembered for its scopes alone, for a while, and until it is found
// to be out of date, which is not said of a later one.
func TestMatchesAreForgotten(t *testing.T) {
	one := make([]*webhook.Endpoint, 1)
	s := &Store{d: PostgreSQL}
	s.remember([]webhook.Scope{"link:1", "link:2"}, one, []string{"1.1"})
	s.remember([]webhook.Scope{"link:1"}, one, []string{"1.1"})
	old := recalledFor(s, "link:1")
	if old == nil || recalledFor(s, "link:2") != nil || recalledFor(s, "link:1", "link:2") == old {
		t.Fatal("a match is not remembered for its scopes alone")
	}
	if want := `{"link:1","*"}`; old.scopes != want || old.versions != "1.1" {
		t.Errorf("to be checked: %s, %s; want %s, 1.1", old.scopes, old.versions, want)
	}
	s.remember([]webhook.Scope{"link:1"}, one, []string{"1.2"})
	s.forget([]*recalled{old})
	now := recalledFor(s, "link:1")
	if now == nil || now.versions != "1.2" {
		t.Fatalf("after an older match was found out of date, %+v is remembered, want the later one", now)
	}
	s.forget([]*recalled{now})
	if recalledFor(s, "link:1") != nil || s.matches.endpoints != 1 {
		t.Errorf("what is out of date is remembered, or counted: %d endpoints, want 1", s.matches.endpoints)
	}
	both := recalledFor(s, "link:1", "link:2")
	both.until = time.Now().Add(-time.Second)
	if recalledFor(s, "link:1", "link:2") != nil {
		t.Error("a match is remembered beyond its time")
	}
}

// What a match held, secrets included, is dropped when its time is over, be it asked
// for once more or not.
func TestMatchesAreDroppedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{d: PostgreSQL}
		for _, scope := range []webhook.Scope{"link:1", "link:2"} {
			s.remember([]webhook.Scope{scope}, make([]*webhook.Endpoint, 1), nil)
		}
		time.Sleep(rememberedFor + 1)
		if recalledFor(s, "link:1") != nil || len(s.matches.byScopes) != 1 {
			t.Errorf("%d matches are kept beyond their time, want 1, which nobody asked for", len(s.matches.byScopes))
		}
		s.remember([]webhook.Scope{"link:3"}, make([]*webhook.Endpoint, 1), nil)
		if n := len(s.matches.byScopes); n != 1 || s.matches.endpoints != 1 || recalledFor(s, "link:3") == nil {
			t.Errorf("%d matches are kept, %d endpoints; want the latest alone", n, s.matches.endpoints)
		}
	})
}

// No text that a scope may be made of reaches the database as what it refuses.
func TestScopesOfACheckAreStorable(t *testing.T) {
	s := &Store{d: PostgreSQL}
	scope := webhook.In("link", "\xff\"\\{},")
	if err := scope.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	s.remember([]webhook.Scope{scope}, nil, nil)
	if got, want := recalledFor(s, scope).scopes, "{\"link:\uFFFD\\\"\\\\{},\",\"*\"}"; got != want {
		t.Errorf("to be checked: %s, want %s", got, want)
	}
}
