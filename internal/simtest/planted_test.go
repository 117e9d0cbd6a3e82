package simtest_test

import (
	"slices"
	"testing"
)

// planted is a fault that the oracle has to see.
type planted struct {
	name  string
	plant plant
	// breaks is the rule that some world must see broken. Others may be too.
	breaks rule
}

// Faults of the store are planted in it. Those of the dispatcher are planted
// in what it talks to, with the same effect on the world: its judge, its
// connections, the store's answers.
func plantedFaults() []planted {
	return []planted{
		{name: "settle without token", plant: tokenless, breaks: ruleStale},
		{name: "lease ignored", plant: leaseless, breaks: ruleLeased},
		{name: "claim does not hide rows", plant: unhidden, breaks: ruleLeased},
		{name: "due order ignored", plant: reversed, breaks: ruleDueOrder},
		{name: "parked lane still claimed", plant: unparked, breaks: ruleParked},
		{name: "one lane starves another", plant: starving, breaks: ruleUnfair},
		{name: "duplicate event id fanned out", plant: undeduped, breaks: ruleTwins},
		{name: "partial enqueue", plant: partial, breaks: rulePartial},
		{name: "lost when an enqueue is written and answered by an error", plant: phantoms, breaks: ruleUnstored},
		{name: "lost when a claim is written and answered by an error", plant: swallowed, breaks: ruleLost},
		{name: "stale endpoint", plant: cached, breaks: ruleEdited},
		{name: "retry before its time", plant: hasty, breaks: ruleEarly},
		{name: "success recorded before the answer", plant: premature, breaks: ruleUnacked},
		{name: "body encoded again on a retry", plant: reencoded, breaks: ruleIdentity},
		{name: "disabled endpoint sent", plant: undisabled, breaks: ruleEdited},
		{name: "order broken by a retry", plant: disordered, breaks: ruleOrder},
		{name: "drain that forgets", plant: func(w *world) { w.forgets = true }, breaks: ruleForgotten},
		{name: "delivered on the third failure", plant: lenient(3), breaks: ruleUnacked},
		{name: "delivered on the sixth failure", plant: lenient(6), breaks: ruleUnacked},
		{name: "at most once sent again after a crash", plant: unexpired, breaks: ruleOnce},
		{name: "request replayed by the transport", plant: func(w *world) { w.replays = true }, breaks: ruleUnrecorded},
		{name: "a final state reopened", plant: reopened, breaks: ruleInventories},
	}
}

// seeds is how many worlds a planted fault may need to be seen, and replays
// how often the world that showed it must show it again.
const (
	seeds   = 1000
	replays = 20
)

func TestPlantedFaults(t *testing.T) {
	inOneOrder(t)
	for i, p := range plantedFaults() {
		if raced && !full() && i%4 != 0 {
			continue // whether they are seen, the run without the detector says
		}
		t.Run(p.name, func(t *testing.T) {
			s, seen := p.find(t)
			if !seen {
				t.Fatalf("not seen within %d worlds: %s", seeds, p.breaks)
			}
			if full() || !raced && i%8 == 0 {
				p.again(t, s)
			}
		})
	}
}

// find returns the first world that shows the fault.
func (p *planted) find(t *testing.T) (seed, bool) {
	t.Helper()
	for n := range seeds {
		if v, seen := p.seenIn(t, seed(n)); seen {
			t.Logf("seen in world %d of %d: %v", n+1, seeds, v)
			return seed(n), true
		}
	}
	return 0, false
}

func (p *planted) seenIn(t *testing.T, s seed) (violation, bool) {
	t.Helper()
	found, _ := simulate(t, s, p.plant, false)
	i := slices.IndexFunc(found, func(v violation) bool { return v.Rule == p.breaks })
	if i < 0 {
		return violation{}, false
	}
	return found[i], true
}

// again makes the world that showed the fault again and again.
func (p *planted) again(t *testing.T, s seed) {
	t.Helper()
	seen := 0
	for range replays {
		if _, ok := p.seenIn(t, s); ok {
			seen++
		}
	}
	t.Logf("world %d broke the rule again in %d of %d replays", s, seen, replays)
	if seen != replays {
		t.Errorf("world %d broke the rule in %d of %d replays, want all", s, seen, replays)
	}
}
