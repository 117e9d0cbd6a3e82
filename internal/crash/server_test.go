package crash_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a PostgreSQL of the test's own.
type server struct {
	bin, dir string
	port     int
	as       *syscall.Credential // nil: as who runs the test
	frozen   []int               // processes that are stopped
}

// newServer makes a server in a temporary directory, and starts it. Nobody can
// run it as root; then it belongs to the user postgres.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{bin: os.Getenv("OUTHOOK_POSTGRES_BIN")}
	if s.bin == "" {
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
		if err != nil || len(found) == 0 {
			t.Fatalf("no PostgreSQL in /usr/lib/postgresql (%v): install it, or set OUTHOOK_POSTGRES_BIN", err)
		}
		slices.Sort(found)
		s.bin = found[len(found)-1]
	}
	dir, err := os.MkdirTemp("", "outhook-postgres-") //nolint:usetesting // its parent belongs to another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.dir = dir
	if os.Getuid() == 0 {
		s.as = credential(t)
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.port = freePort(t)
	s.must(t, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	settings := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\nmax_connections = 60\nshared_buffers = 32MB\n", s.port, dir)
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(settings); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t, "immediate") })
	return s
}

func credential(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL refuses to run as root, and: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) dsn(application string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&connect_timeout=5&application_name=%s", s.port, application)
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.must(t, "pg_ctl", "-D", s.data(), "-l", filepath.Join(s.dir, "log"), "-w", "-t", "60", "start")
}

func (s *server) stop(t *testing.T, mode string) {
	t.Helper()
	s.must(t, "pg_ctl", "-D", s.data(), "-w", "-t", "60", "-m", mode, "stop")
}

// freeze stops all processes of the server, and leaves its connections open.
func (s *server) freeze(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	s.frozen = []int{pid}
	t.Cleanup(func() { s.thaw(t) }) // else it could not be stopped
	s.signal(t, syscall.SIGSTOP)    // from now on it starts no other
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(children)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		s.frozen = append(s.frozen, child)
	}
	s.signal(t, syscall.SIGSTOP)
}

// thaw lets a frozen server go on.
func (s *server) thaw(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
	s.frozen = nil
}

func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	for _, pid := range s.frozen {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%v to process %d of the server: %v", sig, pid, err)
		}
	}
}

// must runs one of the server's programs. Its output goes to a file, since a
// server that stays behind would keep a pipe open.
func (s *server) must(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := os.Create(filepath.Join(s.dir, program+".out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, text)
	}
}
