package sqlcore

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Purge implements webhook.Purger. The history is pruned from the end that
// ended first; a step looks at no more than it may remove.
func (s *Store) Purge(ctx context.Context, p webhook.Purge) (int, error) {
	if p.Limit <= 0 {
		p.Limit = maxPage
	}
	beyond, err := s.beyond(ctx, p)
	if err != nil {
		return 0, s.wrap("purge", err)
	}
	n := 0
	err = s.update(ctx, func(q Querier) error {
		err := s.planAnew(ctx, q, p.Limit)
		if err == nil {
			n, err = s.purge(ctx, q, p, beyond)
		}
		return err
	})
	return n, s.wrap("purge", err)
}

// beyond is the youngest final that is beyond the newest to keep. What is
// beyond once stays so, hence this is looked up only when nothing is left of
// what it said last.
func (s *Store) beyond(ctx context.Context, p webhook.Purge) (int64, error) {
	if p.Keep <= 0 {
		return 0, nil
	}
	s.mu.Lock()
	known, of := s.keepUntil, s.keepOf
	s.mu.Unlock()
	if of == p.Keep && known > 0 {
		oldest, err := s.oldest(ctx, s.db, 1)
		if err != nil || len(oldest) > 0 && oldest[0].id <= known {
			return known, err
		}
	}
	var id number
	err := each(ctx, s.db, s.st.keepFrom, []any{int64(p.Keep)}, func(r Rows) error { return r.Scan(&id) })
	s.mu.Lock()
	s.keepUntil, s.keepOf = id.v, p.Keep
	s.mu.Unlock()
	return id.v, err
}

type final struct{ id, seq, ended int64 }

func (s *Store) oldest(ctx context.Context, q Querier, limit int) ([]final, error) {
	var out []final
	err := each(ctx, q, s.st.oldest, []any{int64(limit)}, func(r Rows) error {
		var id, seq, ended number
		err := r.Scan(&id, &seq, &ended)
		out = append(out, final{id: id.v, seq: seq.v, ended: ended.v})
		return err
	})
	return out, err
}

func (s *Store) purge(ctx context.Context, q Querier, p webhook.Purge, beyond int64) (int, error) {
	now, err := s.clock(ctx, q)
	if err != nil {
		return 0, err
	}
	old, err := s.oldest(ctx, q, p.Limit)
	if err != nil {
		return 0, err
	}
	var finals, gone []int64
	for _, f := range old {
		if p.Age > 0 && now-f.ended > micros(max(p.Age, time.Microsecond)) || f.id <= beyond {
			finals = append(finals, f.id)
			gone = append(gone, f.seq)
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	messages, err := s.ids(ctx, q, s.st.goneOf, seqs(gone))
	if err != nil {
		return 0, err
	}
	for _, step := range []struct {
		query string
		ids   []int64
	}{{s.st.goneAttempts, gone}, {s.st.goneDeliveries, gone}, {s.st.goneFinals, finals}} {
		if err := write(ctx, s, q, step.query, step.ids); err != nil {
			return 0, err
		}
	}
	return len(gone), s.purgeMessages(ctx, q, messages)
}

// purgeMessages removes messages that nothing names. A dispatch that repeats a
// message locks it, so it is either seen here or stores the message anew.
func (s *Store) purgeMessages(ctx context.Context, q Querier, ids []string) error {
	for _, query := range []string{s.st.messageLock, s.st.message} {
		var err error
		if ids, err = s.ids(ctx, q, query, names(ids)); err != nil || len(ids) == 0 {
			return err
		}
	}
	return write(ctx, s, q, s.st.goneMessages, ids)
}

// ids reads a column of texts.
func (s *Store) ids(ctx context.Context, q Querier, query, arg string) ([]string, error) {
	var out []string
	err := each(ctx, q, query, []any{arg}, func(r Rows) error {
		var id text
		err := r.Scan(&id)
		out = append(out, string(id))
		return err
	})
	return out, err
}
