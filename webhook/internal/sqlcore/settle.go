package sqlcore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/outhook/outhook/webhook"
)

// Settle implements webhook.Queue.
func (s *Store) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if st := items[i].State; st != webhook.Pending && !st.Final() {
			return webhook.Settled{}, fmt.Errorf("%s: settle: the item for %q says %v: it must be pending or final", s.name, items[i].ID, st)
		}
	}
	if len(items) == 0 {
		return webhook.Settled{}, ctx.Err()
	}
	w := &settler{s: s, items: items}
	done, err := w.once(ctx)
	if err == nil && !done {
		err = s.update(ctx, func(q Querier) error {
			w = &settler{s: s, q: q, items: items}
			return w.run(ctx)
		})
	}
	if err != nil {
		return webhook.Settled{}, s.wrap("settle", err)
	}
	return webhook.Settled{Stale: w.stale, Failing: w.failing}, nil
}

// running is the row of an item that is not stale.
type running struct {
	item     int
	seq      int64
	endpoint string
	lane     *string
	ready    int64
	attempts int64
}

// settler is one Settle.
type settler struct {
	s     *Store
	q     Querier
	items []webhook.Settlement
	now   int64
	rows  []running

	stale   []int
	failing []webhook.EndpointHealth
	ordered []laneKey         // lanes that lost their head
	sooner  map[string]int64  // turns that come before what the lane may say
	probes  map[int64]string  // what may be a probe, and its endpoint
	signs   map[string][]bool // of each endpoint in order: whether it failed
}

// tokenRow names a claimed delivery.
type tokenRow struct {
	N     int    `json:"n"`
	ID    string `json:"i"`
	Token int64  `json:"k"`
}

func (w *settler) run(ctx context.Context) error {
	if err := w.s.planAnew(ctx, w.q, len(w.items)); err != nil {
		return err
	}
	if err := w.lock(ctx); err != nil || len(w.rows) == 0 {
		return err
	}
	w.sooner, w.probes, w.signs = map[string]int64{}, map[int64]string{}, map[string][]bool{}
	for _, step := range []func(context.Context) error{w.again, w.end, w.attempts, w.lanes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lock finds and locks what the items may settle.
func (w *settler) lock(ctx context.Context) error {
	type claim struct {
		id    string
		token int64
	}
	ids := make([]string, len(w.items))
	items := make(map[claim]int, len(w.items))
	var tokens array
	for i := range w.items {
		ids[i] = asStored(w.items[i].ID)
		tokens.number(w.items[i].Token)
		key := claim{ids[i], w.items[i].Token}
		if _, twice := items[key]; !twice {
			items[key] = i
		}
	}
	args := []any{w.s.idsOf(ids)}
	if w.s.d == PostgreSQL {
		args = append(args, tokens.text())
	}
	valid := make([]bool, len(w.items))
	err := each(ctx, w.q, w.s.st.settling, args, func(r Rows) error {
		var now, token, seq, ready, attempts number
		var id, endpoint text
		var name optional
		if err := r.Scan(&now, &id, &token, &seq, &endpoint, &name, &ready, &attempts); err != nil {
			return err
		}
		w.now = max(w.now, now.v)
		if i, ok := items[claim{string(id), token.v}]; ok && !valid[i] { // the same item twice settles once
			valid[i] = true
			w.rows = append(w.rows, running{
				item: i, seq: seq.v, endpoint: string(endpoint), lane: name.v, ready: ready.v, attempts: attempts.v,
			})
		}
		return nil
	})
	slices.SortFunc(w.rows, func(a, b running) int { return a.item - b.item })
	w.markStale(valid)
	return err
}

func (w *settler) markStale(valid []bool) {
	for i, ok := range valid {
		if !ok {
			w.stale = append(w.stale, i)
		}
	}
}

// note remembers what an item means for its lane.
func (w *settler) note(r *running) {
	it := &w.items[r.item]
	w.probes[r.seq] = r.endpoint
	switch it.Health {
	case webhook.Healthy:
		w.signs[r.endpoint] = append(w.signs[r.endpoint], false)
	case webhook.Failing:
		w.signs[r.endpoint] = append(w.signs[r.endpoint], true)
	case 0, webhook.NoSign:
	}
}

// soon asks for a turn at due.
func (w *settler) soon(endpoint string, due int64) {
	if was, ok := w.sooner[endpoint]; !ok || due < was {
		w.sooner[endpoint] = due
	}
}

// again settles what is tried once more.
func (w *settler) again(ctx context.Context) error {
	type row struct {
		Seq    int64 `json:"s"`
		Due    int64 `json:"c"`
		Back   int64 `json:"a"`
		Unsure int64 `json:"u"` // whether what was unsure still is
	}
	var rows []row
	for i := range w.rows {
		r := &w.rows[i]
		it := &w.items[r.item]
		w.note(r)
		if it.State != webhook.Pending {
			continue
		}
		out := row{Seq: r.seq, Due: later(w.now, max(it.Delay, 0))}
		if it.Unsent {
			out.Back, out.Unsure = 1, 1
		}
		if out.Due < r.ready {
			w.soon(r.endpoint, out.Due)
		}
		rows = append(rows, out)
	}
	return write(ctx, w.s, w.q, w.s.st.again, rows)
}

// endRow is what a delivery's end writes.
type endRow struct {
	Seq      int64  `json:"s"`
	State    int    `json:"st"`
	Reason   string `json:"r"`
	Attempts int64  `json:"a"`
	Ended    int64  `json:"c"`
}

// end settles what is final.
func (w *settler) end(ctx context.Context) error {
	var rows []endRow
	for i := range w.rows {
		r := &w.rows[i]
		it := &w.items[r.item]
		if !it.State.Final() {
			continue
		}
		out := endRow{Seq: r.seq, State: int(it.State), Reason: plain(it.Reason), Attempts: r.attempts, Ended: w.now}
		if it.Unsent {
			out.Attempts--
		}
		if r.lane != nil {
			w.ordered = append(w.ordered, laneKey{E: r.endpoint, Key: *r.lane})
			w.soon(r.endpoint, w.now)
		}
		rows = append(rows, out)
	}
	return w.s.finish(ctx, w.q, rows)
}

// finish makes open deliveries final.
func (s *Store) finish(ctx context.Context, q Querier, rows []endRow) error {
	if len(rows) == 0 {
		return nil
	}
	gone, alike := make([]int64, len(rows)), true
	for i := range rows {
		gone[i] = rows[i].Seq
		kind := rows[0]
		kind.Seq = rows[i].Seq
		alike = alike && rows[i] == kind
	}
	if s.d != PostgreSQL {
		if err := write(ctx, s, q, s.st.unqueue, gone); err != nil {
			return err
		}
	}
	if r := &rows[0]; s.d == SQLite && alike { // as most are
		return q.Exec(ctx, s.st.newEndsAlike, seqs(gone), int64(r.State), r.Reason, r.Attempts, r.Ended)
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return q.Exec(ctx, s.d.pick(s.st.newEnds, s.st.unqueue, s.st.newEnds), arg)
}

func (w *settler) attempts(ctx context.Context) error {
	type row struct {
		Seq    int64           `json:"s"`
		Record json.RawMessage `json:"r"`
	}
	var rows []row
	for i := range w.rows {
		a := w.items[w.rows[i].item].Attempt
		if a == nil {
			continue
		}
		rows = append(rows, row{Seq: w.rows[i].seq, Record: encodeAttempt(a)})
	}
	switch {
	case len(rows) == 0:
		return nil
	case w.s.d == SQLite:
		return repeat(ctx, w.q, w.s.st.newAttempt, len(rows), func(i int) []any { return []any{rows[i].Seq, string(rows[i].Record)} })
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return w.q.Exec(ctx, w.s.st.attempt, arg)
}
