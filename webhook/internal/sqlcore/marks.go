package sqlcore

import (
	"context"
	"time"
)

// markRead is a mark that a claim came upon.
type markRead struct {
	seq, due, level, horizon int64
	endpoint                 string
	lane                     *string
	xmin, own                int64 // the oldest open transaction's number, and the claim's; PostgreSQL only
}

// begin reads the clock and the marks whose time has come: on PostgreSQL by one
// statement.
func (v *visitor) begin(ctx context.Context) ([]markRead, error) {
	if v.s.d == PostgreSQL {
		return v.readMarks(ctx, &v.now)
	}
	now, err := v.s.clock(ctx, v.q)
	if err != nil {
		return nil, err
	}
	v.now = now
	return v.readMarks(ctx, nil, now)
}

// intake turns marks into turns of lanes.
func (v *visitor) intake(ctx context.Context, marks []markRead) error {
	if len(marks) == 0 {
		return nil
	}
	turns := map[string]int64{}
	wake := func(e string, due int64) {
		if was, ok := turns[e]; !ok || due < was {
			turns[e] = due
		}
	}
	var again []string
	var lanes []laneKey
	for _, m := range marks {
		switch {
		case m.lane != nil:
			lanes = append(lanes, laneKey{E: m.endpoint, Key: *m.lane})
			wake(m.endpoint, v.now) // the endpoint's lane is the lock for its order
		case m.level == 0:
			wake(m.endpoint, m.due)
		default:
			again = append(again, m.endpoint)
		}
	}
	if err := v.recheck(ctx, again, wake); err != nil {
		return err
	}
	if err := v.wake(ctx, turns); err != nil {
		return err
	}
	if _, err := v.s.promoteLanes(ctx, v.q, lanes, v.now); err != nil {
		return err
	}
	return v.passOn(ctx, marks)
}

// readMarks reads some marks whose time has come; where the database can, it
// removes them at once. With a clock, each row begins with it, and where no mark
// is there, the others are null.
func (v *visitor) readMarks(ctx context.Context, clock *int64, args ...any) ([]markRead, error) {
	var marks []markRead
	var now, seq, due, level, horizon, xmin, own number
	var endpoint text
	var name optional
	columns := []any{&now, &seq, &endpoint, &name, &due, &level, &horizon, &xmin, &own}
	if clock == nil {
		columns = columns[1:]
	}
	err := each(ctx, v.q, v.s.st.marks, append(args, int64(max(v.c.Limit, 16))), func(r Rows) error {
		err := r.Scan(columns...)
		if clock != nil {
			*clock = now.v
		}
		if !seq.null {
			marks = append(marks, markRead{
				seq: seq.v, endpoint: string(endpoint), lane: name.v, due: due.v, level: level.v, horizon: horizon.v, xmin: xmin.v, own: own.v,
			})
		}
		return err
	})
	return marks, err
}

// recheck finds lanes that have something due earlier than their turn.
func (v *visitor) recheck(ctx context.Context, endpoints []string, wake func(string, int64)) error {
	if len(endpoints) == 0 {
		return nil
	}
	return each(ctx, v.q, v.s.st.markCheck, []any{names(endpoints)}, func(r Rows) error {
		var e text
		var first, due number
		err := r.Scan(&e, &first, &due)
		if !first.null && (due.null || due.v > first.v) {
			wake(string(e), first.v)
		}
		return err
	})
}

// turnRow is a lane and when its turn comes.
type turnRow struct {
	E   string `json:"e"`
	Due int64  `json:"c"`
}

func (v *visitor) wake(ctx context.Context, turns map[string]int64) error {
	if len(turns) == 0 {
		return nil
	}
	rows := make([]turnRow, 0, len(turns))
	for e, due := range turns {
		rows = append(rows, turnRow{E: e, Due: due})
	}
	v.expect(rows)
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return v.q.Exec(ctx, v.s.st.markLanes, arg)
}

// passOn lets the marks that watch for late transactions look again later.
func (v *visitor) passOn(ctx context.Context, marks []markRead) error {
	var gone []int64
	var later []markRow
	for _, m := range marks {
		gone = append(gone, m.seq)
		if delay, horizon, done := m.next(v.s.d); !done {
			later = append(later, markRow{E: m.endpoint, Lane: m.lane, Due: v.now + micros(delay), Level: m.level + 1, Horizon: horizon})
		}
	}
	if v.s.d != PostgreSQL { // where reading them did not remove them
		if err := write(ctx, v.s, v.q, v.s.st.marksGone, gone); err != nil {
			return err
		}
	}
	return v.s.insertMarks(ctx, v.q, later)
}

const (
	// lookAgain is when a mark looks for late transactions first.
	lookAgain = 25 * time.Millisecond
	// lastLook is the level at which a mark on MySQL gives up: it has then
	// looked for 34 seconds.
	lastLook = 6
)

// next says when a mark looks again.
func (m *markRead) next(d Dialect) (delay time.Duration, horizon int64, done bool) {
	if m.level == 0 || d == SQLite {
		return 0, 0, true
	}
	if d == MySQL {
		return lookAgain << (2 * m.level), 0, m.level >= lastLook
	}
	// All transactions that could have relied on what was taken away have a
	// number below this claim's, and once the oldest that is open has no lower
	// one, they have ended. A snapshot's xmax would not do: it is the number of
	// an open transaction where none that came later has ended.
	if m.level == 1 {
		return lookAgain, m.own, m.xmin >= m.own
	}
	return min(lookAgain<<min(m.level-1, 16), 10*time.Second), m.horizon, m.xmin >= m.horizon
}

// farewell leaves marks for the lanes whose turn was put off.
func (v *visitor) farewell(ctx context.Context) error {
	if v.s.d == SQLite {
		return nil
	}
	rows := make([]markRow, 0, len(v.cold))
	for e := range v.cold {
		rows = append(rows, markRow{E: e, Due: v.now + micros(lookAgain), Level: 1})
	}
	return v.s.insertMarks(ctx, v.q, rows)
}

// laneKey is an ordered lane.
type laneKey struct {
	N   int    `json:"n"`
	E   string `json:"e"`
	Key string `json:"k"`
}

// promoteLanes lets the heads of ordered lanes be ready. It returns the lanes
// in which nothing is left. The caller holds the lanes' locks.
func (s *Store) promoteLanes(ctx context.Context, q Querier, lanes []laneKey, now int64) ([]laneKey, error) {
	if len(lanes) == 0 {
		return nil, nil
	}
	for i := range lanes {
		lanes[i].N = i
	}
	arg, err := list(lanes)
	if err != nil {
		return nil, err
	}
	type row struct {
		Seq   int64 `json:"s"`
		Ready int64 `json:"r"`
	}
	var heads []row
	var empty []laneKey
	err = each(ctx, q, s.st.promoteRead, []any{arg}, func(r Rows) error {
		var n, head number
		err := r.Scan(&n, &head)
		if head.null {
			empty = append(empty, lanes[n.v])
		} else {
			heads = append(heads, row{Seq: head.v, Ready: now})
		}
		return err
	})
	if err != nil {
		return empty, err
	}
	return empty, write(ctx, s, q, s.st.promote, heads)
}

// watchLanes leaves marks for ordered lanes that were seen empty.
func (s *Store) watchLanes(ctx context.Context, q Querier, empty []laneKey, now int64) error {
	if s.d == SQLite {
		return nil
	}
	rows := make([]markRow, len(empty))
	for i, l := range empty {
		rows[i] = markRow{E: l.E, Lane: &l.Key, Due: now + micros(lookAgain), Level: 1}
	}
	return s.insertMarks(ctx, q, rows)
}
