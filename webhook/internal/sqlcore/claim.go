package sqlcore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Claim implements webhook.Queue.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	if c.Limit <= 0 {
		return nil, ctx.Err()
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = math.MaxInt
	}
	if c.PerEndpoint <= 0 {
		c.PerEndpoint = math.MaxInt32
	}
	if err := s.sweepNow(ctx); err != nil {
		return nil, s.wrap("claim", err)
	}
	if !s.busy.Load() {
		due, err := s.peek(ctx)
		if err != nil || !due {
			return nil, s.wrap("claim", err)
		}
	}
	claimed, crowded, err := s.claimPatiently(ctx, &c)
	s.busy.Store(err == nil && (len(claimed) > 0 || crowded))
	return claimed, s.wrap("claim", err)
}

// patience is how long a claim tries where other claims hold all lanes whose
// turn has come. They let go of them within milliseconds; to wait for the lock
// of one would be to stand in a line, and after it in that of the next.
const patience = 100 * time.Millisecond

func (s *Store) claimPatiently(ctx context.Context, c *webhook.Claim) (claimed []webhook.Claimed, crowded bool, err error) {
	begin := time.Now()
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		err := s.update(ctx, func(q Querier) error {
			var err error
			v := &visitor{s: s, q: q, c: c}
			claimed, err = v.run(ctx)
			crowded = v.crowded
			return err
		})
		if err != nil || len(claimed) > 0 || !crowded || time.Since(begin)+wait > patience {
			return claimed, crowded, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, false, err
		}
	}
}

// peek reports whether a claim may find something. It is all that an idle
// queue costs; a busy one goes without.
func (s *Store) peek(ctx context.Context) (bool, error) {
	due := false
	err := each(ctx, s.db, s.st.peek, nil, func(r Rows) error {
		var now, mark, lane number
		err := r.Scan(&now, &mark, &lane)
		due = !mark.null && mark.v <= now.v || !lane.null && lane.v <= now.v
		return err
	})
	return due, err
}

// candidate is a row of the queue that may be claimed.
type candidate struct {
	seq    int64
	lane   string
	state  int64
	unsure int64
	ready  int64
	size   int64
	head   bool
}

// lane is the state of an endpoint.
type lane struct {
	id                               string
	due                              number
	parkUntil                        int64
	hold, probe                      bool
	probeSeq                         number
	failures, failingSince, failedAt int64
}

func scanLane(r Rows) (*lane, error) {
	var id text
	var due, until, hold, probe, seq, failures, since, failed number
	err := r.Scan(&id, &due, &until, &hold, &probe, &seq, &failures, &since, &failed)
	return &lane{
		id: string(id), due: due, parkUntil: until.v, hold: hold.v != 0, probe: probe.v != 0, probeSeq: seq,
		failures: failures.v, failingSince: since.v, failedAt: failed.v,
	}, err
}

// visitor is one claim.
type visitor struct {
	s   *Store
	q   Querier
	c   *webhook.Claim
	now int64

	room    int // in bytes
	full    bool
	crowded bool // others hold all lanes whose turn has come
	chosen  []candidate
	demoted []int64
	cold    map[string]bool // endpoints that others may have relied upon
}

// visit is a lane's turn.
type visit struct {
	*lane
	rows  []candidate
	taken int
	quota int
	next  int64 // the next turn; 0 for none
	empty bool
}

func (v *visitor) run(ctx context.Context) ([]webhook.Claimed, error) {
	v.room, v.cold = v.c.MaxBytes, map[string]bool{}
	marks, err := v.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.intake(ctx, marks); err != nil {
		return nil, err
	}
	if err := v.rounds(ctx); err != nil {
		return nil, err
	}
	claimed, err := v.lease(ctx)
	if err != nil {
		return nil, err
	}
	return claimed, v.farewell(ctx)
}

func (s *Store) clock(ctx context.Context, q Querier) (int64, error) {
	var now number
	err := each(ctx, q, s.st.clock, nil, func(r Rows) error { return r.Scan(&now) })
	return now.v, err
}

// perVisit is how many deliveries a visit brings where there are lanes enough.
const perVisit = 8

// rounds visits lanes until the claim is full or has seen all turns. The first
// round visits as many lanes as would do if each had some deliveries, the next
// ones more.
func (v *visitor) rounds(ctx context.Context) error {
	per := min(v.c.PerEndpoint, perVisit)
	lanes := max(8, (v.c.Limit+per-1)/per)
	for first := true; !v.full && len(v.chosen) < v.c.Limit; first = false {
		lanes = min(lanes, max(8, v.c.Limit-len(v.chosen)))
		visits, err := v.pick(ctx, lanes, first)
		if err != nil || len(visits) == 0 {
			return err
		}
		if err := v.visit(ctx, visits, lanes); err != nil {
			return err
		}
		if err := v.depart(ctx, visits); err != nil || len(visits) < lanes {
			return err // there were no others
		}
		lanes *= 4
	}
	return nil
}

// visit looks at what waits in lanes, of which there were at most so many asked
// for, and chooses.
func (v *visitor) visit(ctx context.Context, visits []*visit, asked int) error {
	left := v.c.Limit - len(v.chosen)
	if len(visits) < asked {
		left *= 2 // there are no others, and some may have little
	}
	quota := min(v.c.PerEndpoint, v.c.Limit-len(v.chosen), (left+len(visits)-1)/len(visits))
	if err := v.read(ctx, visits, quota+1); err != nil {
		return err
	}
	if err := v.probing(ctx, visits, quota); err != nil {
		return err
	}
	v.choose(visits)
	return v.demote(ctx)
}

// choose takes the first of each lane, then the second of each, and so on.
func (v *visitor) choose(visits []*visit) {
	for taken := true; taken && !v.full; {
		taken = false
		for _, w := range visits {
			if v.full || len(v.chosen) >= v.c.Limit {
				v.full = true
				break
			}
			taken = v.takeOne(w) || taken
		}
	}
}

// takeOne takes the next delivery of a lane.
func (v *visitor) takeOne(w *visit) bool {
	if w.taken >= w.quota || w.taken >= len(w.rows) || w.rows[w.taken].ready > v.now {
		return false
	}
	r := w.rows[w.taken]
	if r.size > int64(v.room) {
		v.full = true // also for what is empty: it comes alone, or not now
		if len(v.chosen) > 0 {
			return false
		}
	}
	v.room -= int(min(r.size, int64(v.room)))
	v.chosen = append(v.chosen, r)
	if w.probe {
		w.probeSeq = number{v: r.seq}
	}
	w.taken++
	return true
}

// leases is what a lease writes: the same token for all that is claimed, since
// it tells claims apart, not deliveries.
type leases struct {
	token  int64
	seqs   []int64
	unsure []bool // an earlier claim of it ended without an answer
}

// lease marks the chosen rows as running and reads what belongs to them.
func (v *visitor) lease(ctx context.Context) ([]webhook.Claimed, error) {
	if len(v.chosen) == 0 {
		return nil, nil
	}
	if err := v.lock(ctx); err != nil {
		return nil, err
	}
	rows := leases{token: newToken(), seqs: make([]int64, len(v.chosen)), unsure: make([]bool, len(v.chosen))}
	order := make(map[int64]int, len(v.chosen))
	for i, r := range v.chosen {
		rows.seqs[i] = r.seq
		rows.unsure[i] = r.unsure != 0 || r.state == int64(webhook.Running)
		order[r.seq] = i
	}
	found := make([]*record, len(v.chosen))
	d := record{state: number{null: true}} // one row after the other
	columns := d.openColumns()
	err := v.writeLease(ctx, &rows, func(r Rows) error {
		if err := r.Scan(columns...); err != nil {
			return err
		}
		if i, ok := order[d.seq.v]; ok {
			one := d
			found[i] = &one
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.claimed(ctx, found, &rows)
}

// writeLease writes the rows and reads the deliveries.
func (v *visitor) writeLease(ctx context.Context, rows *leases, keep func(Rows) error) error {
	if v.s.d == PostgreSQL {
		var seqs, unsure array
		for i := range rows.seqs {
			seqs.number(rows.seqs[i])
			unsure.flag(rows.unsure[i])
		}
		return each(ctx, v.q, v.s.st.lease, []any{v.until(), rows.token, seqs.text(), unsure.text(), v.now}, keep)
	}
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
	return each(ctx, v.q, v.s.st.leased, []any{all}, keep)
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
func (v *visitor) claimed(ctx context.Context, found []*record, rows *leases) ([]webhook.Claimed, error) {
	var ids []string
	known := map[string]bool{}
	for _, d := range found {
		if d != nil && !known[string(d.message)] {
			known[string(d.message)] = true
			ids = append(ids, string(d.message))
		}
	}
	messages, err := v.s.readMessages(ctx, v.q, ids)
	if err != nil {
		return nil, err
	}
	out := make([]webhook.Claimed, 0, len(found))
	for i, d := range found {
		if d == nil {
			continue
		}
		delivery, err := d.delivery()
		delivery.State = webhook.Running
		m := messages[string(d.message)]
		out = append(out, webhook.Claimed{
			Delivery: delivery, Message: m.Message, Token: rows.token,
			Age: span(v.now - d.created.v), Expired: rows.unsure[i], Err: v.s.wrap("claim", damage(err, m, delivery.Body)),
		})
	}
	return out, nil
}

func newToken() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}
