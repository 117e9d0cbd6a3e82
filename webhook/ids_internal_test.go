package webhook

import (
	"strings"
	"testing"
	"time"
)

func TestIDs(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	const n = 2*idsAtOnce + 3 // more than one read of random bytes
	all := newIDs(now, n)
	seen := map[string]bool{all.message(): true}
	for i := range n {
		seen[all.delivery(i)] = true
	}
	if len(seen) != n+1 {
		t.Errorf("%d different ids, want %d", len(seen), n+1)
	}
	halves := map[string]bool{}
	for id := range seen {
		prefix := "dlv_"
		if id == all.message() {
			prefix = "msg_"
		}
		if len(id) != idLen || !strings.HasPrefix(id, prefix) || strings.Trim(id[4:], crockford) != "" {
			t.Errorf("id %q, want %q and 26 digits", id, prefix)
		}
		var ms int64
		for _, c := range id[4:14] {
			ms = ms<<5 | int64(strings.IndexRune(crockford, c))
		}
		if ms != now.UnixMilli() {
			t.Errorf("id %q is of %d ms, want %d", id, ms, now.UnixMilli())
		}
		halves[id[14:22]], halves[id[22:]] = true, true
	}
	if len(halves) != 2*(n+1) {
		t.Errorf("%d different random halves, want %d", len(halves), 2*(n+1))
	}
}
