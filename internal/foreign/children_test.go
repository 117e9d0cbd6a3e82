package foreign_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
)

// full tells whether what is not Go takes part.
func full() bool { return os.Getenv("OUTHOOK_FULL") == "1" }

// child is a program in another language that answers each line of JSON with
// one line of JSON.
type child struct {
	name   string
	in     io.Writer
	out    *bufio.Reader
	stderr *bytes.Buffer
}

// start runs a child until the test ends. Its first line, which tells that it
// is ready, goes to ready.
func start(t *testing.T, ready any, name string, args ...string) *child {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("missing: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{name: name, in: in, out: bufio.NewReaderSize(out, 1<<20), stderr: new(bytes.Buffer)}
	cmd.Stderr = c.stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // its answers were the result
	})
	c.read(t, ready)
	return c
}

// ask sends one question and reads the answer.
func (c *child) ask(t *testing.T, question, answer any) {
	t.Helper()
	if err := json.NewEncoder(c.in).Encode(question); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	c.read(t, answer)
}

func (c *child) read(t *testing.T, answer any) {
	t.Helper()
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, c.stderr)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(answer); err != nil {
		t.Fatalf("%s: %v in %.200s", c.name, err, line)
	}
}
