package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// order is what a worker, a process of its own, is told: where the backlog is,
// and how much of it to deliver.
type order struct {
	DSN       string `json:"dsn"`
	Receiver  string `json:"receiver"`
	Endpoints int    `json:"endpoints"`
	N         int    `json:"n"`
}

// account is what it says when that is done.
type account struct {
	Sample sample  `json:"sample"`
	Heap   float64 `json:"heap"` // the highest HeapAlloc after GC
}

const (
	factWorkerHeap = "highest HeapAlloc of the worker's process after GC, in MB"
	backlogRows    = 100_000 // a million with -full
)

// backlogs is the scenario of a worker in a process of its own that drains the
// beginning of a large backlog.
func backlogs() []scenario {
	return []scenario{{
		Name: "backlog/postgres", N: 10_000, Short: 1_000, Of: rate, Repeat: 1,
		About:  "a worker's process delivers from a backlog of 100,000 (with -full a million) on PostgreSQL, through pgxstore, a GC every 100 ms",
		Floor:  "the same with no more queued than is delivered",
		Limits: []limit{{Fact: factWorkerHeap, Most: 64}},
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			rows := backlogRows
			switch {
			case e.full:
				rows *= 10
			case e.short:
				rows /= 10
			}
			return []arm{
				{Name: "floor", Run: workOff(e, 0)},
				{Name: fmt.Sprintf("backlog=%d", rows), Run: workOff(e, rows)},
			}, nil, nil
		},
	}}
}

// workOff lets a worker deliver l.n of at least so many rows.
func workOff(e *env, rows int) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		p := &product{wire: newWire(e), policy: stored, open: openPgx, spread: true}
		p.endpoints = 100
		r, err := p.start(ctx, nil)
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, r.stop()) }()
		err = errors.Join(r.load(ctx, "work", max(rows, l.n), 10, func(i int) string { return endpointID(i % p.endpoints) }), r.ready(ctx))
		if err != nil {
			return sample{}, err
		}
		done, err := hire(ctx, &order{DSN: r.place.dsn, Receiver: e.recv.Plain, Endpoints: p.endpoints, N: l.n})
		if err != nil {
			return sample{}, err
		}
		// The worker may have been about to deliver more when it was told to end.
		g, err := e.recv.take()
		if err == nil && int(g.Requests) < l.n {
			err = fmt.Errorf("the receiver saw %d requests, want at least %d", g.Requests, l.n)
		}
		done.Sample.Facts = map[string]float64{factWorkerHeap: done.Heap / 1e6}
		return done.Sample, err
	}
}

// hire runs this program again, with -worker.
func hire(ctx context.Context, o *order) (a account, err error) {
	self, err := os.Executable()
	if err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-worker")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	err = errors.Join(json.NewEncoder(in).Encode(o), json.NewDecoder(bufio.NewReader(out)).Decode(&a), in.Close())
	return a, errors.Join(err, cmd.Wait())
}

// work is the worker's process.
func work(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("order: %w", err)
	}
	place := &place{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: o.DSN}
	p := &product{policy: stored, spread: true, open: func(ctx context.Context) (*opened, error) { return place.pgx(ctx, nil) }}
	p.wire = wire{recv: &receiver{greeting: greeting{Plain: o.Receiver}}, endpoints: o.Endpoints, body: 1000, key: signer.GenerateSecret()}
	r, err := p.start(ctx, nil) // sets the same endpoints again
	if err != nil {
		return err
	}
	r.track.expect(o.N)
	m, err := startMeter(ctx)
	if err != nil {
		return err
	}
	r.work(ctx)
	var a account
	var looking sync.WaitGroup
	over := make(chan struct{})
	looking.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			a.Heap = max(a.Heap, float64(liveHeap()))
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	})
	waitErr := r.track.wait(ctx)
	close(over)
	looking.Wait()
	if a.Sample, err = m.stop(o.N); err != nil {
		return err
	}
	return errors.Join(waitErr, json.NewEncoder(out).Encode(&a), r.stop())
}
