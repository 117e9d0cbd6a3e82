package webhook

import (
	"strconv"
	"testing"
	"time"
)

// No window of Rate.Per holds more than Limit, wherever it begins.
func TestRateHoldsInEveryWindow(t *testing.T) {
	var r rates
	rate := Rate{Limit: 10, Per: 10 * time.Second}
	start := time.Unix(1_700_000_000, 0)
	r.take("other", 1, rate, start)
	var grants []time.Time
	at := start
	for i := range 2000 {
		at = at.Add(time.Duration(i*i%977) * time.Millisecond)
		granted, wait := r.take("e", 1+i%7, rate, at)
		if granted == 0 && wait <= 0 {
			t.Fatalf("take at %v = 0, %v; want a wait", at.Sub(start), wait)
		}
		for range granted {
			grants = append(grants, at)
		}
	}
	if len(grants) < 500 {
		t.Fatalf("%d grants in %v, want nearly one a second", len(grants), at.Sub(start))
	}
	for i := rate.Limit; i < len(grants); i++ {
		if gap := grants[i].Sub(grants[i-rate.Limit]); gap < rate.Per {
			t.Fatalf("grant %d came %v after the tenth before it, want %v or more", i, gap, rate.Per)
		}
	}
}

// What is granted again after the wait that take names is not nothing.
func TestRateGrantsAfterItsWait(t *testing.T) {
	for _, rate := range []Rate{{Limit: 1, Per: time.Second}, {Limit: 10, Per: 10 * time.Second}, {Limit: 3, Per: time.Millisecond}} {
		var r rates
		now := time.Unix(1_700_000_000, 123_456_789)
		for range 100 {
			if n, _ := r.take("e", rate.Limit, rate, now); n == 0 {
				t.Fatalf("take under %v after its wait = 0", rate)
			}
			_, wait := r.take("e", 1, rate, now)
			now = now.Add(wait)
		}
	}
}

// Many live windows are looked through once for each doubling, not for each
// new endpoint.
func TestSweepOfRatesIsSpread(t *testing.T) {
	var r rates
	now := time.Unix(1_700_000_000, 0)
	sweeps := 0
	for i := range 4 * maxCached {
		if r.windows != nil && len(r.windows) >= r.sweepAt {
			sweeps++
		}
		r.take(strconv.Itoa(i), 1, Rate{Limit: 10, Per: time.Hour}, now)
	}
	if sweeps > 2 {
		t.Errorf("%d sweeps for %d live windows, want at most 2", sweeps, 4*maxCached)
	}
	r.sweepAt = 0
	r.take("last", 1, Rate{Limit: 10, Per: time.Hour}, now.Add(3*time.Hour))
	if n := len(r.windows); n != 1 {
		t.Errorf("%d windows after all but the last were over, want 1", n)
	}
}
