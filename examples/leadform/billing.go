package main

import (
	"context"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

// billing notes which leads an advertiser had already. It follows the feed of
// final states: what it could not note is there again the next time, while a
// call of the hook Ended is lost when the process ends before it.
type billing struct {
	history webhook.History
	book    Book
	// cursor is how far the feed was followed. A platform with a database
	// stores it there, in the transaction that notes the leads.
	cursor string
}

// settle notes what has ended since the last call.
func (b *billing) settle(ctx context.Context) error {
	for {
		ended, next, err := b.history.Finals(ctx, b.cursor, 100)
		if err != nil {
			return fmt.Errorf("billing: %w", err)
		}
		for i := range ended {
			if err := b.note(ctx, &ended[i]); err != nil {
				return fmt.Errorf("billing: delivery %s: %w", ended[i].ID, err)
			}
		}
		if b.cursor = next; len(ended) == 0 {
			return nil
		}
	}
}

// note handles one delivery. Duplicate is the state of a delivery whose
// receiver answered "known already".
func (b *billing) note(ctx context.Context, d *webhook.Delivery) error {
	if d.State != webhook.Duplicate {
		return nil
	}
	_, message, err := b.history.Delivery(ctx, d.ID)
	if err != nil {
		return err
	}
	return b.book.NotCounted(message.EventID, message.ID)
}
