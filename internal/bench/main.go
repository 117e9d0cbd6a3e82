// Bench measures outhook against its floor: the least that must be done for
// the same work. It runs every scenario, product and floor in turn, and writes
// a table.
//
//	go run . -md all.md -json all.json          # everything: about half an hour
//	go run . -scenarios figures -table figures.md  # the README's table
//	go run . -from a.json,b.json -table figures.md # a table of what was measured before
//	go run . -short                             # a look, in a minute or two
//	go run . -scenarios 'volatile/.*' -runs 7   # what a regular expression selects
//	go run . -benchstat new.txt                 # one line a run, for benchstat
//	go run . -scenarios list
//	go run . -scenarios volatile/body=100 -profiles $DIR -runs 1
//	go tool pprof -top $DIR/volatile_body=100_default.cpu
//	go tool pprof -top -sample_index alloc_objects -base $DIR/X.allocs.base $DIR/X.allocs
//
// The floor of a scenario is one function: it sends the same prepared body,
// over a transport with the same settings, under the same deadline, reads the
// answer in the same way, and writes the same rows as durably. The receiver is
// another process, whose CPU does not count. Product and floor alternate, and
// what is shown is the median of the paired ratios. Floor and floor alternate
// as well: what differs by less than they do is not decidable here. Every run
// checks with the receiver that it got exactly what was sent; apart from that,
// figures are printed and never asserted.
//
// The scenarios with a database look for PostgreSQL at OUTHOOK_POSTGRES (a
// URL), for MariaDB at OUTHOOK_MYSQL (a DSN without a database) and for Redis
// at OUTHOOK_REDIS (host:port), by default at their usual ports of this host.
// They work in a schema or database of their own and drop it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	receiver, worker          bool
	scenarios                 string
	short, full               bool
	runs                      int
	json, markdown, benchstat string
	table, from, profiles     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.receiver, "receiver", false, "be the receiver: what the command starts as its other process")
	flags.BoolVar(&o.worker, "worker", false, "be a worker: what a scenario starts as a process of its own")
	flags.StringVar(&o.scenarios, "scenarios", "", `a regular expression that selects scenarios, "figures" for those of the README, or "list"`)
	flags.BoolVar(&o.short, "short", false, "a tenth of the deliveries, 3 runs")
	flags.BoolVar(&o.full, "full", false, "backlogs of a million where they are of 100,000 otherwise")
	flags.IntVar(&o.runs, "runs", 0, "how often product and floor alternate (default 7, with -short 3)")
	flags.StringVar(&o.json, "json", "", "a `file` for the figures as JSON")
	flags.StringVar(&o.markdown, "md", "", "a `file` for the tables, one a scenario; default standard output")
	flags.StringVar(&o.benchstat, "benchstat", "", "a `file` for one line a run, as benchstat reads them")
	flags.StringVar(&o.table, "table", "", "a `file` for one line an arm: the table of the README; - is standard output")
	flags.StringVar(&o.from, "from", "", "`files` that -json wrote, with commas between: measure nothing, and report on them together")
	flags.StringVar(&o.profiles, "profiles", "", "a `directory` for CPU and allocation profiles, of one more run of each arm")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.receiver {
		return receive(ctx, os.Stdin, os.Stdout)
	}
	if o.worker {
		return work(ctx, os.Stdin, os.Stdout)
	}
	if o.scenarios == "list" {
		for _, sc := range scenarios() {
			fmt.Printf("%-34s %s. Floor: %s.\n", sc.Name, sc.About, sc.Floor)
		}
		return nil
	}
	if o.from != "" {
		r := &report{}
		if err := r.read(strings.Split(o.from, ",")); err != nil {
			return err
		}
		return r.write(&o)
	}
	r, err := measure(ctx, &o)
	if r == nil {
		return err
	}
	return errors.Join(err, r.write(&o))
}

// figures selects what the README shows.
const figures = `(volatile|memory)/(endpoints=10/workers=(16|64)|empty)|dispatch|fanout|pending|idle|open/memory|noisy` +
	`|(postgres|sqlite|mariadb)/drain$|(memory|postgres|sqlite)/grid|backlog|quiet|peers/(river|asynq)`

// scenarios lists all there are.
func scenarios() []scenario {
	return slices.Concat(deliveries(), alone(), latencies(), durables(), quiets(), neighbourhoods(), backlogs(), storedDeliveries(), peers())
}

// measure runs what is selected. What was measured before an error is still
// reported.
func measure(ctx context.Context, o *options) (*report, error) {
	pattern := o.scenarios
	if pattern == "figures" {
		pattern = figures
	}
	selected, err := regexp.Compile("^(?:" + pattern + ")")
	if err != nil {
		return nil, fmt.Errorf("-scenarios: %w", err)
	}
	if o.runs == 0 {
		o.runs = 7
		if o.short {
			o.runs = 3
		}
	}
	recv, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	r := &report{Machine: machine{
		Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		Load: load1(), Began: time.Now(), Short: o.short,
	}}
	e := &env{recv: recv, short: o.short, full: o.full, profiles: o.profiles, log: os.Stderr}
	errs := []error{}
	for _, sc := range scenarios() {
		if !selected.MatchString(sc.Name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", sc.Name)
		began := time.Now()
		out, err := e.play(ctx, &sc, o.runs)
		fmt.Fprintf(os.Stderr, "  %s took %.0f s\n", sc.Name, time.Since(began).Seconds())
		if err != nil {
			errs = append(errs, err)
			// What a failed run left in the receiver is not the next one's.
			if _, err := recv.take(); err != nil {
				errs = append(errs, err)
				break
			}
			continue
		}
		r.Outcomes = append(r.Outcomes, out)
	}
	return r, errors.Join(append(errs, recv.stop())...)
}

func (r *report) write(o *options) error {
	errs := []error{}
	for _, out := range []struct {
		file  string
		write func(io.Writer) error
	}{
		{o.json, r.writeJSON},
		{o.benchstat, r.writeBenchmarks},
		{o.markdown, r.writeMarkdown},
		{o.table, r.writeTable},
	} {
		if out.file != "" {
			errs = append(errs, toFile(out.file, out.write))
		}
	}
	if o.markdown == "" && o.table == "" {
		errs = append(errs, r.writeMarkdown(os.Stdout))
	}
	return errors.Join(errs...)
}

// toFile writes a file; "-" is the standard output.
func toFile(name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(os.Stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// load1 is the load average of the last minute, where the system tells.
func load1() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
