package pool_test

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

func TestGoexitCostsOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		l := newLog()
		p := pool.New(pool.Options{Fast: 1, Max: 2, SlowAfter: time.Second, Next: q.next})
		q.add(
			func() { l.now(); runtime.Goexit() },
			func() { l.now(); time.Sleep(2 * time.Second); runtime.Goexit() }, // on loan by then
			sleep(l, 5*time.Second),
			sleep(l, 0),
		)
		p.Kick()
		p.Wait()
		want := []time.Duration{0, 0, time.Second, 2 * time.Second}
		if got := l.got(); !slices.Equal(got, want) {
			t.Errorf("tasks began at %v, want %v", got, want)
		}
	})
}

// A panic of a task ends the process, as the panic of any goroutine: the test
// runs itself as a child.
func TestPanicIsNotSwallowed(t *testing.T) {
	if os.Getenv("OUTHOOK_POOL_PANIC") != "" {
		var q queue
		p := pool.New(pool.Options{Next: q.next})
		q.add(func() { panic("not contained") })
		p.Kick()
		p.Wait()
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicIsNotSwallowed$")
	cmd.Env = append(os.Environ(), "OUTHOOK_POOL_PANIC=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: not contained") {
		t.Errorf("a task that panics: %v, %.200s, want the panic", err, out)
	}
}
