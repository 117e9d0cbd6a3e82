package main

import (
	"math"
	"slices"
	"time"
)

// spread is what several runs came to: their median, and the range in which
// the middle half of them lies.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // first quartile
	High   float64 `json:"high"` // third quartile
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{
		Median: quantile(v, 0.5), Low: quantile(v, 0.25), High: quantile(v, 0.75),
		Min: v[0], Max: v[len(v)-1], Runs: len(v),
	}
}

// quantile interpolates between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// percentile is the nearest rank of sorted latencies; 0 of none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// noise is how far from 1 the middle half of the A/A ratios reaches: what
// differs by less than that from 1 is not told apart from it.
func (s spread) noise() float64 {
	return max(math.Abs(s.Low-1), math.Abs(s.High-1))
}

// paired divides each value by the mean of the two floors around it, so that a
// machine that slowly changes its pace hits both. There is one floor more than
// there are values.
func paired(values, floors []float64) []float64 {
	out := make([]float64, 0, len(values))
	for i, v := range values {
		if around := (floors[i] + floors[i+1]) / 2; around > 0 {
			out = append(out, v/around)
		}
	}
	return out
}

// neighbours divides each floor by the one before it: the A/A test, over the
// same distance in time as a pair.
func neighbours(floors []float64) []float64 {
	var out []float64
	for i := 1; i < len(floors); i++ {
		if floors[i-1] > 0 {
			out = append(out, floors[i]/floors[i-1])
		}
	}
	return out
}

// aim is a limit that a ratio to the floor should keep.
type aim struct {
	Of      metric  `json:"of"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least"`
}

// The judgements of an aim.
const (
	met         = "met"
	missed      = "missed"
	undecidable = "not decidable here"
)

// minRuns is how many pairs it takes to speak of a spread.
const minRuns = 3

// judge compares ratio with the aim, unless two floors differ from each other
// by more than the aim allows product and floor to differ. An aim of 1 allows
// nothing; there it is the difference found that must be more than noise.
func (a aim) judge(ratio, aa spread) string {
	margin := math.Abs(1 - a.Limit)
	if margin == 0 {
		margin = math.Abs(1 - ratio.Median)
	}
	switch {
	case ratio.Runs < minRuns || aa.Runs < minRuns || aa.noise() > margin:
		return undecidable
	case a.AtLeast == (ratio.Median >= a.Limit), ratio.Median == a.Limit:
		return met
	}
	return missed
}
