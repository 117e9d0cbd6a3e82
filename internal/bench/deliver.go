package main

import (
	"context"
	"fmt"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

// deliveryAims are those of deliveries without a database.
func deliveryAims() []aim {
	return []aim{{Of: rate, Limit: 0.95, AtLeast: true}, {Of: cpu, Limit: 1.10}}
}

// deliveries are the scenarios without a database: volatile, and stored in
// memory.
func deliveries() []scenario {
	var out []scenario
	for _, policy := range []string{volatile, stored} {
		kind := map[string]string{volatile: "volatile", stored: "memory"}[policy]
		for _, endpoints := range []int{1, 10} {
			for _, workers := range []int{16, 64} {
				out = append(out, deliver(fmt.Sprintf("%s/endpoints=%d/workers=%d", kind, endpoints, workers),
					policy, workers, 20_000, func(w *wire) { w.endpoints = endpoints }))
			}
		}
		out = append(out,
			deliver(kind+"/endpoints=1000/workers=64", policy, 64, 20_000, func(w *wire) { w.endpoints = 1000 }),
			deliver(kind+"/body=100", policy, 16, 20_000, func(w *wire) { w.body = 100 }),
			deliver(kind+"/body=64Ki", policy, 16, 10_000, func(w *wire) { w.body = 64 << 10 }),
			deliver(kind+"/answer=1Ki", policy, 16, 20_000, func(w *wire) { w.answer = true }),
			deliver(kind+"/tls=http1", policy, 16, 10_000, func(w *wire) { w.tls, w.http1 = true, true }),
			deliver(kind+"/tls=http2", policy, 16, 10_000, func(w *wire) { w.tls = true }),
		)
	}
	return out
}

func deliver(name, policy string, workers, n int, change func(*wire)) scenario {
	shape := wire{endpoints: 1}
	change(&shape)
	return scenario{
		Name: name, N: n, Short: n / 10, Step: shape.endpoints, Of: rate,
		About:  "Dispatch, and the delivery of all of it, signed",
		Floor:  fmt.Sprintf("bare client, %d workers, the prepared request", workers),
		Limits: []limit{{Fact: factMoreAllocs, Most: 15}},
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			w := newWire(e)
			change(&w)
			p := func(tune func(*webhook.Config)) func(context.Context, load) (sample, error) {
				return (&product{wire: w, policy: policy, tune: tune}).run
			}
			return []arm{
				{Name: "floor", Run: (&bare{wire: w, workers: workers, timeout: timeoutOf(policy)}).run},
				{Name: "default", Aims: deliveryAims(), Run: p(nil)},
				{Name: fmt.Sprintf("concurrency=%d", workers), Aims: deliveryAims(), Run: p(equal(workers))},
			}, nil, nil
		},
	}
}

// newWire is what most scenarios send: 1 KB to one endpoint, in clear.
func newWire(e *env) wire {
	return wire{recv: e.recv, endpoints: 1, body: 1000, key: signer.GenerateSecret()}
}

// timeoutOf is the time that the policy gives an attempt.
func timeoutOf(policy string) time.Duration {
	if policy == volatile {
		return 5 * time.Second
	}
	return 15 * time.Second
}
