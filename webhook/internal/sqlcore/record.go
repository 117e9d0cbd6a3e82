package sqlcore

import (
	"context"
	"errors"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

// record is a row of outhook_delivery with what the queue says of it.
type record struct {
	seq                                 number
	id, message, endpoint, policy       text
	body, ordered, state                number
	key, of, dedup, reason              text
	inline                              optional
	attempts, created, ended            number
	openAttempts, unsure, due, ready, q number
}

func (d *record) scan(r Rows, more ...any) error {
	return r.Scan(append(d.columns(), more...)...)
}

// columns are where a row goes.
func (d *record) columns() []any {
	return []any{
		&d.seq, &d.id, &d.message, &d.endpoint, &d.body, &d.policy, &d.ordered, &d.key, &d.of, &d.dedup,
		&d.inline, &d.created, &d.state, &d.reason, &d.attempts, &d.ended,
		&d.openAttempts, &d.unsure, &d.due, &d.ready, &d.q,
	}
}

// openColumns are where a row of an open delivery goes, of which a claim needs
// no more.
func (d *record) openColumns() []any {
	return []any{
		&d.seq, &d.id, &d.message, &d.endpoint, &d.body, &d.policy, &d.ordered, &d.key, &d.of, &d.dedup,
		&d.inline, &d.created, &d.openAttempts, &d.due,
	}
}

// delivery turns the row into a delivery. With an error, it has what could be
// read.
func (d *record) delivery() (webhook.Delivery, error) {
	out := webhook.Delivery{
		ID: string(d.id), MessageID: string(d.message), EndpointID: string(d.endpoint), Body: int(d.body.v),
		Policy: string(d.policy), Ordered: d.ordered.v != 0, Key: string(d.key), Of: string(d.of), Dedup: string(d.dedup),
		Reason: string(d.reason), Created: at(d.created.v),
	}
	if d.state.null && !d.state.bad {
		out.State, out.Attempts, out.Due = webhook.Pending, int(d.openAttempts.v), at(d.due.v)
	} else {
		out.State, out.Attempts, out.Ended = webhook.State(d.state.v), int(d.attempts.v), at(d.ended.v) //nolint:gosec // checked below
	}
	var errs []error
	for _, n := range []*number{&d.body, &d.ordered, &d.state, &d.attempts, &d.created, &d.openAttempts, &d.due} {
		if n.bad {
			errs = append(errs, errors.New("a column that must be a number is none"))
			break
		}
	}
	if !d.state.null && (d.state.v < int64(webhook.Delivered) || d.state.v > int64(webhook.Dropped)) {
		errs = append(errs, fmt.Errorf("the stored state %d is none", d.state.v))
	}
	if d.inline.v != nil {
		e, err := decodeEndpoint(*d.inline.v)
		if err != nil {
			errs = append(errs, fmt.Errorf("its endpoint: %w", err))
		}
		out.Inline = e
	}
	if err := errors.Join(errs...); err != nil {
		return out, fmt.Errorf("the stored delivery %q does not decode: %w", out.ID, err)
	}
	return out, nil
}

// shown is the state of an open delivery as others see it.
func (d *record) shown(now int64, l *lane) webhook.State {
	if d.q.v == int64(webhook.Running) && !d.ready.null && d.ready.v > now {
		return webhook.Running
	}
	if l.hold && l.parkUntil > now {
		return webhook.Held
	}
	return webhook.Pending
}

// storedMessage is a message, or why it is none.
type storedMessage struct {
	*webhook.Message
	err error
}

// damage is what keeps a claimed delivery from being sent.
func damage(err error, m storedMessage, body int) error {
	switch {
	case err != nil:
		return err
	case m.err != nil:
		return m.err
	case m.Message == nil:
		return errors.New("the message of the delivery is not there")
	case body < 0 || body >= len(m.Bodies):
		return fmt.Errorf("the message has %d bodies, and the delivery names number %d", len(m.Bodies), body)
	}
	return nil
}

func (s *Store) readMessages(ctx context.Context, q Querier, ids []string) (map[string]storedMessage, error) {
	m := newMessages(len(ids))
	if len(ids) == 0 {
		return m.found, nil
	}
	return m.found, each(ctx, q, s.st.messages, []any{s.idsOf(ids)}, m.keep)
}

// messages are what a query finds, by id.
type messages struct {
	found   map[string]storedMessage
	decoder bodiesDecoder

	id, kind, event, source, bodies text // of one row after the other
	happened                        number
}

func newMessages(most int) *messages {
	return &messages{found: make(map[string]storedMessage, most)}
}

func (ms *messages) keep(r Rows) error {
	var data []byte // not a blob, which would be copied once more
	if err := r.Scan(&ms.id, &ms.kind, &ms.happened, &ms.event, &ms.source, &ms.bodies, &data); err != nil {
		return err
	}
	m := &webhook.Message{
		ID: string(ms.id), Type: string(ms.kind), Time: at(ms.happened.v), EventID: string(ms.event), Source: string(ms.source),
	}
	list, err := ms.decoder.decode(string(ms.bodies), data)
	if err != nil {
		err = fmt.Errorf("the stored message %q does not decode: %w", m.ID, err)
	}
	m.Bodies = list
	ms.found[m.ID] = storedMessage{Message: m, err: err}
	return nil
}

// idsOf encodes ids as readMessages and settler.lock ask for them.
func (s *Store) idsOf(ids []string) string {
	if s.d != PostgreSQL {
		return names(ids)
	}
	var a array
	for _, id := range ids {
		a.string(id)
	}
	return a.text()
}
