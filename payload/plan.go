package payload

import (
	"encoding/json"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-playground/form/v4"
)

// maxNest is how deep values may nest before they count as cyclic.
const maxNest = 32

// kind says how a node of a plan is written. It is an alias, not an enum: each
// writer handles some kinds and hands the rest to the next one.
type kind = uint8

const (
	kindBool kind = iota + 1
	kindInt
	kindUint
	kindFloat32
	kindFloat64
	kindString
	kindBytes
	kindTime
	kindIP
	kindText    // encoding.TextMarshaler
	kindJSON    // json.Marshaler
	kindRaw     // json.RawMessage
	kindNumber  // json.Number
	kindCustom  // form.EncodeCustomTypeFunc
	kindJSONTag // a value as JSON text in one form field
	kindPtr
	kindIface
	kindStruct
	kindMap
	kindList
	kindFields
	kindNullable // sql.Null and its kin
	kindBad      // refused; the plan carries the error
)

// node is the plan of one type in one place. Plans are immutable once
// compiled, and may refer to themselves where the type does.
type node struct {
	kind   kind
	typ    reflect.Type
	rules  rules
	ptr    bool         // the marshalling method has a pointer receiver
	base   reflect.Type // kindIP: the address type; nil for a string
	elem   *node        // pointer, list, map, nullable
	fields []field      // kindStruct
	keep   *filter      // what Only kept, where names are known at run time only
	kids   map[string]*node
	custom form.EncodeCustomTypeFunc
}

// field is one field of a struct on the wire.
type field struct {
	name  string
	lit   []byte // form: the escaped first segment; JSON: the quoted name and a colon
	sub   []byte // form: the escaped segment inside another
	open  []byte // form: the separator, the escaped name and the equals sign
	parts int    // form: how many bracketed parts the name itself has
	index []int
	first int  // index[0]
	deep  bool // more than one index: the field of an embedded struct
	omits bool // its tags may leave it out
	wire  wireName
	rules rules
	node  *node
}

// get finds the field's value; false when an embedded pointer on the way is
// nil.
func (f *field) get(v reflect.Value) (reflect.Value, bool) {
	if !f.deep {
		return v.Field(f.first), true
	}
	return f.getDeep(v)
}

func (f *field) getDeep(v reflect.Value) (reflect.Value, bool) {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

// absent tells whether the field's tags leave it out for this value.
func (f *field) absent(v reflect.Value) bool {
	if f.wire.omitEmpty && isEmpty(v) {
		return true
	}
	return f.wire.omitZero && isZero(v)
}

// isEmpty is encoding/json's idea of an empty value.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

// isZero is encoding/json's idea of a zero value.
func isZero(v reflect.Value) bool {
	if t := v.Type(); t.Implements(reflect.TypeFor[interface{ IsZero() bool }]()) {
		if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
			return true
		}
		if z, ok := reflect.TypeAssert[interface{ IsZero() bool }](v); ok {
			return z.IsZero()
		}
	}
	return v.IsZero()
}

// plan is the compiled plan of one root type, with everything that is wrong
// with it.
type plan struct {
	typ  reflect.Type
	root *node
	err  error
}

// planner compiles and caches plans for one encoder. It is safe for
// concurrent use.
type planner struct {
	format format
	names  func(name string) string // what is wrong with the name of a field, or ""
	lit    func(f *field)           // prepares the bytes of a field's name
	list   func(n *node) string     // what is wrong with a list, or ""
	custom map[reflect.Type]form.EncodeCustomTypeFunc
	json   *jsonEncoder // form: for fields tagged webhook:"json"
	filter *filter      // of the root; nil keeps everything
	cache  sync.Map
	last   atomic.Pointer[plan] // of the root that was asked for last
}

// rootOf returns the plan of an event's type.
func (p *planner) rootOf(t reflect.Type) *plan {
	if pl := p.last.Load(); pl != nil && pl.typ == t {
		return pl
	}
	pl := p.of(t, p.filter)
	p.last.Store(pl)
	return pl
}

// of returns the plan of t under filter fl.
func (p *planner) of(t reflect.Type, fl *filter) *plan {
	cache := &p.cache
	if fl != nil {
		cache = &fl.cache
	}
	if x, ok := cache.Load(t); ok {
		if pl, ok := x.(*plan); ok {
			return pl
		}
	}
	c := compiler{p: p, seen: map[planKey]*node{}}
	pl := &plan{typ: t, root: c.compile(t, fl, rules{})}
	pl.err = joinErrors(c.errs)
	x, _ := cache.LoadOrStore(t, pl)
	if first, ok := x.(*plan); ok {
		return first
	}
	return pl
}

// jsonText is a value as the JSON text of one form field.
func (p *planner) jsonText(v reflect.Value) (string, error) {
	text, err := p.json.valueText(nil, v, p.json.maxBody)
	return string(text), err
}

type planKey struct {
	t  reflect.Type
	fl *filter
	r  rules
}

// compiler is the state of one compilation.
type compiler struct {
	p    *planner
	seen map[planKey]*node
	path []string
	errs []error
}

func (c *compiler) fail(n *node, err *FieldError) {
	n.kind = kindBad
	err.Path = joinPath(c.path)
	c.errs = append(c.errs, err)
}

func joinPath(parts []string) string {
	out := ""
	for _, p := range parts {
		out = join(out, p)
	}
	return out
}

// compile returns the node of t; r are the rules of the field that holds it.
func (c *compiler) compile(t reflect.Type, fl *filter, r rules) *node {
	key := planKey{t: t, fl: fl, r: r}
	if n, ok := c.seen[key]; ok {
		return n
	}
	n := &node{typ: t, rules: r}
	c.seen[key] = n
	if c.p.format == formatForm && r.asJSON && t.Kind() != reflect.Pointer {
		n.kind = kindJSONTag
		if pl := c.p.json.plan.of(t, nil); pl.err != nil {
			c.errs = append(c.errs, at(joinPath(c.path), pl.err))
		}
		if fl.partial() {
			c.fail(n, unsupported(t, "is sent as JSON text, so it has no fields to choose from"))
		}
		return n
	}
	if c.leaf(n, t, r) {
		if fl.partial() && n.kind != kindBad {
			c.fail(n, &FieldError{Problem: "has no fields to choose from", Err: ErrUnsupported})
		}
		return n
	}
	if problem := misplaced(t, r); problem != "" {
		c.fail(n, unsupported(t, problem))
		return n
	}
	c.container(n, t, fl, r)
	return n
}

// misplaced says which option of the webhook tag has nothing to work on in a
// container whose elements are not of one static type.
func misplaced(t reflect.Type, r rules) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if t != reflect.TypeFor[Fields]() {
			return ""
		}
	case reflect.Struct:
		if isNullable(t) {
			return ""
		}
	default:
	}
	switch {
	case r.ip != ipRefuse:
		return "ip= stands on a field that holds no IP address"
	case r.layout != "":
		return "layout= stands on a field that holds no time"
	case r.base64:
		return "base64 stands on a field that holds no bytes"
	}
	return ""
}

// leaf fills n where t is written as one value.
func (c *compiler) leaf(n *node, t reflect.Type, r rules) bool {
	if fn, ok := c.p.custom[t]; ok {
		n.kind, n.custom = kindCustom, fn
		return true
	}
	if n.base = ipTypeOf(t); n.base != nil {
		n.kind = kindIP
		if r.ip == ipRefuse {
			c.fail(n, unsupported(t, ipProblem))
		}
		return true
	}
	if n.kind = knownKind(t); n.kind != 0 {
		return true
	}
	if c.marshaler(n, t) {
		return c.checkRules(n, t, r)
	}
	if n.kind = scalarKind(t, r); n.kind == 0 {
		return false
	}
	if c.p.format == formatForm && n.kind == kindBytes && !r.base64 {
		c.fail(n, unsupported(t, "bytes need webhook:\"base64\" in a form, or a MarshalText method"))
		return true
	}
	return c.checkRules(n, t, r)
}

// knownKind is the kind of the standard library's types that have one of their
// own.
func knownKind(t reflect.Type) kind {
	switch t {
	case reflect.TypeFor[time.Time]():
		return kindTime
	case reflect.TypeFor[json.RawMessage]():
		return kindRaw
	case reflect.TypeFor[json.Number]():
		return kindNumber
	default:
		return 0
	}
}

// checkRules refuses options that have nothing to work on. It returns true, as
// n is a leaf either way.
func (c *compiler) checkRules(n *node, t reflect.Type, r rules) bool {
	problem := ""
	switch {
	case r.ip != ipRefuse && n.kind == kindString:
		n.kind = kindIP
	case r.ip != ipRefuse:
		problem = "ip= stands on a field that holds no IP address"
	case r.layout != "":
		problem = "layout= stands on a field that holds no time"
	case r.base64 && n.kind != kindBytes:
		problem = "base64 stands on a field that holds no bytes"
	}
	if problem != "" {
		c.fail(n, unsupported(t, problem))
	}
	return true
}
