package sqlcore

import (
	"context"

	"github.com/outhook/outhook/webhook"
)

// onceRows are items as the statement takes them that settles all of a batch:
// a text for each column, which is read for a third of what JSON costs there.
// The attempts are lines, or empty: in an array, every quote of their JSON would
// have to be escaped here and unescaped there.
type onceRows struct {
	n, id, token, state, reason, unsent, healthy array
	records                                      []byte
}

func newOnceRows(n int) onceRows {
	return onceRows{
		n: make(array, 0, 4*n), id: make(array, 0, 40*n), token: make(array, 0, 20*n), state: make(array, 0, 2*n),
		reason: make(array, 0, 3*n), unsent: make(array, 0, 2*n), healthy: make(array, 0, 2*n),
		records: make([]byte, 0, attemptSize*n),
	}
}

// once settles a batch of ends by one statement, where that can be: on
// PostgreSQL, and if no lane changes with it. done is false where nothing was
// written and the rows still must be locked.
func (w *settler) once(ctx context.Context) (done bool, err error) {
	rows, ok := w.ends()
	if !ok {
		return false, nil
	}
	args := []any{
		rows.n.text(), rows.id.text(), rows.token.text(), rows.state.text(),
		rows.reason.text(), rows.unsent.text(), rows.healthy.text(), string(rows.records),
	}
	var valid []bool
	var lanes bool
	err = w.s.update(ctx, func(q Querier) error {
		valid, lanes = make([]bool, len(w.items)), false
		if err := w.s.planAnew(ctx, q, len(w.items)); err != nil {
			return err
		}
		return eachLater(ctx, q, w.s.st.settleOnce, args, func(r Rows) error {
			var n, changes number
			err := r.Scan(&n, &changes)
			valid[n.v] = true
			lanes = lanes || changes.v != 0
			return err
		})
	})
	if err != nil || lanes {
		return false, err
	}
	w.markStale(valid)
	return true, nil
}

// ends gives the rows of a batch in which all is final and nothing failed.
func (w *settler) ends() (rows onceRows, ok bool) {
	if w.s.d != PostgreSQL {
		return rows, false
	}
	rows = newOnceRows(len(w.items))
	seen := make(map[string]bool, len(w.items))
	for i := range w.items {
		it := &w.items[i]
		if !it.State.Final() || it.Health == webhook.Failing || seen[it.ID] {
			return rows, false
		}
		seen[it.ID] = true
		rows.n.number(int64(i))
		rows.id.string(asStored(it.ID))
		rows.token.number(it.Token)
		rows.state.number(int64(it.State))
		rows.reason.string(plain(it.Reason))
		rows.unsent.flag(it.Unsent)
		rows.healthy.flag(it.Health == webhook.Healthy)
		if i > 0 {
			rows.records = append(rows.records, '\n')
		}
		if it.Attempt != nil {
			rows.records = appendAttempt(rows.records, it.Attempt)
		}
	}
	return rows, true
}

// once is the text for it. Nothing is written where an ordered lane, a probe
// or a failure is concerned. A row is not locked before it goes: where somebody
// else was quicker, the DELETE looks at its state and token again. OFFSET 0 keeps
// a plan made for few lanes from reading all of them once they are many, and the
// queue from being joined by state or token, which many rows have in common.
func (st *statements) once() {
	st.settleOnce = `WITH j AS MATERIALIZED (SELECT * FROM ` + arrays("n i", "i t", "k i", "st i", "r t", "b i", "h i", "x l") + `),
 q AS MATERIALIZED (SELECT j.*, q.seq, q.endpoint_id, q.lane FROM j CROSS JOIN outhook_delivery d
  CROSS JOIN LATERAL (SELECT * FROM outhook_queue q WHERE q.seq = d.seq OFFSET 0) q
  WHERE d.id = j.i AND q.state = 2 AND q.token = j.k ORDER BY q.seq),
 c AS MATERIALIZED (SELECT CASE WHEN EXISTS (SELECT 1 FROM q WHERE q.lane IS NOT NULL) OR EXISTS (
  SELECT 1 FROM (SELECT q.endpoint_id, max(q.h) AS h FROM q GROUP BY q.endpoint_id) e
  CROSS JOIN LATERAL (SELECT l.probe, l.failures FROM outhook_lane l WHERE l.endpoint_id = e.endpoint_id OFFSET 0) l
  WHERE l.probe = 1 OR l.failures > 0 AND e.h = 1) THEN 1 ELSE 0 END AS changes),
 gone AS (DELETE FROM outhook_queue t USING q, c WHERE t.seq = q.seq AND t.state = 2 AND t.token = q.k AND c.changes = 0
  RETURNING q.n, t.seq, q.st, q.r, t.attempts - q.b AS attempts, q.x),
 n AS MATERIALIZED (SELECT {now} AS t),
 ends AS (INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT g.seq, g.st, g.r, g.attempts, n.t FROM gone g, n),
 tries AS (INSERT INTO outhook_attempt (seq, record) SELECT g.seq, g.x FROM gone g WHERE g.x IS NOT NULL)
 SELECT g.n, 0 FROM gone g UNION ALL SELECT 0, 1 FROM c WHERE c.changes = 1`
}
