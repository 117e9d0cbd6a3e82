package main

import (
	"context"
	"errors"
	"log"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

type LeadCreated struct{ Email string }

func (LeadCreated) EventType() string { return "lead.created" }

func main() {
	ctx, list, store := context.Background(), webhook.In("list", "7"), memstore.New(memstore.Options{})
	_, setErr := store.Set(ctx, &webhook.Endpoint{ID: "crm", Scope: list, URL: "https://example.com/hook"})
	d, newErr := webhook.New(webhook.Config{Endpoints: store, Queue: store})
	if err := errors.Join(setErr, newErr); err != nil {
		log.Fatal(err)
	}
	log.Println(d.Dispatch(ctx, LeadCreated{Email: "ada@example.com"}, list))
	log.Fatal(d.Run(ctx))
}
