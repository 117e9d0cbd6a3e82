package sqlcore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// pick locks lanes whose turn has come, the longest waiting first. Where others
// hold all of them, it waits for none and says so.
func (v *visitor) pick(ctx context.Context, most int, first bool) ([]*visit, error) {
	query := v.s.st.lanes
	bound := v.now
	if !first {
		bound-- // those that this claim visited have their turn now
	}
	args := []any{bound}
	if n := len(v.c.Skip); n > 0 {
		// Few different texts for any number of endpoints.
		size := 1
		for size < n {
			size *= 2
		}
		query += v.s.notIn(len(args), size)
		for i := range size {
			args = append(args, v.c.Skip[min(i, n-1)])
		}
	}
	visits, err := v.pickBy(ctx, query+` ORDER BY l.due`, args, most, v.s.st.skip)
	if err != nil || len(visits) > 0 || !first || v.s.d == SQLite {
		return visits, err
	}
	// Not locked, so that it sees what others hold.
	held, err := v.pickBy(ctx, query+` ORDER BY l.due`, args, 1, "")
	v.crowded = len(held) > 0
	return nil, err
}

// notIn excludes n values, the arguments after the first so many.
func (s *Store) notIn(after, n int) string {
	if s.d != PostgreSQL {
		return ` AND l.endpoint_id NOT IN (?` + strings.Repeat(", ?", n-1) + `)`
	}
	var b strings.Builder
	b.WriteString(` AND l.endpoint_id NOT IN (`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(placeholder(after + i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

func (v *visitor) pickBy(ctx context.Context, query string, args []any, most int, lock string) ([]*visit, error) {
	limit := ` LIMIT ?`
	if v.s.d == PostgreSQL {
		limit = ` LIMIT ` + placeholder(len(args)+1) + `::bigint`
	}
	var visits []*visit
	keep := func(r Rows) error {
		l, err := scanLane(r)
		visits = append(visits, &visit{lane: l})
		return err
	}
	query += limit + " " + lock
	args = append(args, int64(most))
	if len(v.ahead.ids) == 0 {
		err := each(ctx, v.q, query, args, keep)
		return visits, err
	}
	if err := eachLater(ctx, v.q, query, args, keep); err != nil {
		return nil, err
	}
	err := v.readAhead(ctx)
	return visits, err
}

// read fills in the first rows of each lane.
func (v *visitor) read(ctx context.Context, visits []*visit, most int) error {
	ids := make([]string, len(visits))
	for i, w := range visits {
		ids[i] = w.id
	}
	found, err := v.ahead.rows, error(nil)
	if !v.ahead.all(ids) {
		found, err = v.readRows(ctx, ids, most)
	}
	v.ahead.rows = nil // lanes that are locked later may have changed
	for _, w := range visits {
		w.rows = found[w.id]
		slices.SortFunc(w.rows, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.ready, b.ready), cmp.Compare(a.seq, b.seq)) })
		w.empty = len(w.rows) == 0
		v.behead(w)
	}
	return err
}

// readRows reads at most so many of the first rows of each lane.
func (v *visitor) readRows(ctx context.Context, ids []string, most int) (map[string][]candidate, error) {
	found := make(map[string][]candidate, len(ids))
	var seq, state, unsure, ready, size, head number // of one row after the other
	var id, name text
	keep := func(r Rows) error {
		err := r.Scan(&seq, &id, &name, &state, &unsure, &ready, &size, &head)
		found[string(id)] = append(found[string(id)], candidate{
			seq: seq.v, lane: string(name), state: state.v, unsure: unsure.v, ready: ready.v, size: size.v, head: head.v != 0,
		})
		return err
	}
	if v.s.d == MySQL {
		return found, v.readUnion(ctx, ids, most, keep)
	}
	return found, each(ctx, v.q, v.s.st.laneRows, []any{names(ids), int64(most)}, keep)
}

// readUnion is for MySQL and MariaDB, of which the latter has no LATERAL.
func (v *visitor) readUnion(ctx context.Context, ids []string, most int, keep func(Rows) error) error {
	const chunk = 64
	for part := range slices.Chunk(ids, chunk) {
		query := strings.Repeat(" UNION ALL "+v.s.st.laneRows, len(part))[len(" UNION ALL "):]
		args := make([]any, 0, 2*len(part))
		for _, id := range part {
			args = append(args, id, int64(most))
		}
		if err := each(ctx, v.q, query, args, keep); err != nil {
			return err
		}
	}
	return nil
}

// behead takes those out of a visit that are not the head of their ordered
// lane: they were enqueued while the head was on its way.
func (v *visitor) behead(w *visit) {
	w.rows = slices.DeleteFunc(w.rows, func(r candidate) bool {
		if !r.head {
			v.demoted = append(v.demoted, r.seq)
		}
		return !r.head
	})
}

func (v *visitor) demote(ctx context.Context) error {
	err := write(ctx, v.s, v.q, v.s.st.demote, v.demoted)
	v.demoted = v.demoted[:0]
	return err
}

// probing sets how many deliveries each visit may take.
func (v *visitor) probing(ctx context.Context, visits []*visit, quota int) error {
	var ids []int64
	for _, w := range visits {
		w.quota = quota
		switch {
		case w.parkUntil > v.now:
			w.quota = 0
		case w.probe:
			w.quota = 1
			if !w.probeSeq.null {
				ids = append(ids, w.probeSeq.v)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	outstanding := map[int64]int64{}
	err := each(ctx, v.q, v.s.st.probes, []any{seqs(ids)}, func(r Rows) error {
		var seq, state, ready number
		err := r.Scan(&seq, &state, &ready)
		if state.v == int64(webhook.Running) && ready.v > v.now {
			outstanding[seq.v] = ready.v
		}
		return err
	})
	for _, w := range visits {
		if until, ok := outstanding[w.probeSeq.v]; ok && w.probe && !w.probeSeq.null {
			w.quota, w.next = 0, until
		}
	}
	return err
}

// laneTurn is what a visit leaves in a lane.
type laneTurn struct {
	E     string `json:"e"`
	Due   *int64 `json:"c"`
	Probe *int64 `json:"p"`
}

// depart gives each visited lane its next turn, and removes the lanes in which
// nothing is left.
func (v *visitor) depart(ctx context.Context, visits []*visit) error {
	var rows []laneTurn
	var gone []string
	for _, w := range visits {
		turn, moves := v.turn(w)
		if !moves {
			continue
		}
		if turn == 0 && w.failures == 0 && !w.probe {
			gone = append(gone, w.id)
		} else {
			rows = append(rows, w.leaves(turn))
		}
		if turn == 0 || turn > v.now {
			v.cold[w.id] = true
		}
	}
	if err := write(ctx, v.s, v.q, v.s.st.lanesGone, gone); err != nil {
		return err
	}
	return write(ctx, v.s, v.q, v.s.st.lanesDone, rows)
}

func (w *visit) leaves(turn int64) laneTurn {
	r := laneTurn{E: w.id}
	if turn != 0 {
		r.Due = &turn
	}
	if !w.probeSeq.null {
		r.Probe = &w.probeSeq.v
	}
	return r
}

// turn says when a lane is to be visited next; 0 is never. A lane that was
// passed over since the claim is full keeps its place.
func (v *visitor) turn(w *visit) (int64, bool) {
	switch {
	case w.parkUntil > v.now:
		return w.parkUntil, true
	case w.next > 0: // a probe is under way
		return w.next, true
	case w.probe && w.taken > 0:
		return v.until(), true
	case w.taken == 0 && len(w.rows) > 0 && w.rows[0].ready <= v.now:
		return 0, false
	case w.empty:
		return 0, true
	}
	return v.rest(w), true
}

// rest is when the first of what is left of a lane is due: a lane that has more
// goes behind those that wait.
func (v *visitor) rest(w *visit) int64 {
	turn := int64(0)
	if w.taken > 0 {
		turn = v.until()
	}
	if w.taken < len(w.rows) && (turn == 0 || w.rows[w.taken].ready < turn) {
		turn = w.rows[w.taken].ready
	}
	// 0 where only such were there as are not the head: look again.
	return max(turn, v.now)
}
