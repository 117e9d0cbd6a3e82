package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// recallBatches is a recallStore whose commits can be shared, by what a test puts
// in for EnqueueAll.
type recallBatches struct {
	webhook.EndpointStore
	webhook.Queue // not *recallStore, which is Immediate: such a store shares nothing

	s   *recallStore
	all func(ctx context.Context, batches []*webhook.Batch) error

	mu       sync.Mutex
	messages map[string]int // stored, by what their body says
}

func (x *recallBatches) Recall(queue webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	return x.s.Recall(queue, q)
}

func (x *recallBatches) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	existing, err := x.s.Enqueue(ctx, b)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil {
		x.messages[string(b.Message.Bodies[0].Data)]++
	}
	return existing, err
}

func (x *recallBatches) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	time.Sleep(time.Second) // so that others wait for the next
	if len(batches) > 1 {
		return make([][]webhook.Existing, len(batches)), x.all(ctx, batches)
	}
	existing, err := x.Enqueue(ctx, batches[0])
	return [][]webhook.Existing{existing}, err
}

// share dispatches ten events at almost the same time, and returns their errors.
func (x *recallBatches) share(t *testing.T, d *webhook.Dispatcher) []error {
	t.Helper()
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, errs[i] = d.Dispatch(ctx, leadCreated{Email: fmt.Sprint("event-", i)}, link1)
		})
	}
	wg.Wait()
	return errs
}

// Where a commit that calls share fails, each is told what is known of its own
// event: none is stored twice, and ErrOutdated stays inside.
func TestRecallInASharedCommit(t *testing.T) {
	lost := errors.New("connection lost")
	for _, tt := range []struct {
		name string
		all  func(ctx context.Context, x *recallBatches, batches []*webhook.Batch) error
		want error // of an event whose commit was shared; nil: it is stored
	}{
		{"it is out of date", func(context.Context, *recallBatches, []*webhook.Batch) error {
			return fmt.Errorf("recallBatches: %w", webhook.ErrOutdated)
		}, nil},
		{"its answer is lost, and then it is out of date", func(ctx context.Context, x *recallBatches, batches []*webhook.Batch) error {
			for _, b := range batches {
				if _, err := x.Enqueue(ctx, b); err != nil {
					return err
				}
			}
			_, err := x.s.Set(ctx, &webhook.Endpoint{ID: "a", Name: "a", Scope: link1, URL: "http://a.example/2", Policy: "at-least-once"})
			return errors.Join(lost, err)
		}, lost},
		{"it is out of date when its time is over", func(ctx context.Context, _ *recallBatches, _ []*webhook.Batch) error {
			<-ctx.Done()
			return webhook.ErrOutdated
		}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var x *recallBatches
				r := newRecallRig(t, func(c *webhook.Config) {
					s, ok := c.Queue.(*recallStore)
					if !ok {
						t.Fatalf("the rig's Queue is a %T", c.Queue)
					}
					x = &recallBatches{EndpointStore: s, Queue: s.Store, s: s, messages: make(map[string]int)}
					x.all = func(ctx context.Context, batches []*webhook.Batch) error { return tt.all(ctx, x, batches) }
					c.Queue, c.Endpoints, c.StoreTimeout = x, x, 3*time.Second
				})
				shared := 0
				for i, err := range x.share(t, r.d) {
					switch {
					case errors.Is(err, webhook.ErrOutdated):
						t.Errorf("Dispatch %d = %v", i, err)
					case err != nil && !errors.Is(err, tt.want):
						t.Errorf("Dispatch %d = %v, want %v", i, err, tt.want)
					case err != nil:
						shared++
					}
				}
				if (shared > 0) != (tt.want != nil) {
					t.Errorf("%d calls failed, want error %v", shared, tt.want)
				}
				for body, n := range x.messages {
					if n != 1 {
						t.Errorf("%s is stored as %d messages", body, n)
					}
				}
			})
		})
	}
}

// Where the store tells which batches of a shared commit are out of date, the
// others are stored by one more call, and theirs alone are matched again.
func TestRecallOutOfDateCostsTheOthersNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		told  []int
		calls int // of EnqueueAll with several batches, beside those of the first
	}{
		{"one", []int{0}, 1},
		{"some", []int{1, 3, 4}, 1},
		{"said twice, and one that is not there", []int{2, 2, -1, 100}, 1},
		{"none", nil, 0},
		{"none that is there", []int{-1, 100}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var x *recallBatches
				var mu sync.Mutex // guards calls and first
				calls, first := 0, 0
				r := newRecallRig(t, func(c *webhook.Config) {
					s, ok := c.Queue.(*recallStore)
					if !ok {
						t.Fatalf("the rig's Queue is a %T", c.Queue)
					}
					x = &recallBatches{EndpointStore: s, Queue: s.Store, s: s, messages: make(map[string]int)}
					x.all = func(ctx context.Context, batches []*webhook.Batch) error {
						mu.Lock()
						defer mu.Unlock()
						if first == 0 {
							first = len(batches)
							return fmt.Errorf("recallBatches: %w", &webhook.OutdatedError{Batches: tt.told})
						}
						calls++
						for _, b := range batches {
							if _, err := x.Enqueue(ctx, b); err != nil {
								return err
							}
						}
						return nil
					}
					c.Queue, c.Endpoints = x, x
				})
				for i, err := range x.share(t, r.d) {
					if err != nil {
						t.Errorf("Dispatch %d = %v", i, err)
					}
				}
				matches, _ := x.s.asked()
				told := make(map[int]bool)
				for _, i := range tt.told {
					if i >= 0 && i < first {
						told[i] = true
					}
				}
				if first < 5 || calls < tt.calls || matches != len(told) {
					t.Errorf("of %d that shared a commit, %v were said to be out of date: %d commits more, and %d calls of Match; want %d at least, and %d",
						first, tt.told, calls, matches, tt.calls, len(told))
				}
				for body, n := range x.messages {
					if n != 1 {
						t.Errorf("%s is stored as %d messages", body, n)
					}
				}
			})
		})
	}
}
