package sqlcore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/outhook/outhook/webhook"
)

const (
	defaultPage = 50
	maxPage     = 1000
)

func pageLimit(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// ErrCursor is a cursor that this store did not give.
var ErrCursor = errors.New("the cursor is not one that this store gave")

// scanHistory reads a row of historyFrom.
func scanHistory(r Rows) (webhook.Delivery, int64, error) {
	var d record
	var hold, until, now number
	if err := d.scan(r, &hold, &until, &now); err != nil {
		return webhook.Delivery{}, 0, err
	}
	out, err := d.delivery()
	if !out.State.Final() {
		out.State = d.shown(now.v, &lane{hold: hold.v != 0, parkUntil: until.v})
	}
	return out, d.seq.v, err
}

// Delivery implements webhook.History.
func (s *Store) Delivery(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
	var found *webhook.Delivery
	err := each(ctx, s.db, s.st.delivery, []any{id}, func(r Rows) error {
		d, _, err := scanHistory(r)
		found = &d
		return err
	})
	if err != nil {
		return nil, nil, s.wrap("delivery", err)
	}
	if found == nil {
		return nil, nil, fmt.Errorf("%s: delivery %q: %w", s.name, id, webhook.ErrNotFound)
	}
	messages, err := s.readMessages(ctx, s.db, []string{found.MessageID})
	if err != nil {
		return nil, nil, s.wrap("delivery", err)
	}
	m := messages[found.MessageID]
	switch {
	case m.err != nil:
		return nil, nil, s.wrap("delivery", m.err)
	case m.Message == nil: // pruned since
		return nil, nil, fmt.Errorf("%s: the message of delivery %q: %w", s.name, id, webhook.ErrNotFound)
	}
	return found, m.Message, nil
}

// Attempts implements webhook.History.
func (s *Store) Attempts(ctx context.Context, deliveryID string) ([]webhook.Attempt, error) {
	var out []webhook.Attempt
	err := each(ctx, s.db, s.st.attempts, []any{deliveryID}, func(r Rows) error {
		var id, message, endpoint, record text
		if err := r.Scan(&id, &message, &endpoint, &record); err != nil {
			return err
		}
		a, err := decodeAttempt(string(record))
		a.DeliveryID, a.MessageID, a.EndpointID = string(id), string(message), string(endpoint)
		out = append(out, a)
		return err
	})
	return out, s.wrap("attempts", err)
}

// Deliveries implements webhook.History.
func (s *Store) Deliveries(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
	where, args, err := conditions(&q)
	if err != nil {
		return nil, "", s.wrap("deliveries", err)
	}
	limit := pageLimit(q.Limit)
	query := s.d.sql(historyFrom + where + ` ORDER BY d.created DESC, d.seq DESC LIMIT #`)
	var out []webhook.Delivery
	cursor, more := "", false
	err = each(ctx, s.db, query, append(args, int64(limit+1)), func(r Rows) error {
		if len(out) == limit {
			more = true
			return nil
		}
		d, seq, err := scanHistory(r)
		if err != nil && d.ID == "" {
			return err
		}
		// A damaged row is shown as far as it can be read.
		out = append(out, d)
		cursor = strconv.FormatInt(d.Created.UnixMicro(), 10) + "." + strconv.FormatInt(seq, 10)
		return nil
	})
	if err != nil {
		return nil, "", s.wrap("deliveries", err)
	}
	if !more {
		cursor = ""
	}
	return out, cursor, nil
}

// conditions turns a query into the text after FROM.
func conditions(q *webhook.HistoryQuery) (string, []any, error) {
	where := []string{"1 = 1"}
	var args []any
	add := func(cond string, values ...any) {
		where = append(where, cond)
		args = append(args, values...)
	}
	if q.EndpointID != "" {
		add(`d.endpoint_id = ?`, q.EndpointID)
	}
	if q.MessageID != "" {
		add(`d.message_id = ?`, q.MessageID)
	}
	if !q.Since.IsZero() {
		add(`d.created >= #`, q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		add(`d.created < #`, q.Until.UnixMicro())
	}
	if q.Cursor != "" {
		created, seq, ok := strings.Cut(q.Cursor, ".")
		c, err1 := strconv.ParseInt(created, 10, 64)
		n, err2 := strconv.ParseInt(seq, 10, 64)
		if !ok || err1 != nil || err2 != nil {
			return "", nil, ErrCursor
		}
		add(`d.created <= #`, c)
		add(`(d.created < # OR d.seq < #)`, c, n)
	}
	if len(q.States) > 0 {
		var in []string
		for _, st := range q.States {
			in = append(in, strconv.Itoa(int(st)))
		}
		add(historyState + ` IN (` + strings.Join(in, ", ") + `)`)
	}
	return ` WHERE ` + strings.Join(where, ` AND `), args, nil
}

// Counts implements webhook.Counter.
func (s *Store) Counts(ctx context.Context) (webhook.Counts, error) {
	var c webhook.Counts
	err := each(ctx, s.db, s.st.counts, nil, func(r Rows) error {
		var now, all, running, oldest number
		err := r.Scan(&now, &all, &running, &oldest)
		c = webhook.Counts{Pending: int(all.v - running.v), Running: int(running.v)}
		if !oldest.null {
			c.Oldest = span(max(now.v-oldest.v, 0))
		}
		return err
	})
	return c, s.wrap("counts", err)
}

// Finals implements webhook.History. What ends is numbered when somebody asks
// for it: a number is given to what is committed, one caller at a time, so that
// nothing ever appears before a cursor.
func (s *Store) Finals(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
	after := int64(0)
	if cursor != "" {
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || n < 0 {
			return nil, "", s.wrap("finals", ErrCursor)
		}
		after = n
	}
	limit = pageLimit(limit)
	out, last, err := s.numbered(ctx, after, limit)
	if err == nil && len(out) < limit {
		var fresh bool
		if fresh, err = s.number(ctx, limit); err == nil && fresh {
			out, last, err = s.numbered(ctx, after, limit)
		}
	}
	if err != nil {
		return nil, "", s.wrap("finals", err)
	}
	return out, strconv.FormatInt(last, 10), nil
}

// numbered reads what has a number.
func (s *Store) numbered(ctx context.Context, after int64, limit int) ([]webhook.Delivery, int64, error) {
	var out []webhook.Delivery
	last := after
	err := each(ctx, s.db, s.st.finals, []any{after, int64(limit)}, func(r Rows) error {
		var d record
		var num number
		if err := d.scan(r, &num); err != nil {
			return err
		}
		delivery, err := d.delivery()
		if err != nil && delivery.ID == "" {
			return err
		}
		out = append(out, delivery)
		last = num.v
		return nil
	})
	return out, last, err
}

// number gives numbers to what has none.
func (s *Store) number(ctx context.Context, limit int) (bool, error) {
	ids, err := s.unnumbered(ctx, s.db, limit)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	err = s.update(ctx, func(q Querier) error {
		var feed number
		if err := each(ctx, q, s.st.feedLock, nil, func(r Rows) error { return r.Scan(&feed) }); err != nil {
			return err
		}
		ids, err := s.unnumbered(ctx, q, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		type row struct {
			ID  int64 `json:"s"`
			Num int64 `json:"c"`
		}
		rows := make([]row, len(ids))
		for i, id := range ids {
			rows[i] = row{ID: id, Num: feed.v + int64(i) + 1}
		}
		if err := write(ctx, s, q, s.st.feedNext, rows); err != nil {
			return err
		}
		return q.Exec(ctx, s.st.feedSet, feed.v+int64(len(ids)))
	})
	return true, err
}

func (s *Store) unnumbered(ctx context.Context, q Querier, limit int) ([]int64, error) {
	var ids []int64
	err := each(ctx, q, s.st.feedNew, []any{int64(limit)}, func(r Rows) error {
		var id number
		err := r.Scan(&id)
		ids = append(ids, id.v)
		return err
	})
	return ids, err
}
