package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is what test2json documents, and the build output of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// tally counts tests and subtests. A package that fails without a failed test
// (it does not compile, it exits early) counts as one failure.
type tally struct {
	Passed, Failed, Skipped int

	out      io.Writer
	output   map[string][]string // of each package and test that still runs
	failures map[string]int      // tests, by package
}

func newTally(out io.Writer) *tally {
	return &tally{out: out, output: make(map[string][]string), failures: make(map[string]int)}
}

// read follows the events to their end. Lines that are no event are printed:
// the go command writes some of its own.
func (t *tally) read(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				t.add(e)
			} else {
				fmt.Fprintf(t.out, "%s\n", strings.TrimSuffix(string(line), "\n"))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		t.output[key] = append(t.output[key], e.Output)
		return
	case "build-output":
		fmt.Fprint(t.out, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return // start, run, pause, cont, bench: not an end
	}
	if e.Test == "" {
		t.endPackage(e)
	} else {
		t.endTest(e)
	}
	delete(t.output, key)
}

func (t *tally) endTest(e event) {
	switch e.Action {
	case "pass":
		t.Passed++
	case "skip":
		t.Skipped++
		t.print(e)
	case "fail":
		t.Failed++
		t.failures[e.Package]++
		t.print(e)
	}
}

func (t *tally) endPackage(e event) {
	if e.Action == "fail" {
		if t.failures[e.Package] == 0 {
			t.Failed++
		}
		// What a crash or a time-out printed belongs to tests that never ended.
		for key := range t.output {
			if pkg, test, _ := strings.Cut(key, " "); pkg == e.Package && test != "" {
				t.print(event{Package: pkg, Test: test})
				delete(t.output, key)
			}
		}
		t.print(e)
	}
	fmt.Fprintf(t.out, "%-4s %s %.2fs\n", e.Action, e.Package, e.Elapsed)
}

func (t *tally) print(e event) {
	for _, line := range t.output[e.Package+" "+e.Test] {
		fmt.Fprint(t.out, line)
	}
}

// status is that of the command, and not zero when anything failed.
func (t *tally) status(command int) int {
	if command == 0 && t.Failed > 0 {
		return 1
	}
	return command
}
