package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/outhook/outhook/webhook/sqlstore"
)

// peers are the scenarios beside other queues that do the same POST a job.
// What they do less: no signature, no record of the attempt, no fairness.
func peers() []scenario {
	river := func(name, about string, n int, tuned bool, limit float64) scenario {
		return scenario{
			Name: "peers/" + name, N: n, Short: n / 10, Of: rate,
			About: "drain of a backlog on PostgreSQL, durable commits", Floor: about,
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				w := tenEndpoints(e)
				return []arm{
					{Name: "floor", Run: (&riverPeer{wire: w, tuned: tuned}).run},
					{Name: "pgxstore", Aims: []aim{{Of: rate, Limit: limit, AtLeast: true}}, Run: drainOf(w, openPgx, nil)},
				}, nil, nil
			},
		}
	}
	out := []scenario{
		river("river-default", "River as it comes, 100 workers, the same POST a job", 5_000, false, 8),
		river("river-tuned", "River with FetchCooldown 1 ms and 100 workers, the same POST a job", 20_000, true, 1.8),
	}
	for _, fsync := range []string{"everysec", "always"} {
		out = append(out, scenario{
			Name: "peers/asynq-" + fsync, N: 10_000, Short: 1_000, Of: rate,
			About: "drain of a backlog, PostgreSQL with durable commits beside Redis",
			Floor: "asynq with concurrency 100, the same POST a task, on a Redis of its own with appendfsync " + fsync,
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				w := tenEndpoints(e)
				return []arm{
					{Name: "floor", Run: (&asynqPeer{wire: w, fsync: fsync}).run},
					{Name: "pgxstore", Run: drainOf(w, openPgx, nil)},
				}, nil, nil
			},
		})
	}
	return out
}

// finishLine counts what is done, and tells when it is all.
type finishLine struct {
	left atomic.Int64
	over chan struct{}
}

func newFinishLine(n int) *finishLine {
	f := &finishLine{over: make(chan struct{})}
	f.left.Store(int64(n))
	return f
}

func (f *finishLine) cross() {
	if f.left.Add(-1) == 0 {
		close(f.over)
	}
}

func (f *finishLine) wait(ctx context.Context) error {
	select {
	case <-f.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d are left: %w", f.left.Load(), ctx.Err())
	}
}

// posters are for the goroutines that a queue starts.
func (w *wire) posters(ctx context.Context) (*sync.Pool, func(), error) {
	header, err := w.header(ctx)
	if err != nil {
		return nil, nil, err
	}
	client := w.client()
	return &sync.Pool{New: func() any {
		return &poster{client: client, header: header, timeout: timeoutOf(stored)}
	}}, client.CloseIdleConnections, nil
}

// postBy takes a poster for one POST.
func postBy(ctx context.Context, posters *sync.Pool, url string, body []byte) error {
	p, ok := posters.Get().(*poster)
	if !ok {
		return errors.New("the pool holds no poster")
	}
	defer posters.Put(p)
	return p.post(ctx, url, body)
}

// timeDrain is a drain by somebody else's workers: start begins it, wait ends it.
func (w *wire) timeDrain(ctx context.Context, n int, start func() error, wait func(context.Context) error) (sample, error) {
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	runErr := start()
	if runErr == nil {
		runErr = wait(ctx)
	}
	s, err := m.stop(n)
	if err := errors.Join(err, runErr); err != nil {
		return s, err
	}
	return s, w.check(n)
}

// riverPeer is River with a job that posts.
type riverPeer struct {
	wire
	tuned bool
}

type postArgs struct {
	URL  string `json:"url"`
	Body string `json:"body"`
}

// Kind implements river.JobArgs.
func (postArgs) Kind() string { return "post" }

type postWorker struct {
	river.WorkerDefaults[postArgs]
	posters *sync.Pool
}

// Work implements river.Worker.
func (w *postWorker) Work(ctx context.Context, job *river.Job[postArgs]) error {
	return postBy(ctx, w.posters, job.Args.URL, []byte(job.Args.Body))
}

func (r *riverPeer) run(ctx context.Context, l load) (_ sample, err error) {
	place, err := newPlace(ctx, sqlstore.PostgreSQL)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, place.drop()) }()
	pool, err := pgxpool.New(ctx, place.dsn)
	if err != nil {
		return sample{}, err
	}
	defer pool.Close()
	posters, end, err := r.posters(ctx)
	if err != nil {
		return sample{}, err
	}
	defer end()
	client, err := r.client(ctx, pool, posters)
	if err != nil {
		return sample{}, err
	}
	if err := r.fill(ctx, client, pool, l.n); err != nil {
		return sample{}, err
	}
	done, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: l.n + 1, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed},
	})
	defer cancel()
	defer func() { err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))) }()
	return r.timeDrain(ctx, l.n, func() error { return client.Start(ctx) }, func(ctx context.Context) error {
		for range l.n {
			select {
			case e := <-done:
				if e.Kind != river.EventKindJobCompleted {
					return fmt.Errorf("a job failed: %v", e.Job.Errors)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
}

func (r *riverPeer) client(ctx context.Context, pool *pgxpool.Pool, posters *sync.Pool) (*river.Client[pgx.Tx], error) {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &postWorker{posters: posters})
	c := &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}},
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
	}
	if r.tuned {
		c.FetchCooldown = time.Millisecond
	}
	return river.NewClient(driver, c)
}

func (r *riverPeer) fill(ctx context.Context, client *river.Client[pgx.Tx], pool *pgxpool.Pool, n int) error {
	body := string(r.prepared())
	for first := 0; first < n; first += 1000 {
		jobs := make([]river.InsertManyParams, min(1000, n-first))
		for i := range jobs {
			jobs[i].Args = postArgs{URL: r.url((first + i) % r.endpoints), Body: body}
		}
		if _, err := client.InsertMany(ctx, jobs); err != nil {
			return err
		}
	}
	return (&pgTable{pool: pool}).calm(ctx)
}

// asynqPeer is asynq with a task that posts.
type asynqPeer struct {
	wire
	fsync string
}

// startRedis starts a Redis of its own, which keeps a log as fsync says.
func (a *asynqPeer) startRedis(ctx context.Context) (socket string, end func() error, err error) {
	dir, err := os.MkdirTemp("", "outhook_bench")
	if err != nil {
		return "", nil, err
	}
	socket = filepath.Join(dir, "redis.sock")
	cmd := exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir,
		"--appendonly", "yes", "--appendfsync", a.fsync, "--save", "")
	if err := cmd.Start(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	end = func() error {
		err := cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it says that it was interrupted
		return errors.Join(err, os.RemoveAll(dir))
	}
	for range 500 {
		if _, err := os.Stat(socket); err == nil {
			return socket, end, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", nil, errors.Join(errors.New("redis-server does not listen"), end())
}

func (a *asynqPeer) run(ctx context.Context, l load) (_ sample, err error) {
	socket, end, err := a.startRedis(ctx)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	opt := asynq.RedisClientOpt{Network: "unix", Addr: socket}
	if err := a.fill(ctx, opt, l.n); err != nil {
		return sample{}, err
	}
	posters, closeIdle, err := a.posters(ctx)
	if err != nil {
		return sample{}, err
	}
	defer closeIdle()
	line := newFinishLine(l.n)
	srv := asynq.NewServer(opt, asynq.Config{Concurrency: 100, LogLevel: asynq.FatalLevel})
	defer srv.Shutdown()
	var next atomic.Int64
	return a.timeDrain(ctx, l.n, func() error {
		return srv.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
			err := postBy(ctx, posters, a.url(int(next.Add(1))%a.endpoints), t.Payload())
			if err == nil {
				line.cross()
			}
			return err
		}))
	}, line.wait)
}

func (a *asynqPeer) fill(ctx context.Context, opt asynq.RedisClientOpt, n int) (err error) {
	client := asynq.NewClient(opt)
	defer func() { err = errors.Join(err, client.Close()) }()
	body := a.prepared()
	const callers = 32
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				_, errs[i] = client.EnqueueContext(ctx, asynq.NewTask("post", body))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
