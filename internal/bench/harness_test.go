package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == "-receiver" || os.Args[1] == "-worker") {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newEnv starts a receiver that goes with the test.
func newEnv(tb testing.TB) *env {
	tb.Helper()
	recv, err := startReceiver(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := recv.stop(); err != nil {
			tb.Errorf("receiver: %v", err)
		}
	})
	return &env{recv: recv, short: true, log: tb.Output()}
}

// BenchmarkScenario runs every arm of every scenario under the tools of go
// test. An arm is one run of many deliveries with its own clock, so it asks
// for b.N instead of looping; give it enough, as by -benchtime 20000x.
func BenchmarkScenario(b *testing.B) {
	for _, sc := range scenarios() {
		b.Run(sc.Name, func(b *testing.B) {
			e := newEnv(b)
			arms, end, err := sc.Open(context.Background(), e)
			if err != nil {
				b.Fatal(err)
			}
			if end != nil {
				defer func() {
					if err := end(); err != nil {
						b.Error(err)
					}
				}()
			}
			step := max(sc.Step, 1)
			for _, a := range arms {
				b.Run(a.Name, func(b *testing.B) {
					s, err := a.Run(context.Background(), load{n: (b.N + step - 1) / step * step})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportAllocs()
					b.ReportMetric(s.value(cost), "ns/op")
					b.ReportMetric(s.value(cpu), "cpu-ns/op")
					b.ReportMetric(s.value(allocs), "allocs/op")
					b.ReportMetric(s.value(heap), "B/op")
				})
			}
		})
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   spread
	}{
		{name: "none"},
		{name: "one", values: []float64{2}, want: spread{Median: 2, Low: 2, High: 2, Min: 2, Max: 2, Runs: 1}},
		{name: "odd", values: []float64{5, 1, 3, 2, 4}, want: spread{Median: 3, Low: 2, High: 4, Min: 1, Max: 5, Runs: 5}},
		{name: "even", values: []float64{4, 1, 3, 2}, want: spread{Median: 2.5, Low: 1.75, High: 3.25, Min: 1, Max: 4, Runs: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := spreadOf(tt.values); got != tt.want {
				t.Errorf("spreadOf(%v) = %+v, want %+v", tt.values, got, tt.want)
			}
		})
	}
}

func TestPairs(t *testing.T) {
	// The machine becomes twice as slow: the pairs do not see it.
	floors, products := []float64{100, 80, 60, 50}, []float64{90, 70, 55}
	if got, want := paired(products, floors), []float64{1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("paired(%v, %v) = %v, want %v", products, floors, got, want)
	}
	if got, want := neighbours(floors), []float64{0.8, 0.75, 50.0 / 60}; !slices.Equal(got, want) {
		t.Errorf("neighbours(%v) = %v, want %v", floors, got, want)
	}
}

func TestJudge(t *testing.T) {
	quiet := spreadOf([]float64{0.98, 1, 1.01, 1.02})
	loud := spreadOf([]float64{0.8, 0.9, 1.1, 1.2})
	shifted := spreadOf([]float64{1.2, 1.21, 1.22})
	atLeast := aim{Of: rate, Limit: 0.95, AtLeast: true}
	for _, tt := range []struct {
		name      string
		aim       aim
		ratio, aa spread
		want      string
	}{
		{name: "met", aim: atLeast, ratio: spreadOf([]float64{0.96, 0.97, 0.98}), aa: quiet, want: met},
		{name: "missed", aim: atLeast, ratio: spreadOf([]float64{0.8, 0.9, 0.94}), aa: quiet, want: missed},
		{name: "noise wider than the margin", aim: atLeast, ratio: spreadOf([]float64{1, 1, 1}), aa: loud, want: undecidable},
		{name: "the floor drifts", aim: atLeast, ratio: spreadOf([]float64{1, 1, 1}), aa: shifted, want: undecidable},
		{name: "a wide margin bears the noise", aim: aim{Of: cost, Limit: 3}, ratio: spreadOf([]float64{2, 2, 2}), aa: loud, want: met},
		{name: "at most, missed", aim: aim{Of: cpu, Limit: 1.1}, ratio: spreadOf([]float64{1.2, 1.2, 1.2}), aa: quiet, want: missed},
		{name: "too few runs", aim: atLeast, ratio: spreadOf([]float64{1, 1}), aa: spreadOf([]float64{1, 1}), want: undecidable},
		{name: "no margin, far off", aim: aim{Of: cost, Limit: 1}, ratio: spreadOf([]float64{2, 2, 2}), aa: loud, want: missed},
		{name: "no margin, in the noise", aim: aim{Of: cost, Limit: 1}, ratio: spreadOf([]float64{0.95, 0.95, 0.95}), aa: loud, want: undecidable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.aim.judge(tt.ratio, tt.aa); got != tt.want {
				t.Errorf("judge(%v, %v) = %q, want %q", tt.ratio, tt.aa, got, tt.want)
			}
		})
	}
}

// TestArms runs each arm once, small. An arm itself compares what the receiver
// got with what it sent, and fails if they differ.
func TestArms(t *testing.T) {
	small := regexp.MustCompile(`^(volatile|memory)/(endpoints=1|endpoints=10|body|answer|tls)|^(dispatch|fanout|idle/(volatile|memory)|open|noisy/memory|enqueue/sqlite|sqlite/drain)`)
	e := newEnv(t)
	for _, sc := range scenarios() {
		if !small.MatchString(sc.Name) {
			continue
		}
		t.Run(sc.Name, func(t *testing.T) {
			arms, end, err := sc.Open(context.Background(), e)
			if err != nil {
				t.Fatal(err)
			}
			if end != nil {
				defer func() {
					if err := end(); err != nil {
						t.Error(err)
					}
				}()
			}
			n := max(sc.Step, 1) * max(1, 60/max(sc.Step, 1))
			for _, a := range arms {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				s, err := a.Run(ctx, load{n: n, timed: sc.Of == rate})
				cancel()
				switch {
				case err != nil:
					t.Errorf("%s: %v", a.Name, err)
				case s.N != n || s.Wall <= 0 || s.CPU < 0:
					t.Errorf("%s: Run(%d) = %d deliveries in %v with %v of CPU", a.Name, n, s.N, s.Wall, s.CPU)
				case sc.Of == rate && (len(s.Latencies) != n || s.Latencies[0] <= 0):
					t.Errorf("%s: %d latencies from %v, want %d above 0", a.Name, len(s.Latencies), s.Latencies[:min(1, len(s.Latencies))], n)
				}
			}
		})
	}
}

// TestReceiverCounts says that a run that loses or repeats a delivery fails.
func TestReceiverCounts(t *testing.T) {
	e := newEnv(t)
	w := newWire(e)
	b := &bare{wire: w, workers: 4, timeout: timeoutOf(volatile)}
	header, err := b.header(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client := b.client()
	defer client.CloseIdleConnections()
	p := &poster{client: client, header: header, timeout: b.timeout}
	for range 3 {
		if err := p.post(context.Background(), w.url(0), w.prepared()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.check(2); err == nil {
		t.Error("check(2) after 3 requests = nil, want an error")
	}
	if err := p.post(context.Background(), w.url(0), w.prepared()[1:]); err != nil {
		t.Fatal(err)
	}
	if err := w.check(1); err == nil {
		t.Error("check(1) after a body that is too short = nil, want an error")
	}
	if err := w.check(0); err != nil {
		t.Errorf("check(0) = %v, want nil: what was counted is taken", err)
	}
}

// TestHandSigner says that the floor's signatures are good.
func TestHandSigner(t *testing.T) {
	key, body := signer.GenerateSecret(), []byte(`{"data":"x"}`)
	s, err := newHandSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Verify(s.header(body), body); err != nil {
			t.Errorf("Verify of the floor's header = %v, want nil", err)
		}
	}
	if _, err := v.Verify(s.header(body), body[1:]); err == nil {
		t.Error("Verify of another body = nil, want an error")
	}
}

// TestSameBytes says that product and floor send the same body.
func TestSameBytes(t *testing.T) {
	for _, size := range []int{100, 1000, 64 << 10} {
		w := wire{body: size}
		got, err := json.Marshal(&event{Data: w.text()})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, w.prepared()) || len(got) != size {
			t.Errorf("the prepared body of %d bytes is %d bytes, want what the encoder makes", size, len(w.prepared()))
		}
	}
}

// fake is an arm whose runs take what it is told, in turn.
func fake(name string, perSecond ...float64) arm {
	i := 0
	return arm{
		Name: name, Aims: []aim{{Of: rate, Limit: 0.95, AtLeast: true}},
		Run: func(_ context.Context, l load) (sample, error) {
			v := perSecond[i%len(perSecond)]
			i++
			return sample{N: l.n, Wall: time.Duration(float64(l.n) / v * 1e9), CPU: time.Millisecond}, nil
		},
	}
}

func TestPlay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		arms  []arm
		ratio float64
		want  string
	}{
		{name: "steady", arms: []arm{fake("floor", 1000), fake("product", 970)}, ratio: 0.97, want: met},
		{name: "slow", arms: []arm{fake("floor", 1000), fake("product", 500)}, ratio: 0.5, want: missed},
		{name: "noisy", arms: []arm{fake("floor", 1000, 500), fake("product", 750)}, ratio: 1, want: undecidable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &env{log: t.Output()}
			sc := scenario{Name: "fake", N: 1000, Of: rate, Open: func(context.Context, *env) ([]arm, func() error, error) { return tt.arms, nil, nil }}
			out, err := e.play(context.Background(), &sc, 7)
			if err != nil {
				t.Fatal(err)
			}
			f := out.Arms[1]
			if math.Abs(f.Ratio.Median-tt.ratio) > 0.001 || f.Ratio.Runs != 7 || f.Verdicts[0].Result != tt.want {
				t.Errorf("play = %+v, %+v, want ratio %v of 7 runs, %q", f.Ratio, f.Verdicts, tt.ratio, tt.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	e := &env{log: t.Output()}
	sc := scenario{
		Name: "fake/a", About: "nothing", Floor: "less", N: 1000, Of: rate,
		Open: func(context.Context, *env) ([]arm, func() error, error) {
			return []arm{fake("floor", 1000), fake("product", 970), fake("other", 1200)}, nil, nil
		},
	}
	out, err := e.play(context.Background(), &sc, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := &report{Machine: machine{CPUs: 2}, Outcomes: []*outcome{out}}
	var table, lines, text strings.Builder
	if err := errors.Join(r.writeMarkdown(&table), r.writeBenchmarks(&lines), r.writeJSON(&text)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## fake/a", "| product | 0.97 [0.97, 0.97] | 1.00 [1.00, 1.00] |", "**met**"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	var figures strings.Builder
	if err := r.writeTable(&figures); err != nil {
		t.Fatal(err)
	}
	if want := "| fake/a | product | 0.97 [0.97, 0.97] | 1.00 | 1.00 [1.00, 1.00] | rate ≥ 0.95: met |"; !strings.Contains(figures.String(), want) {
		t.Errorf("the table of figures lacks %q:\n%s", want, figures.String())
	}
	// Four runs of the floor, three of each of the others.
	if got := strings.Count(lines.String(), "\nBenchmarkFake/a/arm="); got != 10 {
		t.Errorf("%d benchmark lines, want 10:\n%s", got, lines.String())
	}
	var back report
	file := filepath.Join(t.TempDir(), "a.json")
	if err := errors.Join(os.WriteFile(file, []byte(text.String()), 0o600), back.read([]string{file, file})); err != nil || len(back.Outcomes) != 2 || len(back.Outcomes[1].Arms) != 3 {
		t.Errorf("the JSON does not come back twice: %v\n%s", err, text.String())
	}
}

// TestPlanted says that a floor that loses a delivery is found out: no
// pipeline passes that skips one.
func TestPlanted(t *testing.T) {
	e := newEnv(t)
	p := &pipeline{wire: tenEndpoints(e), posters: 2, open: func(context.Context) (table, error) { return &forgetful{}, nil }}
	if _, err := p.run(context.Background(), load{n: 20}); err == nil {
		t.Error("run of a table that loses a row = nil, want an error")
	}
}

// forgetful hands out one row of twenty less.
type forgetful struct {
	next int
	body []byte
}

func (f *forgetful) fill(_ context.Context, _ int, body []byte) error { f.body = body; return nil }
func (f *forgetful) settle(context.Context, []settled) error          { return nil }
func (f *forgetful) end() error                                       { return nil }

func (f *forgetful) claim(context.Context, int) ([]claimed, error) {
	var out []claimed
	for ; f.next < 19; f.next++ {
		out = append(out, claimed{seq: int64(f.next + 1), body: f.body})
	}
	return out, nil
}

func TestArrivals(t *testing.T) {
	at := arrivals(10_000, 1000)
	if !slices.IsSorted(at) || !slices.Equal(at, arrivals(10_000, 1000)) {
		t.Error("arrivals are out of order, or not the same each time")
	}
	if last := at[len(at)-1].Seconds(); last < 9 || last > 11 {
		t.Errorf("10,000 arrivals at 1,000/s take %.1f s, want about 10", last)
	}
}

func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, sc := range scenarios() {
		if seen[sc.Name] {
			t.Errorf("two scenarios are named %q", sc.Name)
		}
		seen[sc.Name] = true
		for _, l := range sc.Limits {
			if strings.HasPrefix(l.brief(), " ") {
				t.Errorf("%s: the limit of %q has no name in the table", sc.Name, l.Fact)
			}
		}
		if step := max(sc.Step, 1); sc.N%step != 0 || sc.Short%step != 0 || sc.Short == 0 {
			t.Errorf("%s: N %d and Short %d must be multiples of %d", sc.Name, sc.N, sc.Short, step)
		}
	}
}
