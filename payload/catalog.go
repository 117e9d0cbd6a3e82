package payload

import (
	"reflect"
	"slices"
	"sync"
)

// Catalog holds the event types that a host can send, in the order they were
// described: what each means, its Go type and a sample. Filled at start-up,
// read from then on; both are safe for concurrent use.
type Catalog struct {
	mu      sync.RWMutex
	names   []string
	entries map[string]catalogEntry
}

type catalogEntry struct {
	doc    string
	typ    reflect.Type
	sample any
}

// NewCatalog returns an empty catalog.
func NewCatalog() *Catalog {
	return &Catalog{entries: map[string]catalogEntry{}}
}

// Describe adds the event type called name to c: doc is its text for readers,
// sample an event as it may really look, which SendSample sends and schemas
// show. The sample is not copied: do not change it afterwards. It must pass
// Validate.
//
// An empty name, one that is there already and a sample that Validate refuses
// are errors that wrap ErrInvalid or ErrUnsupported.
func Describe[T any](c *Catalog, name, doc string, sample T) error {
	if name == "" {
		return invalid("an event type needs a name")
	}
	if err := Validate(sample); err != nil {
		return at(name, err)
	}
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Interface {
		t = reflect.TypeOf(sample)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, dup := c.entries[name]; dup {
		return &FieldError{Path: name, Problem: "is in the catalog already", Err: ErrInvalid}
	}
	if c.entries == nil {
		c.entries = map[string]catalogEntry{}
	}
	c.entries[name] = catalogEntry{doc: doc, typ: t, sample: sample}
	c.names = append(c.names, name)
	return nil
}

// Sample returns the sample of the event type called name.
func (c *Catalog) Sample(name string) (any, bool) {
	e, ok := c.entry(name)
	return e.sample, ok
}

// Type returns the Go type of the event type called name.
func (c *Catalog) Type(name string) (reflect.Type, bool) {
	e, ok := c.entry(name)
	return e.typ, ok
}

// Doc returns the text of the event type called name.
func (c *Catalog) Doc(name string) (string, bool) {
	e, ok := c.entry(name)
	return e.doc, ok
}

// Names lists the event types in the order they were described.
func (c *Catalog) Names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.names)
}

func (c *Catalog) entry(name string) (catalogEntry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[name]
	return e, ok
}
