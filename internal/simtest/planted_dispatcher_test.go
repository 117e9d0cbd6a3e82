package simtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// phantoms loses some events whose Enqueue was answered by an error, and takes
// their repeats for duplicates.
func phantoms(w *world) {
	w.shared = false
	lost := map[string]map[string]string{} // by event id and endpoint
	inner := w.base.enqueue
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		id := b.Message.EventID
		if ids := lost[id]; id != "" && ids != nil {
			var existing []webhook.Existing
			for i := range b.Deliveries {
				existing = append(existing, webhook.Existing{Index: i, ID: ids[b.Deliveries[i].EndpointID]})
			}
			return existing, nil
		}
		if id == "" || w.seed.share("phantom", id) > 0.1 {
			return inner(ctx, b)
		}
		lost[id] = map[string]string{}
		for i := range b.Deliveries {
			lost[id][b.Deliveries[i].EndpointID] = b.Deliveries[i].ID
		}
		return nil, errPlanted
	}
}

// swallowed lets some claims fail after they were written, for ever.
func swallowed(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		if len(got) == 0 || w.seed.share("swallow", eventOf(got[0].Message.Bodies[0].Data), got[0].Delivery.Attempts) > 0.05 {
			return got, err
		}
		var leases []webhook.Lease
		for _, x := range got {
			leases = append(leases, webhook.Lease{ID: x.Delivery.ID, Token: x.Token})
		}
		_, err = w.base.Extend(ctx, leases, 1000*time.Hour)
		return nil, errors.Join(errPlanted, err)
	}
}

func cached(w *world) {
	var mu sync.Mutex
	first := map[string]*webhook.Endpoint{}
	inner := w.base.endpoints
	w.base.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := inner(ctx, ids)
		mu.Lock()
		defer mu.Unlock()
		for _, ep := range found {
			if first[ep.ID] == nil {
				first[ep.ID] = ep
			}
		}
		found = nil
		for _, id := range ids {
			if first[id] != nil {
				found = append(found, first[id])
			}
		}
		return found, err
	}
}

func hasty(w *world) { w.base.changeItems(func(it *webhook.Settlement) { it.Delay /= 2 }) }

func premature(w *world) {
	w.base.conn = func(c net.Conn) net.Conn {
		return &prematureConn{Conn: c, answers: make(chan []byte, 1), closed: make(chan struct{})}
	}
}

// prematureConn answers by itself, as soon as a request is written.
type prematureConn struct {
	net.Conn
	answers chan []byte
	closed  chan struct{}
	once    sync.Once
	rest    []byte
}

func (c *prematureConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil && (bytes.HasSuffix(b, []byte("}")) || bytes.HasSuffix(b, []byte("]"))) {
		select {
		case c.answers <- []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):
		default:
		}
	}
	return n, err
}

func (c *prematureConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		select {
		case c.rest = <-c.answers:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *prematureConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func reencoded(w *world) {
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if c.Delivery.Attempts < 2 {
			return
		}
		m := *c.Message
		m.Bodies = slices.Clone(m.Bodies)
		for i := range m.Bodies {
			var e happened
			if err := json.Unmarshal(m.Bodies[i].Data, &e); err != nil {
				panic(err)
			}
			data, err := json.Marshal(e) // which escapes for HTML
			if err != nil {
				panic(err)
			}
			m.Bodies[i].Body = payload.Body{ContentType: m.Bodies[i].ContentType, Data: data}
		}
		c.Message = &m
	})
}

func undisabled(w *world) {
	inner := w.base.endpoints
	w.base.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := inner(ctx, ids)
		found = slices.Clone(found)
		for i, ep := range found {
			if ep.Status == webhook.Disabled {
				active := *ep
				active.Status = webhook.Active
				found[i] = &active
			}
		}
		return found, err
	}
}

// disordered lets the store forget the order; the dispatcher knows it still.
func disordered(w *world) {
	w.shared = false
	keys := map[string]string{}
	w.base.changeBatch(func(b *webhook.Batch) {
		for i := range b.Deliveries {
			if d := &b.Deliveries[i]; d.Ordered {
				keys[d.ID] = d.Key
				d.Ordered, d.Key = false, ""
			}
		}
	})
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if key, ok := keys[c.Delivery.ID]; ok {
			c.Delivery.Ordered, c.Delivery.Key = true, key
		}
	})
}

// lenient takes the n-th failure for a success.
func lenient(n int) plant {
	return func(w *world) {
		w.base.judge = func(r retry.Response) retry.Outcome {
			if r.Attempt >= n {
				return retry.Accepted
			}
			return retry.Default(r)
		}
	}
}

func unexpired(w *world) {
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if c.Expired {
			c.Expired = false
			c.Delivery.Attempts--
		}
	})
}
