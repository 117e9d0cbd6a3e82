package main

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// hooksTable was there before outhook: its ids are integers, a hook belongs to
// a shop and was made by one of its employees, and the topics are a list in one
// column.
const hooksTable = `CREATE TABLE hooks (
  id INTEGER PRIMARY KEY,
  shop_id INTEGER NOT NULL,
  employee TEXT NOT NULL,
  url TEXT NOT NULL,
  topics TEXT NOT NULL DEFAULT '', -- separated by spaces; empty for all
  secret TEXT NOT NULL,
  off_since TEXT,
  off_reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hooks_shop ON hooks (shop_id);
`

// hooks is the webhook.EndpointStore over that table: three methods, and the
// function that turns a row into an endpoint.
type hooks struct{ db *sql.DB }

var _ webhook.EndpointStore = (*hooks)(nil)

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

const columns = "SELECT id, shop_id, employee, url, topics, secret, off_since IS NOT NULL, off_reason FROM hooks"

// inShop is what a hook hangs on.
func inShop(id int64) webhook.Scope { return webhook.In("shop", strconv.FormatInt(id, 10)) }

// Match implements webhook.EndpointStore.
func (h *hooks) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	return match(ctx, h.db, q)
}

// match asks for the hooks of the shops in q that are for all topics or name
// this one. It could return more: the dispatcher looks again.
func match(ctx context.Context, db querier, q webhook.Query) ([]*webhook.Endpoint, error) {
	var shops []any
	for _, scope := range q.Scopes {
		if scope.Kind() == "shop" {
			shops = append(shops, scope.ID())
		}
	}
	if len(shops) == 0 {
		return nil, nil
	}
	return read(ctx, db, columns+" WHERE shop_id IN ("+marks(len(shops))+") AND (topics = '' OR instr(' ' || topics || ' ', ?) > 0)",
		append(shops, " "+q.Type+" ")...)
}

// Endpoints implements webhook.EndpointStore. What isn't a number is not there.
func (h *hooks) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	var known []any
	for _, id := range ids {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			known = append(known, n)
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	return read(ctx, h.db, columns+" WHERE id IN ("+marks(len(known))+")", known...)
}

// Disable implements webhook.EndpointStore.
func (h *hooks) Disable(ctx context.Context, id, reason string) error {
	_, err := h.db.ExecContext(ctx, "UPDATE hooks SET off_since = datetime('now'), off_reason = ? WHERE id = ? AND off_since IS NULL", reason, id)
	return err
}

func marks(n int) string { return "?" + strings.Repeat(", ?", n-1) }

func read(ctx context.Context, db querier, query string, args ...any) ([]*webhook.Endpoint, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*webhook.Endpoint
	for rows.Next() {
		var id, shop int64
		var employee, topics, secret string
		var off bool
		e := &webhook.Endpoint{Status: webhook.Active}
		if err := rows.Scan(&id, &shop, &employee, &e.URL, &topics, &secret, &off, &e.StatusReason); err != nil {
			return nil, err
		}
		e.ID, e.Scope, e.Types = strconv.FormatInt(id, 10), inShop(shop), strings.Fields(topics)
		e.Meta = map[string]string{"employee": employee} // reaches hooks, never the wire
		if off {
			e.Status = webhook.Disabled
		}
		// A row that cannot be used is off by itself: an error here would be one
		// for every hook that was asked for.
		if key, err := signer.ParseKey(secret); err != nil {
			e.Status, e.StatusReason = webhook.Disabled, "its secret cannot be read"
		} else {
			e.Secrets = []signer.Key{key}
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// outbox is a transaction of the host's: the queue's part of it is sqlstore's,
// and the hooks are matched in the same transaction.
type outbox struct {
	webhook.Outbox

	tx *sql.Tx
}

var _ webhook.Matcher = outbox{}

// Match implements webhook.Matcher.
func (o outbox) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	return match(ctx, o.tx, q)
}

// add stores a hook, after the dispatcher has checked it.
func (h *hooks) add(ctx context.Context, d *webhook.Dispatcher, shop int64, employee, url, topics string) error {
	secret := signer.GenerateSecret()
	e := &webhook.Endpoint{ID: "new", Scope: inShop(shop), URL: url, Types: strings.Fields(topics), Secrets: []signer.Key{secret}}
	if err := d.Check(e); err != nil {
		return err
	}
	_, err := h.db.ExecContext(ctx, "INSERT INTO hooks (shop_id, employee, url, topics, secret) VALUES (?, ?, ?, ?, ?)",
		shop, employee, url, topics, secret.Reveal())
	return err
}
