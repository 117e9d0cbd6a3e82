package payload

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

const (
	defaultMaxPairs = 900
	defaultMaxDepth = 5
)

// Form returns an Encoder that writes application/x-www-form-urlencoded bodies.
// It reads the form tags of go-playground/form/v4, with omitempty and omitzero.
// Invalid options are reported by Check, and by each Encode.
func Form(o FormOptions) Encoder {
	if err := o.check(); err != nil {
		return broken{err: err}
	}
	e := &formEncoder{
		o:       o,
		replace: o.InvalidUTF8 == UTF8Replace,
		space:   '+',
		lists:   max(o.Lists, ListBrackets),
		pairs:   orDefault(o.MaxPairs, defaultMaxPairs),
		depth:   orDefault(o.MaxDepth, defaultMaxDepth),
		maxBody: orDefault(o.MaxBody, defaultMaxBody),
		json:    &jsonEncoder{plan: jsonPlanner(nil), timeLayout: o.TimeLayout, replace: o.InvalidUTF8 == UTF8Replace, maxBody: orDefault(o.MaxBody, defaultMaxBody)},
	}
	if o.Spaces == SpacePercent {
		e.space = '%'
	}
	e.plan = e.planner(nil)
	return e
}

// formEncoder is the Encoder behind Form.
type formEncoder struct {
	o       FormOptions
	plan    *planner
	bound   reflect.Type // the only type of an encoder made by Only
	json    *jsonEncoder // for fields tagged webhook:"json"
	replace bool
	space   byte
	lists   ListStyle
	pairs   int
	depth   int
	maxBody int
	pool    sync.Pool
}

var _ Encoder = (*formEncoder)(nil)

func (e *formEncoder) planner(fl *filter) *planner {
	return &planner{
		format: formatForm,
		filter: fl,
		names:  e.checkTagName,
		lit: func(f *field) {
			parts, _ := splitKey(f.name)
			f.lit = e.segment(nil, parts[0], true)
			f.sub = e.segment(nil, parts[0], false)
			f.parts = len(parts) - 1
			for _, p := range parts[1:] {
				f.lit = e.segment(f.lit, p, false)
				f.sub = e.segment(f.sub, p, false)
			}
			f.open = append(append([]byte{'&'}, f.lit...), '=')
		},
		list:   e.checkList,
		json:   e.json,
		custom: e.o.custom(),
	}
}

// segment appends one part of a key.
func (e *formEncoder) segment(dst []byte, name string, first bool) []byte {
	switch {
	case first:
		return appendEscaped(dst, name, e.space)
	case e.o.Keys == KeyDots:
		return appendEscaped(append(dst, '.'), name, e.space)
	}
	dst = append(dst, "%5B"...)
	dst = appendEscaped(dst, name, e.space)
	return append(dst, "%5D"...)
}

// splitKey takes a bracketed key apart: a[b][] is a, b and "". False means
// that its brackets do not fit together.
func splitKey(name string) ([]string, bool) {
	i := strings.IndexAny(name, "[]")
	if i < 0 {
		return []string{name}, name != ""
	}
	parts := []string{name[:i]}
	if i == 0 {
		return parts, false
	}
	for rest := name[i:]; rest != ""; {
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 0 || strings.ContainsRune(rest[1:end], '[') {
			return parts, false
		}
		parts = append(parts, rest[1:end])
		rest = rest[end+1:]
	}
	return parts, true
}

// checkTagName says what is wrong with the name of a struct field.
func (e *formEncoder) checkTagName(name string) string {
	if problem := e.checkKey(name); problem != "" {
		return problem
	}
	if strings.Contains(name, "[]") {
		return "the name ends in [] or holds it: the list style writes the brackets"
	}
	return ""
}

// checkKey says what is wrong with a whole key, brackets and all.
func (e *formEncoder) checkKey(name string) string {
	parts, ok := splitKey(name)
	if !ok {
		return "the brackets of the name do not fit together"
	}
	for i, p := range parts {
		if p == "" && i > 0 {
			continue
		}
		if problem := e.checkSegment(p, i == 0); problem != "" {
			return problem
		}
	}
	return ""
}

// checkSegment says what is wrong with one part of a key.
func (e *formEncoder) checkSegment(s string, first bool) string {
	digits := true
	for i := range len(s) {
		c := s[i]
		if problem := e.checkByte(c, first); problem != "" {
			return problem
		}
		digits = digits && c >= '0' && c <= '9'
	}
	if problem := e.checkMember(s); problem != "" {
		return problem
	}
	switch {
	case s == "":
		return "the name is empty"
	case s == " " && !first:
		return "the name is a space, which PHP takes for empty brackets: a list"
	case digits && !e.o.AllowNumericKeys:
		return "the name is a number, which qs takes for an index and loses; AllowNumericKeys permits it"
	case !validUTF8(s):
		return "the name is not UTF-8"
	}
	return ""
}

// checkMember says what is wrong with the names that every object has in
// JavaScript.
func (e *formEncoder) checkMember(s string) string {
	switch s {
	case "__proto__":
		return "__proto__ is no name that receivers read safely"
	case "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
		"__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__":
		if !e.o.AllowMemberNames {
			return "the name is one that every object has in JavaScript, which qs drops; AllowMemberNames permits it"
		}
	}
	return ""
}

// checkByte says what is wrong with one byte of a part of a key.
func (e *formEncoder) checkByte(c byte, first bool) string {
	switch {
	case c < ' ' || c == 0x7f:
		return "the name holds a control character"
	case c == '[' || c == ']':
		return "the name holds a bracket, which would forge another key"
	case c != '.' && c != ' ':
		return ""
	case c == '.' && e.o.Keys == KeyDots && !first:
		return "the name holds a dot, which would forge another key"
	case first && !e.o.AllowDotsAndSpaces:
		return "the name holds a dot or a space, which PHP turns into an underscore; AllowDotsAndSpaces permits it"
	}
	return ""
}

// checkList says what is wrong with a list of n's elements.
func (e *formEncoder) checkList(n *node) string {
	switch behind(n.elem).kind {
	case kindStruct, kindMap, kindFields:
		if e.o.Lists == ListIndex || e.o.Lists == ListBrackets {
			return ""
		}
		return "a list of objects has no form that receivers agree on: choose ListIndex or ListBrackets explicitly, or tag the field webhook:\"json\""
	case kindList:
		if e.o.Lists == ListIndex {
			return ""
		}
		return "a list of lists needs ListIndex, or the tag webhook:\"json\""
	default:
		return ""
	}
}

// Check implements Encoder. A nil t checks nothing more: the options were
// checked when the encoder was made.
func (e *formEncoder) Check(t reflect.Type) error {
	if t == nil {
		return nil
	}
	pl, err := e.planOf(t)
	if err != nil {
		return err
	}
	return e.clashes(pl.root, nil)
}

// planOf returns the plan of a root type.
func (e *formEncoder) planOf(t reflect.Type) (*plan, error) {
	if e.bound != nil && indirectType(t) != e.bound {
		return nil, unsupported(t, "the encoder was made by Only for "+typeName(e.bound))
	}
	pl := e.plan.rootOf(t)
	if pl.err != nil {
		return nil, pl.err
	}
	root := pl.root
	for root.kind == kindPtr {
		root = root.elem
	}
	switch root.kind {
	case kindStruct, kindMap, kindFields, kindIface:
		return pl, nil
	default:
		return nil, unsupported(t, "is no object, so it has no names for a form")
	}
}

// Encode implements Encoder.
func (e *formEncoder) Encode(dst []byte, ev *Event) (Body, error) {
	if ev == nil || ev.Data == nil {
		return Body{}, invalid("the event has no data")
	}
	v := reflect.ValueOf(ev.Data)
	pl, err := e.planOf(v.Type())
	if err != nil {
		return Body{}, err
	}
	w := e.writer(len(dst))
	defer e.release(w)
	var out []byte
	if e.o.Transform != nil {
		fs, err := transform(e.plan, pl.root, v, e.o.TimeLayout, e.o.Transform)
		if err != nil {
			return Body{}, err
		}
		out, err = w.dynamic(dst, fs, nil, 0)
		if err != nil {
			return Body{}, err
		}
	} else if out, err = w.root(dst, pl.root, v); err != nil {
		return Body{}, err
	}
	if len(out) > w.limit {
		return Body{}, e.tooLarge()
	}
	return Body{ContentType: contentForm, Data: out}, nil
}

func (e *formEncoder) tooLarge() error {
	return &FieldError{
		Problem: "over the limit of " + strconv.Itoa(e.maxBody) + " bytes: raise MaxBody or send less",
		Err:     ErrTooLarge,
	}
}

// writer takes the state of one encoding from the pool.
func (e *formEncoder) writer(base int) *formWriter {
	w, ok := e.pool.Get().(*formWriter)
	if !ok {
		w = &formWriter{key: make([]byte, 0, 64)}
	}
	w.e, w.base, w.limit, w.pairs, w.key = e, base, base+e.maxBody, 0, w.key[:0]
	return w
}

func (e *formEncoder) release(w *formWriter) {
	if cap(w.scratch) > defaultMaxBody {
		w.scratch = nil
	}
	e.pool.Put(w)
}

// Only implements Encoder.
func (e *formEncoder) Only(t reflect.Type, paths []string) (Encoder, error) {
	if len(paths) == 0 {
		return e, nil
	}
	if e.bound != nil || t == nil {
		return nil, unsupported(t, "Only needs a type, and an encoder that Only did not make")
	}
	fl, err := newFilter(paths)
	if err != nil {
		return nil, err
	}
	sub := &formEncoder{
		o: e.o, bound: indirectType(t), json: e.json, replace: e.replace, space: e.space,
		lists: e.lists, pairs: e.pairs, depth: e.depth, maxBody: e.maxBody,
	}
	sub.plan = sub.planner(fl)
	if err := sub.Check(t); err != nil {
		return nil, err
	}
	return sub, nil
}

// CheckParams implements Encoder.
func (e *formEncoder) CheckParams(t reflect.Type, params []Param) error {
	if err := checkParams(params, e.checkKey); err != nil {
		return err
	}
	if t == nil || !anyInBody(params) {
		return e.clashes(nil, params)
	}
	pl, err := e.planOf(t)
	if err != nil {
		return err
	}
	return e.clashes(pl.root, params)
}
