package main

import (
	"bytes"
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/webhook"
)

func TestStory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, nil, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	for _, want := range []string{
		"product.sold in shop 7 concerns 2 hooks", // not the one for returns
		`receiver /all: got {"product":"teapot","count":2}`,
		"hook 3 is off: ",
		"product.returned in shop 7 concerns 3 hooks",
		"hook 3 is not told: the endpoint is disabled: its receiver answered that it is gone",
		`receiver /all: got {"product":"teapot"}`,
		`receiver /returns: got {"product":"teapot"}`,
		"product.sold in shop 8 concerns 0 hooks",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not there, or more than once, in\n%s", want, out.String())
		}
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "content-type: application/json\ncontent-length: 30\n\n"+`{"product":"teapot","count":2}`+"\n") {
		t.Errorf("run(-print) = %q", out.String())
	}
}

func openHost(t *testing.T) *host {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "host.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h, err := open(t.Context(), db, new(kit.Options), new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ids(found []*webhook.Endpoint) string {
	var all []string
	for _, e := range found {
		all = append(all, e.ID)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestHooks(t *testing.T) {
	h := openHost(t)
	ctx := t.Context()
	for _, row := range []struct {
		shop             int64
		employee, topics string
	}{{shop: 7, employee: "bob"}, {shop: 7, employee: "ada", topics: "product.sold product.returned"}, {shop: 8, employee: "eve", topics: "product.sold"}} {
		if err := h.hooks.add(ctx, h.out, row.shop, row.employee, "https://shop.example/hook", row.topics); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		scopes []webhook.Scope
		topic  string
		want   string
	}{
		{name: "one shop", scopes: []webhook.Scope{inShop(7)}, topic: "product.sold", want: "1 2"},
		{name: "two shops", scopes: []webhook.Scope{inShop(7), inShop(8)}, topic: "product.sold", want: "1 2 3"},
		{name: "another topic", scopes: []webhook.Scope{inShop(7), inShop(8)}, topic: "product.viewed", want: "1"},
		{name: "a part of a topic", scopes: []webhook.Scope{inShop(8)}, topic: "sold"},
		{name: "no shop", scopes: []webhook.Scope{webhook.In("user", "7")}, topic: "product.sold"},
		{name: "no scope", topic: "product.sold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.hooks.Match(ctx, webhook.Query{Scopes: tt.scopes, Type: tt.topic})
			if err != nil || ids(got) != tt.want {
				t.Errorf("Match(%v, %s) = %q, %v, want %q", tt.scopes, tt.topic, ids(got), err, tt.want)
			}
		})
	}
	if err := h.hooks.Disable(ctx, "2", "it is gone"); err != nil {
		t.Fatal(err)
	}
	if err := h.hooks.Disable(ctx, "99", "it never was"); err != nil {
		t.Errorf("Disable of what is not there = %v, want nil", err)
	}
	got, err := h.hooks.Endpoints(ctx, []string{"2", "99", "x"})
	if err != nil || ids(got) != "2" {
		t.Fatalf("Endpoints = %q, %v, want 2", ids(got), err)
	}
	if e := got[0]; e.Status != webhook.Disabled || e.StatusReason != "it is gone" || e.Meta["employee"] != "ada" || len(e.Secrets) != 1 {
		t.Errorf("the disabled hook = %v, %q, %v, %d secrets", e.Status, e.StatusReason, e.Meta, len(e.Secrets))
	}
	if err := h.hooks.add(ctx, h.out, 7, "ada", "http://127.0.0.1/hook", ""); err == nil {
		t.Error("a hook that points at this machine was added")
	}
}

// TestUnusableRow has a hook whose secret is damaged: it costs no other hook
// anything.
func TestUnusableRow(t *testing.T) {
	h := openHost(t)
	ctx := t.Context()
	for range 2 {
		if err := h.hooks.add(ctx, h.out, 7, "ada", "https://shop.example/hook", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.db.ExecContext(ctx, "UPDATE hooks SET secret = 'whsec_?' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	receipt, err := h.out.Dispatch(ctx, ProductReturned{Product: "teapot"}, inShop(7))
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]webhook.State{}
	for _, d := range receipt.Deliveries {
		states[d.EndpointID] = d.State
	}
	if len(states) != 2 || states["1"] != webhook.Cancelled || states["2"] != webhook.Pending {
		t.Errorf("the deliveries are %v, want 1 cancelled and 2 pending", states)
	}
}

// TestRollback has the queue and the host's own table in one transaction.
func TestRollback(t *testing.T) {
	h := openHost(t)
	ctx := t.Context()
	if err := h.hooks.add(ctx, h.out, 7, "ada", "https://shop.example/hook", ""); err != nil {
		t.Fatal(err)
	}
	h.db.SetMaxOpenConns(1) // what goes around the transaction would wait for ever
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	bounded, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	receipt, err := h.out.DispatchTx(bounded, outbox{Outbox: h.queue.InTx(tx), tx: tx}, ProductReturned{Product: "teapot"}, inShop(7))
	if err != nil || len(receipt.Deliveries) != 1 {
		t.Errorf("DispatchTx = %d deliveries, %v, want 1", len(receipt.Deliveries), err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if counts, err := h.queue.Counts(ctx); err != nil || counts.Pending != 0 {
		t.Errorf("after the rollback %d deliveries are pending, %v, want none", counts.Pending, err)
	}
}
