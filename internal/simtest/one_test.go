package simtest_test

import (
	"context"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

const link webhook.Scope = "link:1"

// process is a dispatcher that runs.
type process struct {
	d    *webhook.Dispatcher
	stop context.CancelFunc
	done chan error
}

// startOne begins a dispatcher's Run.
func startOne(t *testing.T, cfg webhook.Config) *process {
	t.Helper()
	d, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &process{d: d, stop: stop, done: make(chan error, 1)}
	go func() { p.done <- d.Run(ctx) }()
	return p
}

// end stops Run and shuts down.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := p.d.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

func (p *process) dispatch(t *testing.T, e webhook.Event) webhook.Receipt {
	t.Helper()
	r, err := p.d.Dispatch(context.Background(), e, link)
	if err != nil {
		t.Fatalf("Dispatch = %v, want nil", err)
	}
	return r
}

func set(t *testing.T, s *memstore.Store, e webhook.Endpoint) {
	t.Helper()
	e.Name = e.ID
	if _, err := s.Set(context.Background(), &e); err != nil {
		t.Fatal(err)
	}
}
