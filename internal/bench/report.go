package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// The facts that conclude adds to each arm: its allocations per delivery less
// those of the floor, and less those of the client that does not even sign.
const (
	factMoreAllocs = "allocations above the floor"
	factAllAllocs  = "allocations above the bare client, signing included"
)

// outcome is what a scenario came to.
type outcome struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Floor   string   `json:"floor"`
	Of      metric   `json:"of"`
	N       int      `json:"n"`
	Runs    int      `json:"runs"`
	Against string   `json:"against"` // the arm that is compared with
	Arms    []figure `json:"arms"`    // the floor first
}

// figure is what one arm came to.
type figure struct {
	Name     string             `json:"name"`
	Ratio    spread             `json:"ratio"`
	CPURatio spread             `json:"cpu_ratio"`
	AA       spread             `json:"aa"`     // the floor against itself
	CPUAA    spread             `json:"cpu_aa"` // the same for CPU
	Verdicts []verdict          `json:"verdicts,omitempty"`
	PerSec   float64            `json:"per_second"`
	Cost     float64            `json:"ns_per_op"`
	CPU      float64            `json:"cpu_ns_per_op"`
	Allocs   float64            `json:"allocs_per_op"`
	Bytes    float64            `json:"bytes_per_op"`
	P50      time.Duration      `json:"p50_ns"`
	P99      time.Duration      `json:"p99_ns"`
	Peak     float64            `json:"peak_bytes"`
	Facts    map[string]float64 `json:"facts,omitempty"`
	samples  []sample
}

// verdict is an aim, and what became of it.
type verdict struct {
	Aim    string `json:"aim"`
	Brief  string `json:"brief"`
	Found  string `json:"found,omitempty"` // in brackets, where it is no ratio
	Result string `json:"result"`
}

// conclude compares the arms with their floor.
func conclude(sc *scenario, n int, all []series) *outcome {
	o := &outcome{
		Name: sc.Name, About: sc.About, Floor: sc.Floor, Of: sc.Of, N: n,
		Runs: len(all[0].samples) - 1, Against: all[0].Name,
	}
	base := &all[0]
	aa := spreadOf(neighbours(base.values(sc.Of)))
	cpuAA := spreadOf(neighbours(base.values(cpu)))
	for i := range all {
		f := all[i].figure()
		f.AA, f.CPUAA = aa, cpuAA
		if i == 0 {
			f.Ratio, f.CPURatio = aa, cpuAA
		} else {
			f.compare(sc, &all[i], base, bareOf(all))
		}
		o.Arms = append(o.Arms, f)
	}
	return o
}

// bareOf is the arm that does nothing beyond the requests; nil where there is
// none.
func bareOf(all []series) *series {
	for i := range all {
		if all[i].Bare {
			return &all[i]
		}
	}
	return nil
}

func (f *figure) compare(sc *scenario, s, base, bare *series) {
	f.Ratio = spreadOf(paired(s.values(sc.Of), base.values(sc.Of)))
	f.CPURatio = spreadOf(paired(s.values(cpu), base.values(cpu)))
	if sc.Of == rate {
		f.Facts[factMoreAllocs] = f.Allocs - median(base.values(allocs))
		if bare != nil && bare != s {
			f.Facts[factAllAllocs] = f.Allocs - median(bare.values(allocs))
		}
	}
	for _, a := range s.Aims {
		ratio, aa := f.Ratio, f.AA
		if a.Of == cpu {
			ratio, aa = f.CPURatio, f.CPUAA
		}
		f.Verdicts = append(f.Verdicts, verdict{Aim: a.String(), Brief: a.brief(), Result: a.judge(ratio, aa)})
	}
	for _, l := range sc.Limits {
		if v, ok := f.Facts[l.Fact]; ok {
			f.Verdicts = append(f.Verdicts, verdict{Aim: l.String(), Brief: l.brief(), Found: fmt.Sprintf(" (%.4g)", v), Result: l.judge(v)})
		}
	}
}

func (s *series) figure() figure {
	f := figure{
		Name: s.Name, PerSec: median(s.values(rate)), Cost: median(s.values(cost)), CPU: median(s.values(cpu)),
		Allocs: median(s.values(allocs)), Bytes: median(s.values(heap)), Facts: map[string]float64{}, samples: s.samples,
	}
	latencies := s.timed.Latencies
	facts := map[string][]float64{}
	for i := range s.samples {
		one := &s.samples[i]
		f.Peak = max(f.Peak, float64(one.Peak))
		if s.timed.Latencies == nil {
			latencies = append(latencies, one.Latencies...)
		}
		for name, v := range one.Facts {
			facts[name] = append(facts[name], v)
		}
	}
	for name, v := range facts {
		f.Facts[name] = median(v)
	}
	slices.Sort(latencies)
	f.P50, f.P99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
	return f
}

func median(v []float64) float64 { return spreadOf(v).Median }

// String says what the aim wants.
func (a aim) String() string {
	name := map[metric]string{rate: "of the floor's rate", cost: "of the floor's time", cpu: "of the floor's CPU", p99: "of the floor's p99"}[a.Of]
	if a.AtLeast {
		return fmt.Sprintf("≥ %.2f %s", a.Limit, name)
	}
	return fmt.Sprintf("≤ %.2f %s", a.Limit, name)
}

// brief says it for a table.
func (a aim) brief() string {
	name := map[metric]string{rate: "rate", cost: "time", cpu: "CPU", p99: "p99"}[a.Of]
	if a.AtLeast {
		return fmt.Sprintf("%s ≥ %.2f", name, a.Limit)
	}
	return fmt.Sprintf("%s ≤ %.2f", name, a.Limit)
}

// brief says it for a table.
func (l limit) brief() string {
	name := map[string]string{
		factAllAllocs: "allocations more", factAllocs: "allocations", factPending: "B each", factBodies: "encodings",
		factQueries: "queries/s", factSent: "statements/s", factWorkerHeap: "MB of heap",
	}[l.Fact]
	return fmt.Sprintf("%s ≤ %g", name, l.Most)
}

// String says what the limit wants.
func (l limit) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s ≤ %g %s", l.Fact, l.Most, l.Unit))
}

func (l limit) judge(v float64) string {
	if v <= l.Most {
		return met
	}
	return missed
}

// machine is where the figures come from.
type machine struct {
	Go    string    `json:"go"`
	CPUs  int       `json:"cpus"`
	Load  string    `json:"load"` // before the first run
	Began time.Time `json:"began"`
	Short bool      `json:"short"`
}

// report is everything that one command measured.
type report struct {
	Machine  machine    `json:"machine"`
	Outcomes []*outcome `json:"scenarios"`
}

func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

const legend = `Ratio: the arm's figure divided by the mean of the floors before and after it; the median of all pairs, and
in brackets the range of their middle half. A/A: the floor divided by the floor before it, the same way: what it
strays from 1 is noise. An aim whose distance from 1 is less than the noise is "not decidable here". CPU is that
of the sending process alone. p50 and p99 are those of the exchange, or of the whole way where the scenario says
so; peak is that of the heap, garbage included.
`

// writeTable writes one line for each arm with an aim or a limit.
func (r *report) writeTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs, load %s before.\n\n", r.Machine.Go, r.Machine.CPUs, r.Machine.Load)
	b.WriteString("| scenario | arm | of the floor | CPU | floor to floor | what it should be |\n|---|---|---|---|---|---|\n")
	for _, o := range r.Outcomes {
		for i := range o.Arms {
			f := &o.Arms[i]
			if len(f.Verdicts) == 0 {
				continue
			}
			aims := make([]string, len(f.Verdicts))
			for k, v := range f.Verdicts {
				aims[k] = v.Brief + v.Found + ": " + v.Result
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %s | %s |\n", o.Name, f.Name, f.Ratio.text(), f.CPURatio.Median, f.AA.text(), strings.Join(aims, "; "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// read adds what earlier commands measured and wrote as JSON.
func (r *report) read(files []string) error {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var one report
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if r.Outcomes == nil {
			r.Machine = one.Machine
		}
		r.Machine.Short = r.Machine.Short || one.Machine.Short
		r.Outcomes = append(r.Outcomes, one.Outcomes...)
	}
	return nil
}

// writeMarkdown writes one table a scenario.
func (r *report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured against the floor\n\n%s, %d CPUs, load before %s", r.Machine.Go, r.Machine.CPUs, r.Machine.Load)
	if r.Machine.Short {
		b.WriteString(", short form")
	}
	fmt.Fprintf(&b, ".\n\n%s", legend)
	for _, o := range r.Outcomes {
		o.markdown(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (o *outcome) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s. Floor: %s. %d a run, %d runs; ratios of the %s.\n\n", o.Name, o.About, o.Floor, o.N, o.Runs, o.Of.long())
	b.WriteString("| arm | ratio | A/A | CPU ratio | CPU A/A | per second | ns | CPU µs | allocs | bytes | p50 | p99 | peak |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range o.Arms {
		f := &o.Arms[i]
		ratio, cpuRatio := f.Ratio.text(), f.CPURatio.text()
		if i == 0 {
			ratio, cpuRatio = "1", "1"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f | %.0f | %.1f | %.1f | %.0f | %s | %s | %s |\n",
			f.Name, ratio, f.AA.text(), cpuRatio, f.CPUAA.text(), f.PerSec, f.Cost, f.CPU/1e3, f.Allocs, f.Bytes,
			short(f.P50), short(f.P99), mebibytes(f.Peak))
	}
	for i := range o.Arms {
		o.Arms[i].notes(b)
	}
}

// notes lists what the table has no columns for.
func (f *figure) notes(b *strings.Builder) {
	for _, name := range sortedKeys(f.Facts) {
		fmt.Fprintf(b, "\n- %s: %s = %.4g", f.Name, name, f.Facts[name])
	}
	for _, v := range f.Verdicts {
		fmt.Fprintf(b, "\n- %s: %s: **%s**", f.Name, v.Aim+v.Found, v.Result)
	}
	if len(f.Facts)+len(f.Verdicts) > 0 {
		b.WriteString("\n")
	}
}

func (m metric) long() string {
	return map[metric]string{rate: "deliveries per second", cost: "time per operation", cpu: "CPU", p99: "99th percentile"}[m]
}

func (s spread) text() string {
	if s.Runs == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", s.Median, s.Low, s.High)
}

func short(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(max(time.Microsecond, d/1000)).String()
}

func mebibytes(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// writeBenchmarks writes each run of each arm as a line that benchstat reads.
func (r *report) writeBenchmarks(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: linux\npkg: github.com/outhook/outhook/internal/bench\n")
	for _, o := range r.Outcomes {
		for i := range o.Arms {
			for k := range o.Arms[i].samples {
				s := &o.Arms[i].samples[k]
				fmt.Fprintf(&b, "Benchmark%s/arm=%s-%d %d %.1f ns/op %.1f cpu-ns/op %.1f B/op %.1f allocs/op\n",
					benchName(o.Name), benchName(o.Arms[i].Name), r.Machine.CPUs, s.N, s.value(cost), s.value(cpu), s.value(heap), s.value(allocs))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// benchName is name as the name of a benchmark.
func benchName(name string) string {
	name = strings.NewReplacer(" ", "_", "-", "_").Replace(name)
	return strings.ToUpper(name[:1]) + name[1:]
}
