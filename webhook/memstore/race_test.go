package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// TestConcurrent lets everybody do everything at once. Each delivery must end
// once, and those of an ordered key arrive first in their order.
func TestConcurrent(t *testing.T) {
	const producers, each, endpoints, workers = 4, 500, 7, 4
	s := memstore.New(memstore.Options{MaxHistory: 100})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var (
		mu       sync.Mutex
		ended    = make(map[string]int)
		arrived  = make(map[string]bool)
		lastSeen = make(map[string]int) // by lane
		done     atomic.Int64
		others   sync.WaitGroup
		all      sync.WaitGroup
	)
	arrive := func(d *webhook.Delivery) {
		mu.Lock()
		defer mu.Unlock()
		if !d.Ordered || arrived[d.ID] {
			return // an attempt whose lease is over may arrive late, but never first
		}
		arrived[d.ID] = true
		_, number, _ := cut(d.ID)
		if last, ok := lastSeen[d.Lane()]; ok && number < last {
			t.Errorf("delivery %s came after number %d of its lane", d.ID, last)
		}
		lastSeen[d.Lane()] = number
	}
	record := func(d *webhook.Delivery) {
		mu.Lock()
		defer mu.Unlock()
		if ended[d.ID]++; ended[d.ID] > 1 {
			t.Errorf("delivery %s ended %d times", d.ID, ended[d.ID])
		}
		done.Add(1)
	}
	for p := range producers {
		all.Go(func() {
			for i := range each {
				ep := "ep" + strconv.Itoa(i%endpoints)
				b := batch(fmt.Sprintf("%d-%d %s", p, i, ep))
				b.Deliveries[0].Ordered, b.Deliveries[0].Key = i%2 == 0, strconv.Itoa(p)
				b.Deliveries[0].Dedup = b.Message.ID
				if err := enqueueSomehow(ctx, s, b, i); err != nil {
					t.Errorf("Enqueue: %v", err)
				}
			}
		})
	}
	for w := range workers {
		all.Go(func() {
			for done.Load() < producers*each && ctx.Err() == nil {
				work(ctx, t, s, w, arrive, record)
			}
		})
	}
	stop := make(chan struct{})
	for _, bother := range []func(i int) error{
		func(i int) error {
			return s.Park(ctx, []webhook.Park{{EndpointID: "ep" + strconv.Itoa(i%endpoints), For: 100 * time.Microsecond, Probe: i%2 == 0, Hold: i%3 == 0}})
		},
		func(i int) error {
			id := strconv.Itoa(i % 20)
			_, err := s.Set(ctx, &webhook.Endpoint{ID: "ep" + id, Scope: webhook.In("list", id)})
			if i%5 == 0 {
				err = errors.Join(err, s.Remove(ctx, "ep"+id))
			}
			return err
		},
		func(int) error {
			_, _, err := s.Deliveries(ctx, webhook.HistoryQuery{EndpointID: "ep1"})
			_, err2 := s.Counts(ctx)
			_, _, err3 := s.Finals(ctx, "", 10)
			return errors.Join(err, err2, err3)
		},
		func(i int) error {
			_, err := s.Match(ctx, webhook.Query{Scopes: []webhook.Scope{webhook.In("list", strconv.Itoa(i%20))}, Type: "x"})
			_, err2 := s.Purge(ctx, webhook.Purge{Keep: 50, Limit: 3})
			_, _, err3 := s.Take(ctx, "ep"+strconv.Itoa(i%20), 3, webhook.Rate{Limit: 5, Per: time.Millisecond})
			return errors.Join(err, err2, err3)
		},
	} {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := bother(i); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	others.Wait()
	if got := done.Load(); got != producers*each {
		t.Errorf("%d deliveries ended, want %d", got, producers*each)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if c, err := s.Counts(t.Context()); err != nil || c.Pending+c.Running > 0 {
		t.Errorf("Counts = %+v, %v, want nothing left", c, err)
	}
}

func cut(id string) (producer, number int, err error) {
	_, err = fmt.Sscanf(id, "%d-%d", &producer, &number)
	return producer, number, err
}

// enqueueSomehow enqueues b by itself, or in a transaction after one that is
// rolled back.
func enqueueSomehow(ctx context.Context, s *memstore.Store, b *webhook.Batch, i int) error {
	if i%3 != 0 {
		_, err := s.Enqueue(ctx, b)
		return err
	}
	lost := s.Begin()
	_, err := s.InTx(lost).Enqueue(ctx, b)
	lost.Rollback()
	tx := s.Begin()
	_, err2 := s.InTx(tx).Enqueue(ctx, b)
	return errors.Join(err, err2, tx.Commit())
}

// work claims and settles, now and then late, unsent, failing or extended.
func work(ctx context.Context, t *testing.T, s *memstore.Store, w int, arrive, record func(*webhook.Delivery)) {
	t.Helper()
	claimed, err := s.Claim(ctx, webhook.Claim{Limit: 5, PerEndpoint: 3, Lease: 200 * time.Microsecond, Skip: []string{"ep" + strconv.Itoa(w)}})
	if w == 0 {
		claimed, err = s.Claim(ctx, webhook.Claim{Limit: 20, Lease: time.Minute})
	}
	if err != nil {
		return
	}
	for i := range claimed {
		c := claimed[i]
		arrive(&c.Delivery)
		it := settlement(c, webhook.Delivered)
		it.Attempt = &webhook.Attempt{DeliveryID: it.ID, Number: c.Delivery.Attempts}
		switch (c.Delivery.Attempts + i) % 4 {
		case 0:
			it.State, it.Unsent = webhook.Pending, true
			it.Attempt = nil
			if c.Delivery.Attempts > 3 {
				it.State, it.Unsent = webhook.Delivered, false
			}
		case 1:
			it.State, it.Health, it.Delay = webhook.Pending, webhook.Failing, 50*time.Microsecond
			if c.Delivery.Attempts > 3 {
				it.State, it.Health = webhook.Failed, webhook.Healthy
			}
		case 2:
			if _, err := s.Extend(ctx, []webhook.Lease{{ID: it.ID, Token: it.Token}}, time.Millisecond); err != nil {
				t.Errorf("Extend: %v", err)
			}
		}
		res, err := s.Settle(ctx, []webhook.Settlement{it})
		if err != nil {
			return
		}
		if len(res.Stale) == 0 && it.State.Final() {
			record(&c.Delivery)
		}
	}
}
