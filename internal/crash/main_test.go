package crash_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// TestMain lets the test's own binary be the process that is killed.
func TestMain(m *testing.M) {
	role := os.Getenv("OUTHOOK_CRASH_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func play(role string) error {
	switch role {
	case "host":
		return playHost()
	case "worker":
		return playWorker()
	}
	return fmt.Errorf("unknown role %q", role)
}

func full() bool { return os.Getenv("OUTHOOK_FULL") != "" }

// say writes a line that outlives the process: the pipe belongs to the kernel.
func say(format string, args ...any) {
	_, _ = io.WriteString(os.Stdout, fmt.Sprintf(format, args...)+"\n")
}

// process is a child and what it said.
type process struct {
	cmd   *exec.Cmd
	read  chan struct{} // closed when all it said was read
	ready chan struct{}
}

// start runs a child; heard is called for each of its lines, in order.
func start(t *testing.T, role string, env map[string]string, heard func(verb, rest string)) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it is killed by hand
	cmd.Env = append(os.Environ(), "OUTHOOK_CRASH_ROLE="+role)
	for k, v := range env {
		cmd.Env = append(cmd.Env, "OUTHOOK_CRASH_"+k+"="+v)
	}
	cmd.Stderr = os.Stderr
	// The child must not outlive a test that is killed itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, read: make(chan struct{}), ready: make(chan struct{})}
	go func() {
		defer close(p.read)
		var once sync.Once
		for lines := bufio.NewScanner(out); lines.Scan(); {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			if verb == "ready" {
				once.Do(func() { close(p.ready) })
			}
			heard(verb, rest)
		}
	}()
	return p
}

// await waits until the child is at work.
func (p *process) await(t *testing.T) {
	t.Helper()
	select {
	case <-p.ready:
	case <-p.read:
		t.Fatal("the child ended before it was ready")
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		t.Fatal("the child was not ready after 30 s")
	}
}

// kill ends the child without a warning, and returns when all it said is read.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.read
	_ = p.cmd.Wait()
}

// end asks the child to end, and reports how it did.
func (p *process) end() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	hurry := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer hurry.Stop()
	<-p.read
	return p.cmd.Wait()
}

// until asks is every few milliseconds, for as long as patience.
func until(ctx context.Context, patience time.Duration, is func() bool) bool {
	for end := time.Now().Add(patience); !is(); {
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// drained waits until every delivery is over, for as long as there is progress.
func drained(t *testing.T, c webhook.Counter) {
	t.Helper()
	least, last := math.MaxInt, time.Now()
	for {
		counts, err := c.Counts(t.Context())
		open := counts.Pending + counts.Running
		switch {
		case err == nil && open == 0:
			return
		case err == nil && open < least:
			least, last = open, time.Now()
		case time.Since(last) > 2*time.Minute:
			t.Errorf("for two minutes none of the last %d deliveries came to its end (%v)", least, err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
