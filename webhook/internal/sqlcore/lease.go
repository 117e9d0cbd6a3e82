package sqlcore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/outhook/outhook/webhook"
)

// leases is what a lease writes: the same token for all that is claimed, since
// it tells claims apart, not deliveries.
type leases struct {
	token  int64
	seqs   []int64
	unsure []bool // an earlier claim of it ended without an answer
}

// lease marks the chosen rows as running and reads what belongs to them.
func (v *visitor) lease(ctx context.Context) error {
	if len(v.chosen) == 0 {
		return nil
	}
	if err := v.lock(ctx); err != nil {
		return err
	}
	n := len(v.chosen)
	v.leased = leases{token: newToken(), seqs: make([]int64, n), unsure: make([]bool, n)}
	order := make(map[int64]int, n)
	for i, r := range v.chosen {
		v.leased.seqs[i] = r.seq
		v.leased.unsure[i] = r.unsure != 0 || r.state == int64(webhook.Running)
		order[r.seq] = i
	}
	v.found = make([]*record, n)
	d := record{state: number{null: true}} // one row after the other
	columns := d.openColumns()
	keep := func(r Rows) error {
		if err := r.Scan(columns...); err != nil {
			return err
		}
		if i, ok := order[d.seq.v]; ok {
			one := d
			v.found[i] = &one
		}
		return nil
	}
	if v.s.d == PostgreSQL {
		return v.leaseAtOnce(ctx, keep)
	}
	return v.leaseStepwise(ctx, keep)
}

const (
	// maxWithCommit bounds what comes along with a commit, in bytes. It fits into
	// the buffers on its way: a claim that ends while more than that comes must not
	// be committed, or nobody sends for the time of a lease, and what may be sent
	// but once never.
	maxWithCommit = 16 << 10
	rowBytes      = 512 // of a delivery and its message, about, without what size counts
)

// leaseAtOnce is PostgreSQL's way: in the round trip of the commit, unless the
// bodies are many or large.
func (v *visitor) leaseAtOnce(ctx context.Context, keep func(Rows) error) error {
	var seqs, unsure array
	size := 0
	for i := range v.leased.seqs {
		seqs.number(v.leased.seqs[i])
		unsure.flag(v.leased.unsure[i])
		size += int(v.chosen[i].size) + rowBytes
	}
	all := seqs.text()
	if err := v.s.planAnew(ctx, v.q, len(v.chosen)); err != nil {
		return err
	}
	err := eachLater(ctx, v.q, v.s.st.lease, []any{v.until(), v.leased.token, all, unsure.text(), v.now}, keep)
	if err != nil {
		return err
	}
	m := newMessages(len(v.leased.seqs))
	v.messages = m.found
	read := eachLater
	if size > maxWithCommit {
		read = each
	}
	return read(ctx, v.q, v.s.st.messagesOf, []any{all}, m.keep)
}

// leaseStepwise is the way of the other databases.
func (v *visitor) leaseStepwise(ctx context.Context, keep func(Rows) error) error {
	rows := &v.leased
	var unsure []int64
	for i, seq := range rows.seqs {
		if rows.unsure[i] {
			unsure = append(unsure, seq)
		}
	}
	if err := write(ctx, v.s, v.q, v.s.st.doubt, unsure); err != nil {
		return err
	}
	all := seqs(rows.seqs)
	var err error
	if v.s.d == SQLite {
		err = repeat(ctx, v.q, v.s.st.lease, len(rows.seqs), func(i int) []any { return []any{rows.seqs[i], v.until(), rows.token} })
	} else {
		err = v.q.Exec(ctx, v.s.st.lease, all, v.until(), rows.token)
	}
	if err != nil {
		return err
	}
	if err := each(ctx, v.q, v.s.st.leased, []any{all}, keep); err != nil {
		return err
	}
	var ids []string
	known := map[string]bool{}
	for _, d := range v.found {
		if d != nil && !known[string(d.message)] {
			known[string(d.message)] = true
			ids = append(ids, string(d.message))
		}
	}
	v.messages, err = v.s.readMessages(ctx, v.q, ids)
	return err
}

// lock leaves out what somebody else is at, where the lease itself cannot.
func (v *visitor) lock(ctx context.Context) error {
	if v.s.d != MySQL {
		return nil
	}
	free := map[int64]bool{}
	ids := make([]int64, len(v.chosen))
	for i, r := range v.chosen {
		ids[i] = r.seq
	}
	err := each(ctx, v.q, v.s.st.lockRows, []any{seqs(ids), v.now}, func(r Rows) error {
		var seq number
		err := r.Scan(&seq)
		free[seq.v] = true
		return err
	})
	chosen := v.chosen[:0]
	for _, r := range v.chosen {
		if free[r.seq] {
			chosen = append(chosen, r)
		}
	}
	v.chosen = chosen
	return err
}

func (v *visitor) until() int64 { return later(v.now, max(v.c.Lease, time.Microsecond)) }

// claimed puts deliveries and messages together.
func (v *visitor) claimed() []webhook.Claimed {
	out := make([]webhook.Claimed, 0, len(v.found))
	for i, d := range v.found {
		if d == nil {
			continue
		}
		delivery, err := d.delivery()
		delivery.State = webhook.Running
		m := v.messages[string(d.message)]
		out = append(out, webhook.Claimed{
			Delivery: delivery, Message: m.Message, Token: v.leased.token, Bytes: int(v.chosen[i].size),
			Age: span(v.now - d.created.v), Expired: v.leased.unsure[i], Err: v.s.wrap("claim", damage(err, m, delivery.Body)),
		})
	}
	return out
}

func newToken() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}
