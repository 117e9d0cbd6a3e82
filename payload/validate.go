package payload

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Validator is implemented by events, and by values inside them, that have
// rules of their own. Validate must not change the value.
type Validator interface{ Validate() error }

// Validate checks an event without encoding it. All failures are joined, each
// an *FieldError with the path of the field: its json name, else its form
// name, else its Go name.
//
//   - A field tagged webhook:"required" must be there: no nil, no empty list or
//     map, no blank string, no zero time, struct or number. A number whose zero
//     means something is a pointer.
//   - Validate methods are called on every value that has one, the inner ones
//     first.
//   - Values that are cyclic or nested deeper than 32 levels are ErrInvalid.
//   - A type that no encoder can carry, an IP address without an ip= tag and
//     an unknown tag option are ErrUnsupported.
//
// Nil data is ErrInvalid. Validate is safe for concurrent use; what it learns
// about a type is cached.
func Validate(data any) error {
	if data == nil {
		return invalid("the event has no data")
	}
	v := reflect.ValueOf(data)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return invalid("the event is nil")
	}
	ck := checks.of(v.Type())
	if ck.err != nil {
		return ck.err
	}
	if !ck.walk {
		return nil
	}
	if !v.CanAddr() && v.Kind() != reflect.Pointer && ck.pointer {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	w := walkCheck{}
	w.value(ck, v, 0)
	return joinErrors(w.errs)
}

// check is what Validate knows about a type. It is filled once and then
// immutable.
type check struct {
	typ     reflect.Type
	fields  []checkField
	elem    *check
	own     bool // has a Validate method
	pointer bool // somewhere inside, a Validate method has a pointer receiver
	walk    bool // there is something to check in values of the type
	done    bool // built, its inner types too
	err     error
}

type checkField struct {
	name     string
	index    []int
	required bool
	check    *check
}

// checkCache keeps what is known about types; an empty one works the same.
type checkCache struct{ m sync.Map }

var checks checkCache //nolint:gochecknoglobals // cache of compiled types

func (c *checkCache) of(t reflect.Type) *check {
	if x, ok := c.m.Load(t); ok {
		if ck, ok := x.(*check); ok {
			return ck
		}
	}
	b := checkBuilder{seen: map[checkKey]*check{}}
	ck := b.build(t, rules{})
	root := *ck
	root.err = joinErrors(b.errs)
	x, _ := c.m.LoadOrStore(t, &root)
	if first, ok := x.(*check); ok {
		return first
	}
	return &root
}

type checkKey struct {
	t  reflect.Type
	ip ipRule
}

// checkBuilder compiles the checks of one type.
type checkBuilder struct {
	seen map[checkKey]*check
	path []string
	errs []error
}

func (b *checkBuilder) fail(err *FieldError) {
	err.Path = joinPath(b.path)
	b.errs = append(b.errs, err)
}

// build returns the checks of t; r are the rules of the field that holds it.
func (b *checkBuilder) build(t reflect.Type, r rules) *check {
	if ipTypeOf(t) != nil && r.ip == ipRefuse {
		b.fail(unsupported(t, ipProblem))
		return &check{typ: t}
	}
	key := checkKey{t: t, ip: r.ip}
	if ck, ok := b.seen[key]; ok {
		ck.walk = ck.walk || !ck.done // it holds itself: its values may be cyclic
		return ck
	}
	ck := &check{typ: t}
	b.seen[key] = ck
	ok, ptr := implements(t, reflect.TypeFor[Validator]())
	if t.Kind() == reflect.Pointer {
		ok = false // the type behind it has the method too
	}
	ck.own, ck.pointer, ck.walk = ok, ok && ptr, ok
	switch t.Kind() {
	case reflect.Interface:
		ck.walk, ck.own = true, false
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		b.element(ck, t, r)
	case reflect.Struct:
		b.structure(ck, t)
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		b.fail(unsupported(t, "kind "+t.Kind().String()+" cannot be encoded"))
	default:
	}
	ck.done = true
	return ck
}

func (b *checkBuilder) element(ck *check, t reflect.Type, r rules) {
	if ipTypeOf(t) != nil {
		return
	}
	ck.elem = b.build(t.Elem(), r.leaf())
	ck.inherit(ck.elem)
}

func (b *checkBuilder) structure(ck *check, t reflect.Type) {
	if isLeafType(t) {
		return
	}
	flat, errs := flatten(t, formatAny)
	for _, err := range errs {
		b.errs = append(b.errs, at(joinPath(b.path), err))
	}
	for _, ff := range flat {
		if ff.rules.private && !ff.rules.required {
			continue
		}
		name := ff.wire.name
		b.path = append(b.path, name)
		cf := checkField{name: name, index: ff.index, required: ff.rules.required}
		cf.check = b.build(ff.typ, ff.rules)
		b.path = b.path[:len(b.path)-1]
		ck.inherit(cf.check)
		ck.walk = ck.walk || cf.required
		if cf.required || cf.check.walk {
			ck.fields = append(ck.fields, cf)
		}
	}
}

// inherit takes over what an inner value needs.
func (ck *check) inherit(inner *check) {
	ck.walk = ck.walk || inner.walk
	ck.pointer = ck.pointer || inner.pointer
}

// walkCheck is one walk over a value.
type walkCheck struct {
	path []string
	errs []error
}

func (w *walkCheck) fail(name, problem string, cause error) {
	err := invalid(problem)
	err.Path, err.Cause = join(joinPath(w.path), name), cause
	w.errs = append(w.errs, err)
}

func (w *walkCheck) value(ck *check, v reflect.Value, depth int) {
	if !ck.walk || len(w.errs) > maxFailures {
		return
	}
	if depth > 2*maxNest {
		w.fail("", "is cyclic, or nested deeper than "+strconv.Itoa(maxNest)+" levels", nil)
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		w.dynamic(v, depth)
	case reflect.Pointer:
		if !v.IsNil() {
			w.value(ck.elem, v.Elem(), depth+1)
		}
	case reflect.Struct:
		w.structure(ck, v, depth)
	case reflect.Slice, reflect.Array:
		w.list(ck, v, depth)
	case reflect.Map:
		w.mapping(ck, v, depth)
	default:
	}
	if ck.own {
		w.own(ck, v)
	}
}

// maxFailures is how many failures one Validate reports at most.
const maxFailures = 100

func (w *walkCheck) dynamic(v reflect.Value, depth int) {
	if v.IsNil() {
		return
	}
	v = v.Elem()
	ck := checks.of(v.Type())
	if ck.err != nil {
		w.errs = append(w.errs, at(joinPath(w.path), ck.err))
		return
	}
	w.value(ck, v, depth+1)
}

func (w *walkCheck) list(ck *check, v reflect.Value, depth int) {
	if ck.elem == nil || !ck.elem.walk {
		return
	}
	for i := range v.Len() {
		w.path = append(w.path, strconv.Itoa(i))
		w.value(ck.elem, v.Index(i), depth+1)
		w.path = w.path[:len(w.path)-1]
	}
}

func (w *walkCheck) mapping(ck *check, v reflect.Value, depth int) {
	if ck.elem == nil || !ck.elem.walk {
		return
	}
	entries, err := sortedEntries(v)
	if err != nil {
		w.errs = append(w.errs, at(joinPath(w.path), err))
		return
	}
	for _, en := range entries {
		w.path = append(w.path, en.key)
		w.value(ck.elem, en.value, depth+1)
		w.path = w.path[:len(w.path)-1]
	}
}

func (w *walkCheck) structure(ck *check, v reflect.Value, depth int) {
	for i := range ck.fields {
		cf := &ck.fields[i]
		f := field{index: cf.index, first: cf.index[0], deep: len(cf.index) > 1}
		fv, ok := f.get(v)
		if cf.required && (!ok || missing(fv)) {
			w.fail(cf.name, "is required, but missing or blank", nil)
			continue
		}
		if !ok || !cf.check.walk {
			continue
		}
		w.path = append(w.path, cf.name)
		w.value(cf.check, fv, depth+1)
		w.path = w.path[:len(w.path)-1]
	}
}

// own calls the Validate method of v.
func (w *walkCheck) own(ck *check, v reflect.Value) {
	_, ptr := implements(ck.typ, reflect.TypeFor[Validator]())
	val, ok := methodsOf(&node{ptr: ptr}, v).(Validator)
	if !ok {
		return
	}
	if err := val.Validate(); err != nil {
		var fe *FieldError
		if errors.As(err, &fe) && errors.Is(fe.Err, ErrInvalid) {
			w.errs = append(w.errs, at(joinPath(w.path), fe))
			return
		}
		w.fail("", "its own rules refuse it", err)
	}
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// missing tells whether a required field has nothing in it.
func missing(v reflect.Value) bool {
	direct := true
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return true
		}
		v, direct = v.Elem(), false
	}
	switch v.Kind() {
	case reflect.String:
		return blank(v.String())
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		return timeOf(v).IsZero()
	}
	return direct && v.IsZero()
}
