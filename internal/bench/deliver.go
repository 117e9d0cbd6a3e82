package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/outhook/outhook/signer"
)

// deliveryAims are those of deliveries without a database.
func deliveryAims() []aim {
	return []aim{{Of: rate, Limit: 0.95, AtLeast: true}, {Of: cpu, Limit: 1.10}}
}

// hostHeap is how many bytes of small objects, which point at each other, the
// process holds beside the library while deliveries are measured: a service is
// not empty. In a process that holds nothing the collector runs whenever 4 MB
// were allocated, every 400 to 800 deliveries, and is most of what tells the two
// sides apart: see the scenarios "empty".
const hostHeap = 64 << 20

// held is such an object, of 256 bytes.
type held struct {
	before *held
	_      [248]byte
}

func hold(size int) []*held {
	all := make([]*held, size/256)
	for i := range all {
		all[i] = &held{}
		if i > 0 {
			all[i].before = all[i/2]
		}
	}
	return all
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
					policy, workers, 20_000, true, func(w *wire) { w.endpoints = endpoints }))
			}
		}
		out = append(out,
			deliver(kind+"/endpoints=1000/workers=64", policy, 64, 10_000, false, func(w *wire) { w.endpoints = 1000 }),
			deliver(kind+"/body=100", policy, 16, 10_000, false, func(w *wire) { w.body = 100 }),
			deliver(kind+"/body=64Ki", policy, 16, 5_000, false, func(w *wire) { w.body = 64 << 10 }),
			deliver(kind+"/answer=1Ki", policy, 16, 10_000, false, func(w *wire) { w.answer = true }),
			deliver(kind+"/tls=http1", policy, 16, 10_000, false, func(w *wire) { w.tls, w.http1 = true, true }),
			deliver(kind+"/tls=http2", policy, 16, 10_000, false, func(w *wire) { w.tls = true }),
			deliver(kind+"/empty", policy, 64, 20_000, false, func(w *wire) { w.endpoints, w.empty = 10, true }),
		)
	}
	return out
}

// deliver is one of them; full adds a client that does not sign.
func deliver(name, policy string, workers, n int, full bool, change func(*wire)) scenario {
	shape := wire{endpoints: 1}
	change(&shape)
	about := fmt.Sprintf("Dispatch, and the delivery of all of it, signed; default Config, beside %d MiB of live heap", hostHeap>>20)
	if shape.empty {
		about = "the same of one event to 10 endpoints, in a process that holds nothing else"
	}
	floor := fmt.Sprintf("client with %d workers that sign the prepared body", workers)
	if policy == stored {
		floor += ", and keep delivery and attempt in memory"
	}
	return scenario{
		Name: name, N: n, Short: n / 10, Step: shape.endpoints, Of: rate,
		About:  about,
		Floor:  floor,
		Limits: []limit{{Fact: factAllAllocs, Most: 15}},
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			w := newWire(e)
			change(&w)
			arms := []arm{
				{Name: "floor", Run: (&bare{wire: w, workers: workers, timeout: timeoutOf(policy), signs: true, stores: policy == stored}).run},
				{Name: "default", Aims: deliveryAims(), Run: (&product{wire: w, policy: policy}).run},
			}
			if full {
				arms = append(arms, arm{Name: "bare client", Bare: true, Run: (&bare{wire: w, workers: workers, timeout: timeoutOf(policy)}).run})
			}
			if shape.empty {
				return arms, nil, nil
			}
			heap := hold(hostHeap)
			return arms, func() error { runtime.KeepAlive(heap); return nil }, nil
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
