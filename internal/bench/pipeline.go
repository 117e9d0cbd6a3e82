package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// table is a hand-written queue in a database: the rows that the product
// writes, by the statements that somebody would write for this job alone. It
// knows no lanes, no fairness, no order, no parking and no health.
type table interface {
	// fill adds n deliveries, each of a message of its own.
	fill(ctx context.Context, n int, body []byte) error
	// claim takes up to limit deliveries under a lease, with their bodies.
	claim(ctx context.Context, limit int) ([]claimed, error)
	// settle ends deliveries, fenced by their tokens, and records the attempts.
	settle(ctx context.Context, done []settled) error
	end() error
}

type claimed struct {
	seq, token int64
	body       []byte
}

type settled struct {
	Seq    int64  `json:"s"`
	Token  int64  `json:"k"`
	Record string `json:"r"`
}

// pipeline is the floor of stored deliveries: one claims, some post, one
// settles, all at the same time and in batches.
type pipeline struct {
	wire
	posters int
	open    func(ctx context.Context) (table, error)
}

const (
	claimBatch  = 500
	settleBatch = 500
)

func (p *pipeline) run(ctx context.Context, l load) (_ sample, err error) {
	t, err := p.open(ctx)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, t.end()) }()
	if err := t.fill(ctx, l.n, p.prepared()); err != nil {
		return sample{}, err
	}
	header, err := p.header(ctx)
	if err != nil {
		return sample{}, err
	}
	client := p.client()
	defer client.CloseIdleConnections()
	took := newClock(l.n)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	drainErr := p.drain(ctx, t, l.n, took, func() (*poster, error) {
		s, err := newHandSigner(p.key)
		return &poster{client: client, header: header, sign: s, timeout: timeoutOf(stored)}, err
	})
	s, err := m.stop(l.n)
	if err := errors.Join(err, drainErr); err != nil {
		return s, err
	}
	s.Latencies = took.sorted()
	return s, p.check(l.n)
}

// drain brings n deliveries through; the first error ends it.
func (p *pipeline) drain(ctx context.Context, t table, n int, took *clock, newPoster func() (*poster, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan claimed, claimBatch)
	done := make(chan settled, settleBatch)
	var posting, others sync.WaitGroup
	others.Go(func() {
		defer close(work)
		cancelOn(cancel, claimAll(ctx, t, n, work))
	})
	for range p.posters {
		posting.Go(func() {
			by, err := newPoster()
			if err == nil {
				err = p.postAll(ctx, by, took, work, done)
			}
			cancelOn(cancel, err)
		})
	}
	others.Go(func() { cancelOn(cancel, settleAll(ctx, t, done)) })
	posting.Wait()
	close(done)
	others.Wait()
	return context.Cause(ctx)
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

func claimAll(ctx context.Context, t table, n int, work chan<- claimed) error {
	for left := n; left > 0; {
		got, err := t.claim(ctx, claimBatch)
		if err != nil {
			return err
		}
		if len(got) == 0 {
			return errors.New("nothing left to claim")
		}
		left -= len(got)
		for _, c := range got {
			select {
			case work <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// attemptRecord is what is known of an attempt, as the product records it.
type attemptRecord struct {
	Number   int               `json:"number"`
	Outcome  string            `json:"outcome"`
	Status   int               `json:"status"`
	Start    time.Time         `json:"start"`
	Duration time.Duration     `json:"duration"`
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Header   map[string]string `json:"header"`
}

func (p *pipeline) postAll(ctx context.Context, by *poster, took *clock, work <-chan claimed, done chan<- settled) error {
	shown := map[string]string{}
	for name, v := range by.header {
		shown[name] = v[0]
	}
	for c := range work {
		url := p.url(int(c.seq) % p.endpoints)
		began := time.Now()
		if err := by.post(ctx, url, c.body); err != nil {
			return err
		}
		d := time.Since(began)
		took.took[int(c.seq-1)%len(took.took)] = d
		record, err := json.Marshal(attemptRecord{
			Number: 1, Outcome: "accepted", Status: 200, Start: began, Duration: d, Method: "POST", URL: url, Header: shown,
		})
		if err != nil {
			return err
		}
		done <- settled{Seq: c.seq, Token: c.token, Record: string(record)}
	}
	return nil
}

// settleAll settles what has gathered while it settled what was before.
func settleAll(ctx context.Context, t table, done <-chan settled) error {
	var failed error
	for first := range done {
		batch := append(make([]settled, 0, settleBatch), first)
	gather:
		for len(batch) < settleBatch {
			select {
			case d, ok := <-done:
				if !ok {
					break gather
				}
				batch = append(batch, d)
			default:
				break gather
			}
		}
		if failed == nil { // else let the posters end
			failed = t.settle(ctx, batch)
		}
	}
	return failed
}
