package sqltest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
)

// load enqueues n deliveries, a message for every fan of them; endpoint names
// the endpoint of each, key its ordered lane, if it has one.
func load(tb testing.TB, q webhook.BatchOutbox, n, fan int, endpoint func(i int) string, key func(i int) (string, bool)) {
	tb.Helper()
	stamp := time.Now().UnixNano()
	var group []*webhook.Batch
	size := 0
	flush := func() {
		if _, err := q.EnqueueAll(context.Background(), group); err != nil {
			tb.Fatal(err)
		}
		group, size = nil, 0
	}
	for i := 0; i < n; {
		m := &webhook.Message{
			ID: fmt.Sprintf("msg_%d_%d", stamp, i), Type: "contact.created", Time: time.Now(),
			Bodies: []webhook.Body{{Variant: "json", Body: payload.Body{ContentType: "application/json", Data: make([]byte, 240), Tail: 1}}},
		}
		b := &webhook.Batch{Message: m}
		for k := 0; k < fan && i < n; k++ {
			d := webhook.Delivery{
				ID: fmt.Sprintf("dlv_%d_%d", stamp, i), MessageID: m.ID, EndpointID: endpoint(i), Policy: "at-least-once", State: webhook.Pending,
			}
			if key != nil {
				d.Key, d.Ordered = key(i)
			}
			b.Deliveries = append(b.Deliveries, d)
			i++
		}
		group = append(group, b)
		if size += len(b.Deliveries); size >= 1000 {
			flush()
		}
	}
	if size > 0 {
		flush()
	}
}

func settlements(got []webhook.Claimed) []webhook.Settlement {
	items := make([]webhook.Settlement, len(got))
	for i, c := range got {
		items[i] = webhook.Settlement{
			ID: c.Delivery.ID, EndpointID: c.Delivery.EndpointID, Token: c.Token, State: webhook.Delivered, Health: webhook.Healthy,
		}
	}
	return items
}
