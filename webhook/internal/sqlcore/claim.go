package sqlcore

import (
	"context"
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
	calm := !s.busy.Load()
	if !s.expected.Swap(false) && calm {
		due, err := s.peek(ctx)
		if err != nil || !due {
			return nil, s.wrap("claim", err)
		}
	}
	claimed, crowded, err := s.claimPatiently(ctx, &c, calm)
	s.busy.Store(err == nil && (len(claimed) > 0 || crowded))
	return claimed, s.wrap("claim", err)
}

// Expect tells s that its next claim will find something, and need not peek. It is
// no method, since hosts see those.
func Expect(s *Store) { s.expected.Store(true) }

// patience is how long a claim tries where other claims hold all lanes whose
// turn has come. They let go of them within milliseconds; to wait for the lock
// of one would be to stand in a line, and after it in that of the next.
const patience = 100 * time.Millisecond

func (s *Store) claimPatiently(ctx context.Context, c *webhook.Claim, calm bool) ([]webhook.Claimed, bool, error) {
	begin := time.Now()
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		var v *visitor
		err := s.update(ctx, func(q Querier) error {
			v = &visitor{s: s, q: q, c: c, calm: calm}
			return v.run(ctx)
		})
		if err != nil {
			return nil, false, err
		}
		claimed := v.claimed()
		if len(claimed) > 0 || !v.crowded || time.Since(begin)+wait > patience {
			return claimed, v.crowded, nil
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

	calm    bool // the claim before found nothing
	ahead   ahead
	room    int // in bytes
	full    bool
	crowded bool // others hold all lanes whose turn has come
	chosen  []candidate
	demoted []int64
	cold    map[string]bool // endpoints that others may have relied upon

	// What is leased, which is there when the transaction has ended.
	leased   leases
	found    []*record // of the chosen, nil for what somebody else was at
	messages map[string]storedMessage
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

func (v *visitor) run(ctx context.Context) error {
	v.room, v.cold = v.c.MaxBytes, map[string]bool{}
	marks, err := v.begin(ctx)
	if err != nil {
		return err
	}
	if err := v.intake(ctx, marks); err != nil {
		return err
	}
	if err := v.rounds(ctx); err != nil {
		return err
	}
	if err := v.lease(ctx); err != nil {
		return err
	}
	return v.farewell(ctx)
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
