package sqlcore

import (
	"context"
	"slices"
)

// ahead is what a claim reads of lanes along with their locks, before it knows
// which of them it gets. Where an event comes now and then, those that the marks
// woke are all there are, and a round trip is saved.
type ahead struct {
	ids  []string // to be read
	rows map[string][]candidate
}

const (
	aheadLanes = 8
	aheadRows  = 16 // of a lane; where more may be due, they are read as always
)

// expect notes which lanes were woken. In a busy queue most that are visited
// were not.
func (v *visitor) expect(rows []turnRow) {
	if _, ok := v.q.(Pipeliner); !ok || !v.calm || len(rows) > aheadLanes {
		return
	}
	for _, r := range rows {
		v.ahead.ids = append(v.ahead.ids, r.E)
	}
}

func (v *visitor) readAhead(ctx context.Context) error {
	ids := v.ahead.ids
	v.ahead = ahead{rows: make(map[string][]candidate, len(ids))} // once
	found, err := v.readRows(ctx, ids, aheadRows)
	for _, id := range ids {
		rows := found[id]
		late := func(r candidate) bool { return r.ready > v.now }
		if len(rows) < aheadRows || slices.ContainsFunc(rows, late) { // else more may be due
			v.ahead.rows[id] = rows
		}
	}
	return err
}

// all reports whether all of these lanes were read to their end.
func (a *ahead) all(ids []string) bool {
	for _, id := range ids {
		if _, ok := a.rows[id]; !ok {
			return false
		}
	}
	return true
}
