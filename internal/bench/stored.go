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
	// stores are the product's, hand is the floor's.
	stores []namedStore
	hand   func(context.Context) (table, error)
}

type namedStore struct {
	name string
	open opener
}

func engines() []engine {
	return []engine{
		{"postgres", "PostgreSQL, durable commits", []namedStore{{"pgxstore", openPgx}, {"sqlstore", openSQL(sqlstore.PostgreSQL)}}, openPostgresTable()},
		{"sqlite", "SQLite, WAL, synchronous=FULL", []namedStore{{"sqlstore", openSQL(sqlstore.SQLite)}}, openSQLTable(sqlstore.SQLite)},
		{"mariadb", "MariaDB, durable commits", []namedStore{{"sqlstore", openSQL(sqlstore.MySQL)}}, openSQLTable(sqlstore.MySQL)},
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
		out = append(out, drain(g, g.name+"/drain", 10, 20_000))
		if g.name == "postgres" {
			out = append(out, drain(g, "postgres/drain/endpoints=1", 1, 10_000), drain(g, "postgres/drain/endpoints=1000", 1000, 10_000))
		}
	}
	memory := engine{name: "memory", about: "memory", stores: []namedStore{{"memstore", openMemory}}}
	for _, g := range append([]engine{memory}, engines()...) {
		out = append(out, grid(g))
	}
	return out
}

func drain(g engine, name string, endpoints, n int) scenario {
	return scenario{
		Name: name, N: n, Short: n / 10, Of: rate,
		About: fmt.Sprintf("drain of a backlog of %d endpoints on %s: claim, POST, settle, attempts recorded", endpoints, g.about),
		Floor: "hand-written pipeline with the same rows: batched claim, 16 posters that sign, batched settle",
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			w := newWire(e)
			w.endpoints = endpoints
			arms := []arm{{Name: "floor", Run: (&pipeline{wire: w, posters: 16, open: g.hand}).run}}
			for _, s := range g.stores {
				arms = append(arms, arm{
					Name: s.name, Run: drainOf(w, s.open, nil),
					Aims: []aim{{Of: rate, Limit: 0.85, AtLeast: true}, {Of: cpu, Limit: 1.2}},
				})
			}
			return arms, nil, nil
		},
	}
}

func drainOf(w wire, open opener, tune func(*webhook.Config)) func(context.Context, load) (sample, error) {
	return (&product{wire: w, policy: stored, open: open, tune: tune, backlog: true, spread: true}).run
}

// grid finds the best of nine settings, by one run of each, and then lets the
// default Config and that one alternate.
func grid(g engine) scenario {
	s := g.stores[0]
	sc := scenario{
		Name: g.name + "/grid", N: 20_000, Short: 2_000, Of: rate,
		About: fmt.Sprintf("drain of a backlog on %s with the default Config, %s", g.about, s.name),
		Floor: "the best of ClaimBatch 100, 500, 2000 with Concurrency 8, 16, 64",
	}
	sc.Open = func(ctx context.Context, e *env) ([]arm, func() error, error) {
		w := tenEndpoints(e)
		n := sc.N
		if e.short {
			n = sc.Short
		}
		var best arm
		most := 0.0
		for _, batch := range []int{100, 500, 2000} {
			for _, workers := range []int{8, 16, 64} {
				a := arm{
					Name: fmt.Sprintf("batch=%d,workers=%d", batch, workers),
					Run: drainOf(w, s.open, func(c *webhook.Config) {
						c.ClaimBatch, c.Concurrency, c.MaxPerEndpoint = batch, workers, workers
					}),
				}
				got, err := e.once(ctx, &sc, &a, load{n: n})
				if err != nil {
					return nil, nil, err
				}
				if r := got.value(rate); r > most {
					most, best = r, a
				}
			}
		}
		return []arm{best, {Name: "default", Run: drainOf(w, s.open, nil), Aims: []aim{{Of: rate, Limit: 0.8, AtLeast: true}}}}, nil, nil
	}
	return sc
}
