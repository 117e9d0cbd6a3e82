package sqltest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// A lease that Extend shortens ends at its new time, on any number of lanes:
// the sweep, which looks at 16 deliveries a second, would need two minutes.
func TestExtendShortens(t *testing.T) {
	const n = 2000
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			s, _, _ := store(t, d)
			load(t, s, n, 1, func(i int) string { return fmt.Sprintf("ep-%d", i) }, nil)
			ctx := context.Background()
			claim := webhook.Claim{Limit: 500, MaxBytes: 1 << 30, PerEndpoint: 10, Lease: time.Hour}
			var leases []webhook.Lease
			all := func(what string, keep func(webhook.Claimed)) {
				t.Helper()
				seen := 0
				for start := time.Now(); seen < n; {
					got, err := s.Claim(ctx, claim)
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range got {
						keep(c)
					}
					seen += len(got)
					if since := time.Since(start); since > 30*time.Second {
						t.Fatalf("%s: %d of %d deliveries in %v", what, seen, n, since)
					}
				}
			}
			all("the first leases", func(c webhook.Claimed) {
				leases = append(leases, webhook.Lease{ID: c.Delivery.ID, Token: c.Token})
			})
			if stale, err := s.Extend(ctx, leases, time.Millisecond); err != nil || len(stale) > 0 {
				t.Fatalf("Extend = %v, %v, want none, nil", stale, err)
			}
			all("after Extend to 1 ms", func(c webhook.Claimed) {
				if !c.Expired {
					t.Errorf("delivery %s comes again without Expired", c.Delivery.ID)
				}
			})
		})
	}
}
