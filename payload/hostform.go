package payload

import (
	"encoding"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-playground/form/v4"
)

// HostFormOptions are the options of FromFormEncoder.
type HostFormOptions struct {
	// Custom holds a value of each type for which the encoder has a function of
	// its own: it cannot be asked, and types that it would drop silently are
	// refused unless they stand here.
	//
	// Defaults to none.
	Custom []any
	// MaxPairs is the largest number of pairs; more is an ErrTooLarge.
	//
	// Defaults to 900.
	MaxPairs int
	// MaxBody is the largest body in bytes, at most 1 GiB. A larger one is an
	// ErrTooLarge.
	//
	// Defaults to 65536.
	MaxBody int
}

// FromFormEncoder makes an Encoder of a form/v4 encoder that a host has
// already configured. The body is its url.Values, sorted by key. What form/v4
// drops without an error, or cannot survive, is refused: types without exported
// fields, channels and functions, text marshallers, bytes, top-level maps,
// recursive types and cyclic values, map keys with brackets, NaN, and tags that
// it does not know, such as webhook:"private".
//
// New systems use Form: it keeps the declaration order and is several times
// faster. The encoder must not be changed afterwards.
func FromFormEncoder(e *form.Encoder, o HostFormOptions) Encoder {
	problem := ""
	switch {
	case e == nil:
		problem = "the form encoder is nil"
	case o.MaxPairs < 0:
		problem = "MaxPairs must not be negative"
	default:
		problem = checkMaxBody(o.MaxBody)
	}
	h := &hostForm{
		e: e, custom: map[reflect.Type]bool{},
		pairs: orDefault(o.MaxPairs, defaultMaxPairs), maxBody: orDefault(o.MaxBody, defaultMaxBody),
		names: &formEncoder{o: FormOptions{AllowNumericKeys: true, AllowMemberNames: true, AllowDotsAndSpaces: true}},
	}
	for _, x := range o.Custom {
		if x == nil {
			problem = "Custom holds a nil: give a value of the type"
			continue
		}
		h.custom[reflect.TypeOf(x)] = true
	}
	if problem != "" {
		return broken{err: &FieldError{Path: "HostFormOptions", Problem: problem, Err: ErrUnsupported}}
	}
	return h
}

// hostForm is the Encoder behind FromFormEncoder.
type hostForm struct {
	e              *form.Encoder
	custom         map[reflect.Type]bool
	pairs, maxBody int
	names          *formEncoder // checks the names of parameters
	plans          sync.Map     // reflect.Type to hostPlan
}

var _ Encoder = (*hostForm)(nil)

type hostPlan struct{ err error }

// Check implements Encoder.
func (h *hostForm) Check(t reflect.Type) error {
	if t == nil {
		return nil
	}
	if x, ok := h.plans.Load(t); ok {
		if p, ok := x.(hostPlan); ok {
			return p.err
		}
	}
	root := indirectType(t)
	var err error
	switch {
	case root.Kind() != reflect.Struct && root.Kind() != reflect.Interface:
		err = unsupported(t, "form/v4 needs a struct: other types have no names that receivers read")
	default:
		w := hostWalk{h: h}
		w.typ(t, nil)
		if tags := plainTags(t); tags != nil {
			w.errs = append(w.errs, tags)
		}
		err = joinErrors(w.errs)
	}
	h.plans.Store(t, hostPlan{err: err})
	return err
}

// Encode implements Encoder.
func (h *hostForm) Encode(dst []byte, ev *Event) (Body, error) {
	if ev == nil || ev.Data == nil {
		return Body{}, invalid("the event has no data")
	}
	v := reflect.ValueOf(ev.Data)
	if err := h.Check(v.Type()); err != nil {
		return Body{}, err
	}
	w := hostWalk{h: h}
	if err := w.value(v, 0); err != nil {
		return Body{}, err
	}
	values, err := h.e.Encode(ev.Data)
	if err != nil {
		return Body{}, &FieldError{Problem: "the host's form encoder refuses", Err: ErrInvalid, Cause: err}
	}
	return h.join(dst, values)
}

// join writes the values as url.Values.Encode does, within the limits.
func (h *hostForm) join(dst []byte, values url.Values) (Body, error) {
	keys := make([]string, 0, len(values))
	pairs := 0
	for k, vs := range values {
		keys = append(keys, k)
		pairs += len(vs)
	}
	if pairs > h.pairs {
		return Body{}, &FieldError{Problem: "more than " + strconv.Itoa(h.pairs) + " pairs", Err: ErrTooLarge}
	}
	sort.Strings(keys)
	base := len(dst)
	for _, k := range keys {
		for _, s := range values[k] {
			if !utf8.ValidString(k) || !utf8.ValidString(s) {
				return Body{}, invalid("a string is not UTF-8")
			}
			if len(dst) > base {
				dst = append(dst, '&')
			}
			dst = appendEscaped(dst, k, '+')
			dst = append(dst, '=')
			dst = appendEscaped(dst, s, '+')
			if len(dst)-base > h.maxBody {
				return Body{}, &FieldError{Problem: "over the limit of " + strconv.Itoa(h.maxBody) + " bytes", Err: ErrTooLarge}
			}
		}
	}
	return Body{ContentType: contentForm, Data: dst}, nil
}

// CheckParams implements Encoder. Names that the host's encoder gives are not
// known before an event is encoded: a clash with one is found by Splice.
func (h *hostForm) CheckParams(_ reflect.Type, params []Param) error {
	if err := checkParams(params, h.names.checkKey); err != nil {
		return err
	}
	return h.names.clashes(nil, params)
}

// Only implements Encoder: form/v4 cannot leave fields out.
func (h *hostForm) Only(t reflect.Type, paths []string) (Encoder, error) {
	if len(paths) == 0 {
		return h, nil
	}
	return nil, unsupported(t, "a host's own form encoder cannot choose fields; use Form")
}

// hostWalk looks at a type or a value with the eyes of form/v4.
type hostWalk struct {
	h    *hostForm
	path []string
	errs []error
}

func (w *hostWalk) fail(t reflect.Type, problem string) {
	err := unsupported(t, problem)
	err.Path = joinPath(w.path)
	w.errs = append(w.errs, err)
}

// typ reports what form/v4 would drop or spoil in t.
func (w *hostWalk) typ(t reflect.Type, onPath []reflect.Type) {
	if w.h.custom[t] || t == reflect.TypeFor[time.Time]() {
		return
	}
	if slices.Contains(onPath, t) {
		w.fail(t, "is recursive, and form/v4 does not survive a cyclic value")
		return
	}
	if problem := hostProblem(t); problem != "" {
		w.fail(t, problem)
		return
	}
	onPath = append(onPath, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		w.typ(t.Elem(), onPath)
	case reflect.Struct:
		w.structure(t, onPath)
	default:
	}
}

// hostProblem says what form/v4 would do to a value of t itself.
func hostProblem(t reflect.Type) string {
	tx, _ := implements(t, reflect.TypeFor[encoding.TextMarshaler]())
	switch {
	case ipTypeOf(t) != nil:
		return "holds an IP address, which form/v4 drops or writes byte by byte"
	case tx && t.Kind() != reflect.Pointer:
		return "has a MarshalText method, which form/v4 ignores; give it a custom function"
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		if plainByte(t.Elem()) {
			return "are bytes, which form/v4 writes as one number each; give the type a custom function"
		}
	case reflect.Map:
		if !goodMapKey(t.Key()) {
			return "map keys must be strings or integers"
		}
	case reflect.Struct:
		if t.NumField() > 0 && !hasFields(t) {
			return "has no exported field, so form/v4 drops it silently"
		}
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer, reflect.Uintptr:
		return "kind " + t.Kind().String() + " is dropped silently by form/v4"
	default:
	}
	return ""
}

func (w *hostWalk) structure(t reflect.Type, onPath []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("form") == "-" {
			continue
		}
		w.path = append(w.path, f.Name)
		switch {
		case f.IsExported() || embeddedStruct(f) != nil:
			w.typ(f.Type, onPath)
		case f.Anonymous:
			w.fail(f.Type, "is unexported and embedded: form/v4 sends it under an empty name")
		}
		w.path = w.path[:len(w.path)-1]
	}
}

// value refuses what only a value shows: cycles, NaN, keys that forge others,
// and the types behind interfaces.
func (w *hostWalk) value(v reflect.Value, depth int) error {
	if depth > maxNest {
		return tooDeep()
	}
	if w.h.custom[v.Type()] || v.Type() == reflect.TypeFor[time.Time]() {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return w.dynamic(v, depth)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.value(v.Elem(), depth+1)
	case reflect.Struct:
		return w.fields(v, depth)
	case reflect.Slice, reflect.Array:
		return w.elements(v, depth)
	case reflect.Map:
		return w.entries(v, depth)
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); f-f != 0 {
			return invalid("a number is not finite")
		}
	default:
	}
	return nil
}

func (w *hostWalk) elements(v reflect.Value, depth int) error {
	for i := range v.Len() {
		if err := w.value(v.Index(i), depth+1); err != nil {
			return at(strconv.Itoa(i), err)
		}
	}
	return nil
}

func (w *hostWalk) fields(v reflect.Value, depth int) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("form") == "-" || !f.IsExported() && embeddedStruct(f) == nil {
			continue
		}
		if err := w.value(v.Field(i), depth+1); err != nil {
			return at(f.Name, err)
		}
	}
	return nil
}

func (w *hostWalk) entries(v reflect.Value, depth int) error {
	entries, err := sortedEntries(v)
	if err != nil {
		return err
	}
	for _, en := range entries {
		if problem := w.h.names.checkSegment(en.key, false); problem != "" {
			return at(en.key, invalid(problem))
		}
		if err := w.value(en.value, depth+1); err != nil {
			return at(en.key, err)
		}
	}
	return nil
}

func (w *hostWalk) dynamic(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	inner := hostWalk{h: w.h}
	inner.typ(v.Elem().Type(), nil)
	if err := joinErrors(inner.errs); err != nil {
		return err
	}
	return w.value(v.Elem(), depth+1)
}
