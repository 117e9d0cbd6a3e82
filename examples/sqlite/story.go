package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/outhook/outhook/examples/internal/kit"
)

// tell starts the program as a process of its own, kills it in the middle of
// its work, starts it again, and counts what arrived.
func tell(ctx context.Context, story io.Writer) error {
	dir, err := os.MkdirTemp("", "outhook-sqlite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file := filepath.Join(dir, "host.db")
	r := &customer{story: story, times: map[string]int{}, came: make(chan struct{}, 1024)}
	server, err := kit.Serve(ctx, r)
	if err != nil {
		return err
	}
	defer server.Close()

	first, err := start(ctx, story, "-db", file, "-to", server.URL, "-allow-private", "-fast", "-add", "12", "-stay")
	if err != nil {
		return err
	}
	died := make(chan struct{})
	go func() {
		defer close(died)
		_ = first.Wait() // that it was killed is no news
	}()
	for range 3 {
		select {
		case <-r.came:
		case <-died:
			return errors.New("the host ended by itself")
		}
	}
	_ = first.Process.Kill() // SIGKILL: it has no time for anything
	<-died
	fmt.Fprintln(story, "the host was killed")

	second, err := start(ctx, story, "-db", file, "-to", server.URL, "-allow-private", "-fast", "-add", "2")
	if err != nil {
		return err
	}
	fmt.Fprintln(story, "the host was started again; what was in hand waits for its lease, 12 s here")
	if err := second.Wait(); err != nil {
		return fmt.Errorf("the host that was started again: %w", err)
	}
	return r.compare(ctx, file)
}

func start(ctx context.Context, story io.Writer, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // it is this program
	cmd.Stdout, cmd.Stderr = story, os.Stderr
	return cmd, cmd.Start()
}

// customer is somebody else's server. It takes a while for each request.
type customer struct {
	story io.Writer
	came  chan struct{}

	mu    sync.Mutex
	times map[string]int // by message id
}

// ServeHTTP implements http.Handler.
func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := kit.ReadBody(w, r)
	if !ok {
		return
	}
	time.Sleep(80 * time.Millisecond)
	id := r.Header.Get("Webhook-Id")
	c.mu.Lock()
	c.times[id]++
	again := ""
	if c.times[id] > 1 {
		again = ", which I have already"
	}
	c.mu.Unlock()
	fmt.Fprintf(c.story, "  receiver: got %s as %s%s\n", body, id, again)
	c.came <- struct{}{}
}

// compare wants an arrival for each user in the file.
func (c *customer) compare(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var users int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM users").Scan(&users); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	repeats := 0
	for _, n := range c.times {
		repeats += n - 1
	}
	fmt.Fprintf(c.story, "%d users signed up, %d were told of, %d of them twice\n", users, len(c.times), repeats)
	if users != len(c.times) {
		return fmt.Errorf("%d users signed up, and %d were told of", users, len(c.times))
	}
	return nil
}
