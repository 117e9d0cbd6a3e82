package main

import (
	"context"
	"fmt"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// engine is a database that deliveries are stored in.
type engine struct {
	name  string
	about string
	// open is the product's store, hand the floor's.
	open opener
	hand func(context.Context) (table, error)
}

func engines() []engine {
	return []engine{
		{"postgres", "PostgreSQL, durable commits", openSQL(sqlstore.PostgreSQL), openPostgresTable()},
		{"sqlite", "SQLite, WAL, synchronous=FULL", openSQL(sqlstore.SQLite), openSQLTable(sqlstore.SQLite)},
		{"mariadb", "MariaDB, durable commits", openSQL(sqlstore.MySQL), openSQLTable(sqlstore.MySQL)},
	}
}

// tenEndpoints is the wire of the database scenarios: events of 1 KB go to ten
// endpoints in turn.
func tenEndpoints(e *env) wire {
	w := newWire(e)
	w.endpoints = 10
	return w
}

// storedDeliveries are the scenarios with a database.
func storedDeliveries() []scenario {
	var out []scenario
	for _, g := range engines() {
		aims := []aim{{Of: rate, Limit: 0.85, AtLeast: true}, {Of: cpu, Limit: 1.2}}
		out = append(out, scenario{
			Name: g.name + "/drain", N: 20_000, Short: 2_000, Of: rate,
			About: "drain of a backlog on " + g.about + ": claim, POST, settle, attempts recorded",
			Floor: "hand-written pipeline with the same rows: batched claim, 16 posters, batched settle",
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				w := tenEndpoints(e)
				return []arm{
					{Name: "floor", Run: (&pipeline{wire: w, posters: 16, open: g.hand}).run},
					{Name: "default", Aims: aims, Run: drainOf(w, g.open, nil)},
				}, nil, nil
			},
		})
	}
	for _, g := range append([]engine{{name: "memory", about: "memory", open: openMemory}}, engines()...) {
		out = append(out, grid(g))
	}
	return out
}

func drainOf(w wire, open opener, tune func(*webhook.Config)) func(context.Context, load) (sample, error) {
	return (&product{wire: w, policy: stored, open: open, tune: tune, backlog: true, spread: true}).run
}

// grid compares the default Config with others. The one that is best decides.
func grid(g engine) scenario {
	return scenario{
		Name: g.name + "/grid", N: 20_000, Short: 2_000, Of: rate, Repeat: 3,
		About: "drain of a backlog on " + g.about + ", default Config beside others",
		Floor: "the default Config",
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			w := tenEndpoints(e)
			arms := []arm{{Name: "floor", Run: drainOf(w, g.open, nil)}, {Name: "default", Run: drainOf(w, g.open, nil)}}
			for _, batch := range []int{100, 500, 2000} {
				for _, workers := range []int{8, 16, 64} {
					arms = append(arms, arm{
						Name: fmt.Sprintf("batch=%d/workers=%d", batch, workers), Best: true,
						Run: drainOf(w, g.open, func(c *webhook.Config) {
							c.ClaimBatch, c.Concurrency, c.MaxPerEndpoint = batch, workers, workers
						}),
					})
				}
			}
			return arms, nil, nil
		},
	}
}
