package sqlcore

import (
	"context"
	"encoding/json"

	"github.com/outhook/outhook/webhook"
)

// onceRow is an item as the statement takes it that settles all of a batch.
type onceRow struct {
	N       int             `json:"n"`
	ID      string          `json:"i"`
	Token   int64           `json:"k"`
	State   int             `json:"st"`
	Reason  string          `json:"r"`
	Unsent  int             `json:"b"`
	Healthy int             `json:"h"`
	Record  json.RawMessage `json:"x,omitempty"`
}

// once settles a batch of ends by one statement, where that can be: on
// PostgreSQL, and if no lane changes with it. done is false where nothing was
// written and the rows still must be locked.
func (w *settler) once(ctx context.Context) (done bool, err error) {
	rows, ok, err := w.ends()
	if err != nil || !ok {
		return false, err
	}
	arg, err := list(rows)
	if err != nil {
		return false, err
	}
	valid := make([]bool, len(w.items))
	lanes := false
	err = each(ctx, w.q, w.s.st.settleOnce, []any{arg}, func(r Rows) error {
		var n, changes number
		err := r.Scan(&n, &changes)
		valid[n.v] = true
		lanes = lanes || changes.v != 0
		return err
	})
	if err != nil || lanes {
		return false, err
	}
	w.markStale(valid)
	return true, nil
}

// ends gives the rows of a batch in which all is final and nothing failed.
func (w *settler) ends() ([]onceRow, bool, error) {
	if w.s.d != PostgreSQL {
		return nil, false, nil
	}
	rows := make([]onceRow, len(w.items))
	seen := make(map[string]bool, len(w.items))
	for i := range w.items {
		it := &w.items[i]
		if !it.State.Final() || it.Health == webhook.Failing || seen[it.ID] {
			return nil, false, nil
		}
		seen[it.ID] = true
		r := &rows[i]
		*r = onceRow{N: i, ID: it.ID, Token: it.Token, State: int(it.State), Reason: plain(it.Reason)}
		if it.Unsent {
			r.Unsent = 1
		}
		if it.Health == webhook.Healthy {
			r.Healthy = 1
		}
		if it.Attempt == nil {
			continue
		}
		var err error
		if r.Record, err = encodeAttempt(it.Attempt); err != nil {
			return nil, false, err
		}
	}
	return rows, true, nil
}

// once is the text for it: it locks what the items may settle, as settling
// does, and writes unless an ordered lane, a probe or a failure is concerned.
func (st *statements) once(d Dialect) {
	st.settleOnce = `WITH j AS MATERIALIZED (SELECT * FROM ` + d.rows("n i", "i t", "k i", "st i", "r t", "b i", "h i", "x j") + `),
 q AS MATERIALIZED (SELECT j.*, q.seq, q.endpoint_id, q.lane FROM j CROSS JOIN outhook_delivery d CROSS JOIN outhook_queue q
  WHERE d.id = j.i AND q.seq = d.seq AND q.state = 2 AND q.token = j.k ORDER BY q.seq FOR UPDATE OF q),
 c AS MATERIALIZED (SELECT CASE WHEN EXISTS (SELECT 1 FROM q WHERE q.lane IS NOT NULL) OR EXISTS (
  SELECT 1 FROM (SELECT q.endpoint_id, max(q.h) AS h FROM q GROUP BY q.endpoint_id) e CROSS JOIN outhook_lane l
  WHERE l.endpoint_id = e.endpoint_id AND (l.probe = 1 OR l.failures > 0 AND e.h = 1)) THEN 1 ELSE 0 END AS changes),
 gone AS (DELETE FROM outhook_queue t USING q, c WHERE t.seq = q.seq AND c.changes = 0 RETURNING t.seq, q.st, q.r, t.attempts - q.b AS attempts, q.x),
 n AS MATERIALIZED (SELECT {now} AS t),
 ends AS (INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT g.seq, g.st, g.r, g.attempts, n.t FROM gone g, n),
 tries AS (INSERT INTO outhook_attempt (seq, record) SELECT g.seq, g.x FROM gone g WHERE g.x IS NOT NULL)
 SELECT q.n, c.changes FROM q, c`
}
