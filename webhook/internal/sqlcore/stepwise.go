package sqlcore

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

// stored is a delivery that has a row.
type stored struct{ seq, created int64 }

// enqueueStepwise is the way of the databases where a statement does one
// thing. The first one writes, so that SQLite has its lock from then on.
func (s *Store) enqueueStepwise(ctx context.Context, q Querier, p *inserts) ([][]webhook.Existing, error) {
	arg, err := list(p.deliveries)
	if err != nil {
		return nil, err
	}
	if err := q.Exec(ctx, s.st.newDeliveries, arg); err != nil {
		return nil, err
	}
	open, ended, missing, err := s.findNew(ctx, q, p, arg)
	if err != nil {
		return nil, err
	}
	existing := map[int]string{}
	if err := s.findExisting(ctx, q, p, missing, existing); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for n := range p.deliveries {
		if _, ok := existing[n]; !ok {
			wanted[p.deliveries[n].Message] = true
		}
	}
	if err := s.insertMessages(ctx, q, p, wanted); err != nil {
		return nil, err
	}
	refused, err := s.insertQueue(ctx, q, p, open)
	if err != nil {
		return nil, err
	}
	if err := s.insertEnds(ctx, q, ended); err != nil {
		return nil, err
	}
	return p.result(existing, refused), nil
}

// findNew tells which deliveries are there under their own id: open ones,
// those that ended, and those that are not.
func (s *Store) findNew(ctx context.Context, q Querier, p *inserts, arg string) (open map[int]stored, ended []endRow, missing []int, err error) {
	open = make(map[int]stored, len(p.deliveries))
	seen := make(map[int]bool, len(p.deliveries))
	err = each(ctx, q, s.st.newSeqs, []any{arg}, func(r Rows) error {
		var n, seq, created, end number
		err := r.Scan(&n, &seq, &created, &end)
		i := int(n.v)
		seen[i] = true
		d := &p.deliveries[i]
		switch {
		case !end.null: // an earlier call was here, and the delivery has ended
		case d.State == int(webhook.Pending):
			open[i] = stored{seq: seq.v, created: created.v}
		default:
			ended = append(ended, endRow{Seq: seq.v, State: d.State, Reason: d.Reason, Ended: created.v})
		}
		return err
	})
	for n := range p.deliveries {
		if !seen[n] {
			missing = append(missing, n)
		}
	}
	return open, ended, missing, err
}

// queueRow is a row of the queue to insert.
type queueRow struct {
	Seq     int64   `json:"s"`
	E       string  `json:"e"`
	Lane    *string `json:"k,omitempty"`
	Created int64   `json:"c"`
	Ready   *int64  `json:"r"`
	Token   int64   `json:"t,omitempty"`
	Size    int     `json:"z"`
}

// insertQueue adds what is open to the queue, and marks where no claim would
// look soon. It returns what was not taken although it was wanted.
func (s *Store) insertQueue(ctx context.Context, q Querier, p *inserts, open map[int]stored) (refused map[int]bool, err error) {
	if len(open) == 0 {
		return p.wanted(), nil
	}
	behind, err := s.behind(ctx, q, p, open)
	if err != nil {
		return nil, err
	}
	closed, err := s.closedLanes(ctx, q, p, open)
	if err != nil {
		return nil, err
	}
	rows, taken, looks := p.queueRows(open, behind, closed)
	// The lanes are looked at before the rows are there: a mark too many is
	// better than one too few.
	if err := s.mark(ctx, q, looks); err != nil {
		return nil, err
	}
	if err := insertRows(ctx, q, s.st.newQueue, rows); err != nil {
		return nil, err
	}
	return s.insertTaken(ctx, q, p, open, taken)
}

// queueRows makes the rows of what waits and of what is taken, and tells when a
// claim is to look at each endpoint.
func (p *inserts) queueRows(open map[int]stored, behind map[int]bool, closed map[string]bool) (rows, taken []queueRow, looks map[string]int64) {
	looks = map[string]int64{}
	for n := range p.deliveries {
		at, ok := open[n]
		if !ok {
			continue
		}
		d, look := &p.deliveries[n], at.created
		r := queueRow{Seq: at.seq, E: d.E, Created: at.created, Size: d.Size}
		if d.Lease > 0 && !closed[d.E] {
			look = later(at.created, time.Duration(d.Lease)*time.Microsecond)
			r.Ready, r.Token = &look, p.token
			taken = append(taken, r)
		} else {
			if d.Ordered == 1 {
				r.Lane = &d.Key
			}
			if d.Ordered == 0 || d.First == 1 && !behind[n] {
				r.Ready = &at.created
			}
			rows = append(rows, r)
		}
		if soonest, ok := looks[d.E]; !ok || look < soonest {
			looks[d.E] = look
		}
	}
	return rows, taken, looks
}

func insertRows(ctx context.Context, q Querier, query string, rows []queueRow) error {
	if len(rows) == 0 {
		return nil
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return q.Exec(ctx, query, arg)
}

// behind tells which deliveries have others before them in their ordered lane.
func (s *Store) behind(ctx context.Context, q Querier, p *inserts, open map[int]stored) (map[int]bool, error) {
	type row struct {
		N   int    `json:"n"`
		E   string `json:"e"`
		Key string `json:"k"`
	}
	var rows []row
	for n := range open {
		if d := &p.deliveries[n]; d.First == 1 {
			rows = append(rows, row{N: n, E: d.E, Key: d.Key})
		}
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // none is
	}
	arg, err := list(rows)
	if err != nil {
		return nil, err
	}
	behind := map[int]bool{}
	err = each(ctx, q, s.st.heads, []any{arg}, func(r Rows) error {
		var n number
		err := r.Scan(&n)
		behind[int(n.v)] = true
		return err
	})
	return behind, err
}

// markRow is a mark to insert.
type markRow struct {
	E     string  `json:"e"`
	Lane  *string `json:"k"`
	Due   int64   `json:"c"`
	Level int64   `json:"l"`
	// Horizon is the number of the first transaction that cannot have relied
	// on what was there before the mark; 0 while it is not known.
	Horizon int64 `json:"h"`
}

// mark leaves marks for endpoints at whose lanes no claim would look.
func (s *Store) mark(ctx context.Context, q Querier, looks map[string]int64) error {
	rows := make([]markRow, 0, len(looks))
	for e, due := range looks {
		rows = append(rows, markRow{E: e, Due: due})
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	awake := map[string]bool{}
	err = each(ctx, q, s.st.awake, []any{arg}, func(r Rows) error {
		var e text
		err := r.Scan(&e)
		awake[string(e)] = true
		return err
	})
	if err != nil {
		return err
	}
	asleep := rows[:0]
	for _, r := range rows {
		if !awake[r.E] {
			asleep = append(asleep, r)
		}
	}
	return s.insertMarks(ctx, q, asleep)
}

func (s *Store) insertMarks(ctx context.Context, q Querier, rows []markRow) error {
	if len(rows) == 0 {
		return nil
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return q.Exec(ctx, s.st.newMarks, arg)
}

func (s *Store) insertEnds(ctx context.Context, q Querier, ended []endRow) error {
	if len(ended) == 0 {
		return nil
	}
	arg, err := list(ended)
	if err != nil {
		return err
	}
	return q.Exec(ctx, s.st.newEnds, arg)
}
