package sqlcore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	all, err := s.EnqueueAll(ctx, []*webhook.Batch{b})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// EnqueueAll implements webhook.BatchOutbox.
func (s *Store) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	p, err := plan(batches)
	if err != nil {
		return nil, s.wrap("enqueue", err)
	}
	p.takes()
	var found [][]webhook.Existing
	write := func(q Querier) (err error) {
		found, err = s.enqueue(ctx, q, p)
		return err
	}
	run := s.update
	if s.d == PostgreSQL {
		run = s.alone
	}
	if err = run(ctx, write); err != nil {
		p.answer() // a commit may have failed
		return nil, s.wrap("enqueue", err)
	}
	if s.d == PostgreSQL && Left(batches) {
		Expect(s)
	}
	return found, nil
}

// alone has PostgreSQL run one statement, which is a transaction of its own, but
// where it must be planned anew.
func (s *Store) alone(ctx context.Context, write func(q Querier) error) error {
	// Who claims looks more often; without an answer this takes longer at most.
	_ = s.lookForGrowth(ctx, s.db, 2*sweepEvery)
	if s.grown.Load() {
		return s.update(ctx, write)
	}
	for try := 1; ; try++ {
		err := write(s.db)
		if err == nil || try == maxTries || !s.d.transient(err) {
			return err
		}
	}
}

// Outbox is a transaction of the host's.
type Outbox struct {
	s *Store
	q Querier
}

// InTx binds the store to a transaction.
func (s *Store) InTx(q Querier) *Outbox { return &Outbox{s: s, q: q} }

// Enqueue implements webhook.Outbox.
func (o *Outbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	p, err := plan([]*webhook.Batch{b})
	if err != nil {
		return nil, o.s.wrap("enqueue in the transaction", err)
	}
	found, err := o.s.enqueue(ctx, o.q, p)
	if err != nil {
		if o.s.d == SQLite && o.s.d.transient(err) {
			err = fmt.Errorf("the transaction began without the write lock and cannot get it now; begin it with BEGIN IMMEDIATE (_txlock=immediate): %w", err)
		}
		return nil, o.s.wrap("enqueue in the transaction", err)
	}
	return found[0], nil
}

// Match implements webhook.Matcher.
func (o *Outbox) Match(ctx context.Context, query webhook.Query) ([]*webhook.Endpoint, error) {
	found, _, err := o.s.inScopes(ctx, o.q, query.Scopes) // not remembered: others may never see it
	if err != nil {
		return nil, o.s.wrap("match in the transaction", err)
	}
	return matching(found, query), nil
}

// newDelivery is a row of a statement's argument.
type newDelivery struct {
	N       int     `json:"n"`
	ID      string  `json:"id"`
	Message string  `json:"m"`
	E       string  `json:"e"`
	Body    int     `json:"b"`
	Policy  string  `json:"p"`
	Ordered int     `json:"o"`
	Key     string  `json:"k"`
	Of      string  `json:"f"`
	Dedup   *string `json:"u"`
	Inline  *string `json:"x"`
	State   int     `json:"st"`
	Reason  string  `json:"r"`
	Size    int     `json:"sz"`
	First   int     `json:"fi"`          // of its ordered lane, in this call
	Lease   int64   `json:"l,omitempty"` // for which it is to be claimed
}

type newMessage struct {
	ID     string `json:"id"`
	Type   string `json:"t"`
	Time   int64  `json:"h"`
	Event  string `json:"ev"`
	Source string `json:"s"`
	Bodies string `json:"b"`
	Offset int    `json:"o"`
	Size   int    `json:"z"`
}

// inserts is what some batches come to.
type inserts struct {
	batches    []*webhook.Batch
	deliveries []newDelivery
	place      [][2]int // batch and index of each delivery
	messages   []newMessage
	data       []byte
	token      int64 // of what is taken
}

// plan checks batches and turns them into rows.
func plan(batches []*webhook.Batch) (*inserts, error) {
	p := &inserts{batches: batches}
	lanes := map[[2]string]bool{}
	known := map[string]int{}
	for i, b := range batches {
		if b == nil || b.Message == nil {
			return nil, errors.New("a batch has no message")
		}
		if _, again := known[b.Message.ID]; !again && len(b.Deliveries) > 0 {
			if err := p.message(b.Message); err != nil {
				return nil, err
			}
			known[b.Message.ID] = len(p.messages[len(p.messages)-1].Bodies)
		}
		// What says how the bodies are encoded may be longer than they are.
		size := b.Message.Size() + max(known[b.Message.ID]-rowBytes/2, 0)
		for k := range b.Deliveries {
			row, err := deliveryRow(&b.Deliveries[k], b.Message)
			if err != nil {
				return nil, err
			}
			row.N = len(p.deliveries)
			row.Size += size
			lane := [2]string{row.E, row.Key}
			if row.Ordered == 1 && row.State == int(webhook.Pending) && !lanes[lane] {
				lanes[lane] = true
				row.First = 1
			}
			p.deliveries = append(p.deliveries, row)
			p.place = append(p.place, [2]int{i, k})
		}
	}
	return p, nil
}

func (p *inserts) message(m *webhook.Message) error {
	bodies, err := encodeBodies(m.Bodies)
	if err != nil {
		return err
	}
	row := newMessage{
		ID: m.ID, Type: m.Type, Time: m.Time.UnixMicro(), Event: m.EventID, Source: m.Source, Bodies: bodies,
		Offset: len(p.data) + 1, Size: m.Size(),
	}
	for i := range m.Bodies {
		p.data = append(p.data, m.Bodies[i].Data...)
	}
	p.messages = append(p.messages, row)
	return nil
}

func deliveryRow(d *webhook.Delivery, m *webhook.Message) (newDelivery, error) {
	if d.ID == "" {
		return newDelivery{}, errors.New("a delivery has no ID")
	}
	if d.State != webhook.Pending && !d.State.Final() {
		return newDelivery{}, fmt.Errorf("delivery %q arrives %v: it must be pending or final", d.ID, d.State)
	}
	row := newDelivery{
		ID: d.ID, Message: m.ID, E: d.EndpointID, Body: d.Body, Policy: d.Policy,
		Of: d.Of, State: int(d.State), Reason: plain(d.Reason), Key: d.Key,
	}
	if d.Ordered {
		row.Ordered = 1
	}
	if d.Dedup != "" {
		row.Dedup = &d.Dedup
	}
	if d.Inline != nil {
		record, err := encodeEndpoint(d.Inline)
		if err != nil {
			return newDelivery{}, fmt.Errorf("the endpoint of delivery %q: %w", d.ID, err)
		}
		row.Inline = &record
		row.Size = len(record) // it comes with a claim as the bodies do
	}
	return row, nil
}

// result sorts out what was there already, ids by row, and what was not taken
// although it was wanted.
func (p *inserts) result(existing map[int]string, refused map[int]bool) [][]webhook.Existing {
	out := make([][]webhook.Existing, len(p.batches))
	p.answer()
	for n := range p.deliveries {
		at := p.place[n]
		if id, ok := existing[n]; ok {
			out[at[0]] = append(out[at[0]], webhook.Existing{Index: at[1], ID: id})
		} else if p.deliveries[n].Lease > 0 && !refused[n] {
			take := p.batches[at[0]].Take
			take.Taken = append(take.Taken, at[1])
		}
	}
	return out
}

func (s *Store) enqueue(ctx context.Context, q Querier, p *inserts) ([][]webhook.Existing, error) {
	if len(p.deliveries) == 0 {
		return p.result(nil, nil), ctx.Err()
	}
	checks, err := s.checks(p.batches)
	if err != nil {
		return nil, err
	}
	if s.d == PostgreSQL {
		return s.enqueueAtOnce(ctx, q, p, checks)
	}
	return s.enqueueStepwise(ctx, q, p)
}

// enqueueAtOnce is PostgreSQL's way: one statement, and another one only where
// a repeat met a transaction that had not committed when the first began.
func (s *Store) enqueueAtOnce(ctx context.Context, q Querier, p *inserts, checks []*recalled) ([][]webhook.Existing, error) {
	query, args, err := s.atOnceArgs(p, checks)
	if err != nil {
		return nil, err
	}
	existing, refused := map[int]string{}, map[int]bool{}
	var unknown []int
	var outdated []*recalled
	err = each(ctx, q, query, args, func(r Rows) error {
		var n, stored number
		var id text
		if err := r.Scan(&n, &id, &stored); err != nil {
			return err
		}
		if n.v < 0 {
			outdated = append(outdated, checks[-n.v-1])
			return nil
		}
		refused[int(n.v)] = true
		switch {
		case id != "":
			existing[int(n.v)] = string(id)
		case stored.v == 0 && p.deliveries[n.v].Dedup != nil:
			unknown = append(unknown, int(n.v))
		}
		return nil
	})
	if err == nil && len(outdated) > 0 {
		s.forget(outdated)
		err = outdatedBatches(p.batches, outdated)
	}
	if err == nil && len(unknown) > 0 {
		err = s.findExisting(ctx, q, p, unknown, existing)
	}
	if err != nil {
		return nil, err
	}
	return p.result(existing, refused), nil
}

// atOnceArgs chooses the form, and gives its arguments.
func (s *Store) atOnceArgs(p *inserts, checks []*recalled) (query string, args []any, err error) {
	args = checkArgs(checks)
	data := p.data
	if data == nil {
		data = []byte{}
	}
	if len(p.deliveries) == 1 && p.deliveries[0].State == int(webhook.Pending) {
		d, m := &p.deliveries[0], &p.messages[0]
		return s.st.enqueueOne, append(args,
			asStored(d.ID), asStored(d.Message), asStored(d.E), int64(d.Body), asStored(d.Policy), int64(d.Ordered), asStored(d.Key),
			asStored(d.Of), nullable(d.Dedup), nullable(d.Inline), int64(d.Size), int64(d.First), d.Lease,
			asStored(m.Type), m.Time, asStored(m.Event), asStored(m.Source), m.Bodies, data, p.token,
		), nil
	}
	deliveries, err := list(p.deliveries)
	if err != nil {
		return "", nil, err
	}
	messages, err := list(p.messages)
	return s.st.enqueue, append(args, deliveries, data, messages, p.token), err
}

// nullable is an argument that may be null.
func nullable(s *string) any {
	if s == nil {
		return nil
	}
	return asStored(*s)
}

// findExisting looks for the deliveries in whose place others are.
func (s *Store) findExisting(ctx context.Context, q Querier, p *inserts, missing []int, existing map[int]string) error {
	type row struct {
		N     int    `json:"n"`
		E     string `json:"e"`
		Dedup string `json:"u"`
	}
	var rows []row
	for _, n := range missing {
		if d := &p.deliveries[n]; d.Dedup != nil {
			rows = append(rows, row{N: n, E: d.E, Dedup: *d.Dedup})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	return each(ctx, q, s.st.existing, []any{arg}, func(r Rows) error {
		var n number
		var id text
		err := r.Scan(&n, &id)
		existing[int(n.v)] = string(id)
		return err
	})
}

// insertMessages adds messages with their bodies, some at a time.
func (s *Store) insertMessages(ctx context.Context, q Querier, p *inserts, wanted map[string]bool) error {
	const most = 100
	for from := 0; from < len(p.messages); from += most {
		var args []any
		n := 0
		for i := from; i < min(from+most, len(p.messages)); i++ {
			m := &p.messages[i]
			if !wanted[m.ID] {
				continue
			}
			n++
			data := p.data[m.Offset-1 : m.Offset-1+m.Size]
			if data == nil {
				data = []byte{}
			}
			args = append(args, m.ID, m.Type, m.Time, m.Event, m.Source, m.Bodies, data)
		}
		if n == 0 {
			continue
		}
		query := s.st.newMessages + strings.Repeat(", (?, ?, ?, ?, ?, ?, ?)", n)[2:] + s.d.upsert("id", "id = new(id)")
		if err := q.Exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}
