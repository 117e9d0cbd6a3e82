package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/outhook/outhook/payload"
)

// faultError is what is wrong with one endpoint, as against the event: it
// costs that endpoint's delivery alone.
type faultError struct{ err error }

func (f *faultError) Error() string { return f.err.Error() }
func (f *faultError) Unwrap() error { return f.err }

// variant is an encoder narrowed to an endpoint's fields, for one Go type.
type variant struct {
	whole  *compiled
	fields string // joined
	typ    reflect.Type
}

// compiled is what there is to know of a variant.
type compiled struct {
	label string // Body.Variant
	enc   payload.Encoder
	err   error
}

// encoders finds and remembers encoders by name, fields and type.
type encoders struct {
	named    map[string]*compiled // whole, without an allow-list
	variants cache[variant, *compiled]
	params   cache[paramsKey, *faultError]
	scratch  sync.Pool
}

// cache remembers what was found out. It forgets all once it holds much, since
// customers choose the keys.
type cache[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

const maxCached = 8192

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.m[k]
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxCached {
		c.m = make(map[K]V)
	}
	c.m[k] = v
}

type scratch struct {
	buf []byte
	ev  payload.Event
}

// keptScratch bounds the buffers that the pool keeps.
const keptScratch = 64 << 10

func newEncoders(own map[string]payload.Encoder) *encoders {
	named := map[string]*compiled{
		"form": {label: "form", enc: payload.Form(payload.FormOptions{})},
		"json": {label: "json", enc: payload.JSON(payload.JSONOptions{})},
	}
	for name, enc := range own {
		named[name] = &compiled{label: name, enc: enc}
	}
	named[""] = named["json"]
	return &encoders{named: named}
}

func (es *encoders) get() *scratch {
	if s, ok := es.scratch.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// variant returns the encoder for an endpoint and a type.
func (es *encoders) variant(ep *Endpoint, t reflect.Type) *compiled {
	whole, ok := es.named[ep.Encoder]
	if !ok {
		return &compiled{err: &faultError{fmt.Errorf("its encoder %q is not in Config.Encoders", clip(ep.Encoder))}}
	}
	if len(ep.Fields) == 0 {
		return whole
	}
	key := variant{whole: whole, fields: joinFields(ep.Fields), typ: t}
	if c, ok := es.variants.get(key); ok {
		return c
	}
	c := &compiled{label: whole.label + "?" + key.fields}
	enc, err := whole.enc.Only(t, ep.Fields)
	if err != nil {
		c.err = &faultError{fmt.Errorf("its Fields: %w", err)}
		return c
	}
	c.enc = enc
	es.variants.put(key, c)
	return c
}

// joinFields joins paths so that no path can look like two, and one set of
// them is one text.
func joinFields(paths []string) string {
	if !slices.IsSorted(paths) {
		paths = slices.Sorted(slices.Values(paths))
	}
	var b strings.Builder
	for i, p := range paths {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(url.QueryEscape(p))
	}
	return b.String()
}

// encode returns the index in m.Bodies of the body for ep, which it makes if
// no endpoint before had the same encoder and fields.
func (d *Dispatcher) encode(ctx context.Context, w *work, m *Message, ep *Endpoint) (int, error) {
	return d.encodeAs(ctx, w, m, ep, w.event)
}

func (d *Dispatcher) encodeAs(ctx context.Context, w *work, m *Message, ep *Endpoint, data any) (int, error) {
	t := reflect.TypeOf(data)
	var c *compiled
	err := d.contain(ctx, "encoder", func() error {
		c = d.encoders.variant(ep, t)
		return c.err
	})
	if err != nil {
		return 0, asFault(err)
	}
	if err := d.checkParams(ctx, c, t, ep); err != nil {
		return 0, err
	}
	for i := range m.Bodies {
		if m.Bodies[i].Variant == c.label {
			return i, nil
		}
	}
	s := d.encoders.get()
	s.ev = payload.Event{ID: m.ID, Type: w.kind, Source: w.source, Time: w.time, Data: data}
	var body payload.Body
	err = d.contain(ctx, "encoder", func() (err error) {
		body, err = c.enc.Encode(s.buf[:0], &s.ev)
		return err
	})
	if err != nil {
		return 0, asFault(err) // s may be in any condition after a panic
	}
	if cap(body.Data) <= keptScratch {
		s.buf = body.Data[:0]
	}
	body.Data = append(make([]byte, 0, len(body.Data)), body.Data...)
	s.ev = payload.Event{}
	d.encoders.scratch.Put(s)
	m.Bodies = append(m.Bodies, Body{Variant: c.label, Body: body})
	return len(m.Bodies) - 1, nil
}

// asFault lets a panic of an encoder cost the deliveries that need it alone.
func asFault(err error) error {
	var fault *faultError
	if errors.Is(err, ErrPanic) && !errors.As(err, &fault) {
		return &faultError{err}
	}
	return err
}

type paramsKey struct {
	enc   *compiled
	typ   reflect.Type
	names string
}

// checkParams reports static parameters that this type's body cannot take.
func (d *Dispatcher) checkParams(ctx context.Context, c *compiled, t reflect.Type, ep *Endpoint) error {
	if len(ep.Params) == 0 {
		return nil
	}
	key := paramsKey{enc: c, typ: t}
	for _, p := range ep.Params {
		key.names += p.Name + "\x00" + p.In.String() + "\x00"
	}
	fault, ok := d.encoders.params.get(key)
	if !ok {
		err := d.contain(ctx, "encoder", func() error { return c.enc.CheckParams(t, ep.Params) })
		if err != nil {
			fault = &faultError{fmt.Errorf("its Params: %w", err)}
		}
		d.encoders.params.put(key, fault)
	}
	if fault == nil {
		return nil
	}
	return fault
}
