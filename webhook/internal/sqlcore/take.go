package sqlcore

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// takes notes which rows are to be claimed as they are stored.
func (p *inserts) takes() {
	p.answer()
	for n := range p.deliveries {
		b, i := p.batches[p.place[n][0]], p.place[n][1]
		if b.Take == nil || p.deliveries[n].Ordered == 1 || p.deliveries[n].State != int(webhook.Pending) {
			continue
		}
		if _, wanted := slices.BinarySearch(b.Take.Wanted, i); wanted {
			p.deliveries[n].Lease = micros(max(b.Take.Lease, time.Microsecond))
		}
	}
}

// answer begins the answers anew: nothing is taken.
func (p *inserts) answer() {
	for _, b := range p.batches {
		if b.Take == nil {
			continue
		}
		if p.token == 0 {
			p.token = newToken()
		}
		b.Take.Taken, b.Take.Token = b.Take.Taken[:0], p.token
	}
}

// wanted lists the rows that are to be claimed.
func (p *inserts) wanted() map[int]bool {
	all := map[int]bool{}
	for n := range p.deliveries {
		if p.deliveries[n].Lease > 0 {
			all[n] = true
		}
	}
	return all
}

// Left reports whether an Enqueue left something of batches to be claimed.
func Left(batches []*webhook.Batch) bool {
	for _, b := range batches {
		if b.Take == nil || len(b.Take.Taken) < len(b.Deliveries) {
			return true
		}
	}
	return false
}

// closedLanes tells of which endpoints nothing is to be taken.
func (s *Store) closedLanes(ctx context.Context, q Querier, p *inserts, open map[int]stored) (map[string]bool, error) {
	var rows []turnRow
	for n, at := range open {
		if d := &p.deliveries[n]; d.Lease > 0 {
			rows = append(rows, turnRow{E: d.E, Due: at.created})
		}
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // none is
	}
	arg, err := list(rows)
	if err != nil {
		return nil, err
	}
	closed := map[string]bool{}
	err = each(ctx, q, s.st.closed, []any{arg}, func(r Rows) error {
		var e text
		err := r.Scan(&e)
		closed[string(e)] = true
		return err
	})
	return closed, err
}

// insertTaken adds rows that are claimed already. It returns what was wanted and
// is not taken: an earlier try's rows are there, under another token or none.
func (s *Store) insertTaken(ctx context.Context, q Querier, p *inserts, open map[int]stored, rows []queueRow) (refused map[int]bool, err error) {
	refused = p.wanted()
	if len(rows) == 0 {
		return refused, nil
	}
	arg, err := list(rows)
	if err != nil {
		return nil, err
	}
	if err := q.Exec(ctx, s.st.newTaken, arg); err != nil {
		return nil, err
	}
	bySeq := make(map[int64]int, len(open))
	for n, at := range open {
		bySeq[at.seq] = n
	}
	err = each(ctx, q, s.st.taken, []any{arg}, func(r Rows) error {
		var seq number
		err := r.Scan(&seq)
		delete(refused, bySeq[seq.v])
		return err
	})
	return refused, err
}
