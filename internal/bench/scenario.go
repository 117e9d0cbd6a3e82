package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// scenario is something to measure, and the floor that it stands on.
type scenario struct {
	Name  string
	About string
	// N is the number of deliveries of one run; Short is that of the short form.
	N, Short int
	// Step divides N: how many deliveries one event makes. 0 is 1.
	Step int
	// Of is the figure whose ratio is shown.
	Of metric
	// Floor says what stands below, in one line.
	Floor string
	// Limits are absolute, for the Facts of samples.
	Limits []limit
	// Repeat is how often it alternates, where that is not what -runs says.
	Repeat int
	// Open makes the arms; the first is the floor.
	Open func(ctx context.Context, e *env) ([]arm, func() error, error)
}

// limit is an absolute aim.
type limit struct {
	Fact string
	Most float64
	Unit string
}

// arm is one side of a scenario.
type arm struct {
	Name string
	Aims []aim
	// Bare says that allocations above the floor are counted from this one.
	Bare bool
	// Run makes l.n deliveries.
	Run func(ctx context.Context, l load) (sample, error)
}

// load says what a run is to do.
type load struct {
	n     int
	timed bool // collect latencies, and never mind what that costs
}

// env is what all scenarios share.
type env struct {
	recv     *receiver
	short    bool
	full     bool
	profiles string // a directory; empty: none are written
	log      io.Writer
}

// series are the samples of one arm.
type series struct {
	arm
	samples []sample
	timed   sample
}

func (s *series) values(m metric) []float64 {
	out := make([]float64, len(s.samples))
	for i := range s.samples {
		out[i] = s.samples[i].value(m)
	}
	return out
}

// play runs a scenario: floor, arms, floor, arms, ..., floor.
func (e *env) play(ctx context.Context, sc *scenario, runs int) (_ *outcome, err error) {
	if sc.Repeat > 0 {
		runs = min(runs, sc.Repeat)
	}
	n := sc.N
	if e.short {
		n = sc.Short
	}
	arms, end, err := sc.Open(ctx, e)
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sc.Name, err)
	}
	all := make([]series, len(arms))
	for i := range arms {
		all[i].arm = arms[i]
	}
	if err := e.alternate(ctx, sc, all, n, runs); err != nil {
		return nil, err
	}
	for i := range all {
		if sc.Of != rate {
			continue
		}
		if all[i].timed, err = e.once(ctx, sc, &all[i].arm, load{n: n, timed: true}); err != nil {
			return nil, err
		}
	}
	return conclude(sc, n, all), e.profile(ctx, sc, all, n)
}

// profile runs each arm once more, and counts nothing of it.
func (e *env) profile(ctx context.Context, sc *scenario, all []series, n int) error {
	if e.profiles == "" {
		return nil
	}
	if err := os.MkdirAll(e.profiles, 0o750); err != nil {
		return err
	}
	for i := range all {
		a := &all[i].arm
		if _, err := e.once(withProfile(ctx, e.profiles, sc.Name, a.Name), sc, a, load{n: n}); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) alternate(ctx context.Context, sc *scenario, all []series, n, runs int) error {
	turn := func(s *series) error {
		one, err := e.once(ctx, sc, &s.arm, load{n: n})
		s.samples = append(s.samples, one)
		return err
	}
	if err := turn(&all[0]); err != nil {
		return err
	}
	for range runs {
		for i := range all[1:] {
			if err := turn(&all[1+i]); err != nil {
				return err
			}
		}
		if err := turn(&all[0]); err != nil {
			return err
		}
	}
	return nil
}

// maxRun bounds one run of one arm.
const maxRun = 5 * time.Minute

func (e *env) once(ctx context.Context, sc *scenario, a *arm, l load) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()
	s, err := a.Run(ctx, l)
	if err != nil {
		return s, fmt.Errorf("%s: %s: %w", sc.Name, a.Name, err)
	}
	fmt.Fprintf(e.log, "  %-34s %10.0f/s %8.1f µs cpu %7.1f allocs\n",
		a.Name, s.value(rate), s.value(cpu)/1e3, s.value(allocs))
	return s, nil
}
