package simtest_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// worlds is how many worlds are tried.
func worlds() int {
	if full() {
		return 1000
	}
	return 50
}

// full reports whether the long forms of the tests are asked for.
func full() bool { return os.Getenv("OUTHOOK_FULL") == "1" }

// chosen returns the one seed that the environment asks for.
func chosen(t *testing.T) (seed, bool) {
	t.Helper()
	text := os.Getenv("OUTHOOK_SEED")
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("OUTHOOK_SEED=%q: it must be a number", text)
	}
	return seed(n), true
}

func TestWorlds(t *testing.T) {
	if s, ok := chosen(t); ok {
		found, lived := simulate(t, s, nil, true)
		for _, line := range lived.story {
			t.Log(line)
		}
		report(t, s, found)
		return
	}
	const shards = 4
	var mu sync.Mutex
	seen := map[string]int{}
	t.Run("all", func(t *testing.T) {
		for shard := range shards {
			t.Run(strconv.Itoa(shard), func(t *testing.T) {
				t.Parallel()
				for n := shard; n < worlds(); n += shards {
					found, lived := simulate(t, seed(n), nil, false)
					report(t, seed(n), found)
					mu.Lock()
					for what, n := range lived.seen {
						seen[what] += n
					}
					mu.Unlock()
				}
			})
		}
	})
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%7d %s", seen[what], what)
	}
	for _, what := range needed() {
		if seen[what] == 0 {
			t.Errorf("no world has any of: %s", what)
		}
	}
}

// needed lists what worlds are for.
func needed() []string {
	return []string{
		"requests", "repeated requests", "answers 410", "deaths", "drains judged", "dispatches refused",
		"ended delivered", "ended failed", "ended cancelled",
		"leases that ended", "leases extended", "stale settlements", "given back unsent", "claims nobody heard of",
		"parked as paused", "parked by rate", "circuits opened", "disabled by the dispatcher",
		"edits: disabled", "edits: removed", "edits: paused", "edits: moved",
	}
}

func report(t *testing.T, s seed, found []violation) {
	t.Helper()
	for i, v := range found {
		if i == 5 {
			t.Errorf("seed %d: and %d more", s, len(found)-i)
			break
		}
		t.Errorf("seed %d: %v (OUTHOOK_SEED=%d makes this world again)", s, v, s)
	}
}
