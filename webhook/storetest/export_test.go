package storetest

import "testing"

// CaseNames lists the cases of the suite.
func CaseNames() []string {
	var out []string
	for _, c := range cases() {
		out = append(out, c.name)
	}
	return out
}

// Faults of one case, as Run would print them; none means that it passed.
func Play(t *testing.T, name string, open func(t *testing.T) Store, o Options) []string {
	t.Helper()
	o = o.withDefaults()
	var faults []string
	found := false
	for _, c := range cases() {
		if c.name != name {
			continue
		}
		found = true
		o.Around(t, func(t *testing.T) {
			t.Helper()
			play(t, c, open, o, func(fault string) { faults = append(faults, fault) })
		})
	}
	if !found {
		t.Fatalf("there is no case %q", name)
	}
	return faults
}

// Offers is what Run finds out about a store before it begins.
func Offers(t *testing.T, s Store) Features {
	t.Helper()
	return offers(t, s)
}
