package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// A store takes both places of a webhook.Config, Endpoints and Queue. This is
// what a dispatcher does with them.
func ExampleNew() {
	ctx := context.Background()
	s := memstore.New(memstore.Options{MaxPending: 10_000})
	link := webhook.In("link", "42")
	if _, err := s.Set(ctx, &webhook.Endpoint{ID: "ep1", Scope: link, URL: "https://example.com/hook", Types: []string{"lead.*"}}); err != nil {
		fmt.Println(err)
		return
	}
	found, err := s.Match(ctx, webhook.Query{Scopes: []webhook.Scope{link}, Type: "lead.created"})
	if err != nil || len(found) == 0 {
		fmt.Println("no match", err)
		return
	}
	m := &webhook.Message{ID: "msg_1", Type: "lead.created", Bodies: []webhook.Body{{
		Variant: "json", Body: payload.Body{ContentType: "application/json", Data: []byte(`{"name":"Ada"}`)},
	}}}
	_, err = s.Enqueue(ctx, &webhook.Batch{Message: m, Deliveries: []webhook.Delivery{
		{ID: "dlv_1", MessageID: m.ID, EndpointID: found[0].ID, State: webhook.Pending},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	claimed, err := s.Claim(ctx, webhook.Claim{Limit: 10, MaxBytes: 1 << 20, PerEndpoint: 5, Lease: time.Minute})
	if err != nil || len(claimed) == 0 {
		fmt.Println("nothing is due", err)
		return
	}
	c := claimed[0]
	fmt.Printf("%s to %s: %s\n", c.Delivery.ID, c.Delivery.EndpointID, c.Message.Bodies[c.Delivery.Body].Data)
	_, err = s.Settle(ctx, []webhook.Settlement{{ID: c.Delivery.ID, EndpointID: "ep1", Token: c.Token, State: webhook.Delivered}})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _, err := s.Delivery(ctx, "dlv_1")
	fmt.Println(d.State, d.Attempts, err)
	// Output:
	// dlv_1 to ep1: {"name":"Ada"}
	// delivered 1 <nil>
}

// What is enqueued in a transaction is seen after its Commit, or never.
func ExampleStore_InTx() {
	ctx := context.Background()
	s := memstore.New(memstore.Options{})
	for _, end := range []string{"rollback", "commit"} {
		tx := s.Begin()
		// DispatchTx(ctx, s.InTx(tx), event, scopes...) does this:
		_, err := s.InTx(tx).Enqueue(ctx, &webhook.Batch{
			Message:    &webhook.Message{ID: "msg_" + end},
			Deliveries: []webhook.Delivery{{ID: "dlv_" + end, EndpointID: "ep1", State: webhook.Pending}},
		})
		if err != nil {
			fmt.Println(err)
		}
		if end == "rollback" {
			tx.Rollback()
		} else if err := tx.Commit(); err != nil {
			fmt.Println(err)
		}
		_, _, err = s.Delivery(ctx, "dlv_"+end)
		fmt.Println(end, errors.Is(err, webhook.ErrNotFound))
	}
	// Output:
	// rollback true
	// commit false
}
