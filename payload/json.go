package payload

import (
	"bytes"
	"reflect"
	"strconv"
	"sync"
)

const (
	contentJSON = "application/json"
	contentForm = "application/x-www-form-urlencoded"

	defaultMaxBody = 64 << 10
	maxBodyLimit   = 1 << 30
)

// UTF8Policy says what happens to a string that is not UTF-8. It is never sent
// as it is: receivers disagree about it, and some refuse the body.
type UTF8Policy uint8

// The policies for strings that are not UTF-8.
const (
	// UTF8Fail makes it an ErrInvalid. It is the default.
	UTF8Fail UTF8Policy = iota + 1
	// UTF8Replace puts U+FFFD in the place of each wrong byte.
	UTF8Replace
)

// String returns the policy's name.
func (p UTF8Policy) String() string {
	switch p {
	case UTF8Fail:
		return "fail"
	case UTF8Replace:
		return "replace"
	}
	return "UTF8Policy(" + strconv.Itoa(int(p)) + ")"
}

// JSONOptions are the options of a JSON encoder. The zero value is bare JSON:
// members in declaration order, no HTML escaping, no trailing newline, nil
// pointers as null, nil slices as [] and nil maps as {}, map keys sorted,
// times in UTC.
type JSONOptions struct {
	// Envelope is what stands around the data.
	//
	// Defaults to Bare().
	Envelope Envelope
	// SafeIntegers makes an integer beyond 2^53-1 an ErrInvalid: JavaScript
	// changes it. A field tagged json:",string" is safe. Numbers inside a
	// json.RawMessage are not looked at.
	//
	// Defaults to false.
	SafeIntegers bool
	// TimeLayout is how times are written where their field has no layout= of
	// its own: a layout of package time, "unix" or "unixmilli". Times are
	// always in UTC.
	//
	// Defaults to RFC 3339 with as many digits of the second as needed, six at
	// most.
	TimeLayout string
	// InvalidUTF8 says what happens to strings that are not UTF-8.
	//
	// Defaults to UTF8Fail.
	InvalidUTF8 UTF8Policy
	// MaxBody is the largest body in bytes, envelope included. A larger one is
	// an ErrTooLarge. At most 1 GiB.
	//
	// Defaults to 65536.
	MaxBody int
	// Marshal replaces the encoder of the data, for a host that has its own.
	// Its result is compacted and its strings escaped as ours are. Types with
	// private, ip= or layout= fields are refused then, as it would not know
	// these tags, and so is Only. It must be safe for concurrent use.
	//
	// Defaults to nil: the encoder of this package.
	Marshal func(any) ([]byte, error)
	// Transform changes the data before it is encoded: it gets the event's
	// object as a tree of Fields, []any and leaves, and returns what is sent.
	// Private fields are gone and addresses anonymized by then. A required
	// field that it removes or blanks is an ErrInvalid. It must be pure and
	// safe for concurrent use.
	//
	// Defaults to nil: nothing is changed.
	Transform func(Fields) (Fields, error)
}

// JSON returns an Encoder that writes JSON objects. Invalid options are
// reported by Check, and by each Encode.
//
// The bytes are those that JSON.stringify(JSON.parse(body)) gives back, as far
// as the data allows: map keys that look like array indexes stand first and in
// numeric order, U+2028 and U+2029 are not escaped, -0 is 0. Integers beyond
// 2^53 (see SafeIntegers), numbers that a json.Number or json.RawMessage
// spells in its own way, and struct fields or Fields members named like array
// indexes are out of its reach.
func JSON(o JSONOptions) Encoder {
	e, err := newJSON(o)
	if err != nil {
		return broken{err: err}
	}
	return e
}

// jsonEncoder is the Encoder behind JSON.
type jsonEncoder struct {
	options      JSONOptions
	envelope     Envelope
	plan         *planner
	bound        reflect.Type // the only type of an encoder made by Only
	replace      bool
	safeIntegers bool
	timeLayout   string
	maxBody      int
}

var _ Encoder = (*jsonEncoder)(nil)

func newJSON(o JSONOptions) (*jsonEncoder, error) {
	var errs []error
	option := func(name, problem string) {
		errs = append(errs, &FieldError{Path: "JSONOptions." + name, Problem: problem, Err: ErrUnsupported})
	}
	if o.TimeLayout != "" {
		if problem := checkLayout(o.TimeLayout); problem != "" {
			option("TimeLayout", problem)
		}
	}
	if o.InvalidUTF8 > UTF8Replace {
		option("InvalidUTF8", "is no policy: "+o.InvalidUTF8.String())
	}
	if problem := checkMaxBody(o.MaxBody); problem != "" {
		option("MaxBody", problem)
	}
	if problem := o.Envelope.check(); problem != "" {
		option("Envelope", problem)
	}
	if o.Marshal != nil && o.Transform != nil {
		option("Transform", "needs our own encoder: leave Marshal nil")
	}
	if o.Marshal != nil && (o.SafeIntegers || o.TimeLayout != "") {
		option("Marshal", "does not know SafeIntegers and TimeLayout: leave them out")
	}
	if err := joinErrors(errs); err != nil {
		return nil, err
	}
	e := &jsonEncoder{
		options: o, envelope: o.Envelope, replace: o.InvalidUTF8 == UTF8Replace,
		safeIntegers: o.SafeIntegers, timeLayout: o.TimeLayout, maxBody: orDefault(o.MaxBody, defaultMaxBody),
	}
	e.plan = jsonPlanner(nil)
	return e, nil
}

func checkMaxBody(n int) string {
	if n < 0 || n > maxBodyLimit {
		return "must be from 1 to 1073741824 bytes, or 0 for the default"
	}
	return ""
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// jsonPlanner compiles plans for JSON.
func jsonPlanner(fl *filter) *planner {
	return &planner{
		format: formatJSON,
		filter: fl,
		names: func(name string) string {
			if _, ok := appendJSONString(nil, name, false); !ok {
				return "the name is not UTF-8"
			}
			return ""
		},
		lit: func(f *field) {
			lit, _ := appendJSONString(nil, f.name, false)
			f.lit = append(lit, ':')
		},
		list: func(*node) string { return "" },
	}
}

// Check implements Encoder. A nil t checks nothing more: the options were
// checked when the encoder was made.
func (e *jsonEncoder) Check(t reflect.Type) error {
	if t == nil {
		return nil
	}
	if err := e.bind(t); err != nil {
		return err
	}
	pl := e.plan.rootOf(t)
	if pl.err != nil {
		return pl.err
	}
	if e.options.Transform != nil && mayBe(t, isObject) != yes {
		return unsupported(t, "is no object, so it cannot be transformed")
	}
	if e.options.Marshal == nil {
		return nil
	}
	return plainTags(t)
}

// bind refuses types that an encoder made by Only does not know.
func (e *jsonEncoder) bind(t reflect.Type) error {
	if e.bound != nil && indirectType(t) != e.bound {
		return unsupported(t, "the encoder was made by Only for "+typeName(e.bound))
	}
	return nil
}

func (e *jsonEncoder) tooLarge() error {
	return &FieldError{
		Problem: "over the limit of " + strconv.Itoa(e.maxBody) + " bytes: raise MaxBody or send less",
		Err:     ErrTooLarge,
	}
}

// Encode implements Encoder.
func (e *jsonEncoder) Encode(dst []byte, ev *Event) (Body, error) {
	if ev == nil || ev.Data == nil {
		return Body{}, invalid("the event has no data")
	}
	base := len(dst)
	w := writers.get()
	defer writers.put(w)
	w.e, w.limit = e, base+e.maxBody
	body, out, err := e.envelope.open(dst, ev, e.replace)
	if err != nil {
		return Body{}, err
	}
	if e.envelope.kind != thin {
		start := len(out)
		if out, err = e.data(w, out, ev.Data); err != nil {
			return Body{}, err
		}
		out = e.envelope.close(&body, out, start)
	}
	if len(out)-base > e.maxBody {
		return Body{}, e.tooLarge()
	}
	body.Data = out
	return body, nil
}

// data appends the event's data.
func (e *jsonEncoder) data(w *jsonWriter, dst []byte, data any) ([]byte, error) {
	v := reflect.ValueOf(data)
	if err := e.bind(v.Type()); err != nil {
		return dst, err
	}
	pl := e.plan.rootOf(v.Type())
	if pl.err != nil {
		return dst, pl.err
	}
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return dst, invalid("the event is nil")
	}
	if e.options.Marshal != nil {
		return e.marshal(dst, data)
	}
	if e.options.Transform == nil {
		return w.value(dst, pl.root, v, 0)
	}
	fs, err := transform(e.plan, pl.root, v, e.timeLayout, e.options.Transform)
	if err != nil {
		return dst, err
	}
	return w.dynamic(dst, fs, nil, 0)
}

func (e *jsonEncoder) marshal(dst []byte, data any) ([]byte, error) {
	t := reflect.TypeOf(data)
	if err := plainTags(t); err != nil {
		return dst, err
	}
	raw, err := e.options.Marshal(data)
	if err != nil {
		return dst, &FieldError{Problem: "the host's Marshal refuses", Err: ErrInvalid, Cause: err}
	}
	if len(raw) > e.maxBody {
		return dst, e.tooLarge()
	}
	dst, fe := appendRaw(dst, bytes.TrimSpace(raw), e.replace)
	return dst, orNil(fe)
}

// valueText appends any value as JSON text of at most limit bytes.
func (e *jsonEncoder) valueText(dst []byte, v reflect.Value, limit int) ([]byte, error) {
	w := jsonWriter{e: e, limit: len(dst) + limit}
	pl := e.plan.of(v.Type(), nil)
	if pl.err != nil {
		return dst, pl.err
	}
	return w.value(dst, pl.root, v, 0)
}

// Only implements Encoder.
func (e *jsonEncoder) Only(t reflect.Type, paths []string) (Encoder, error) {
	if len(paths) == 0 {
		return e, nil
	}
	if e.bound != nil || e.options.Marshal != nil || t == nil {
		return nil, unsupported(t, "Only needs a type, and an encoder without Marshal that Only did not make")
	}
	fl, err := newFilter(paths)
	if err != nil {
		return nil, err
	}
	sub := *e
	sub.plan = jsonPlanner(fl)
	sub.bound = indirectType(t)
	if err := sub.Check(t); err != nil {
		return nil, err
	}
	return &sub, nil
}

// CheckParams implements Encoder.
func (e *jsonEncoder) CheckParams(t reflect.Type, params []Param) error {
	if err := checkParams(params, jsonName); err != nil {
		return err
	}
	if e.envelope.kind == thin {
		return e.envelope.checkParams(params)
	}
	if !anyInBody(params) || t == nil {
		return nil
	}
	if mayBe(t, isObject) == no {
		return &FieldError{Type: typeName(t), Problem: "is no JSON object, so its body takes no parameters", Err: ErrParam}
	}
	pl := e.plan.rootOf(t)
	if pl.err != nil {
		return pl.err
	}
	return clashJSON(pl.root, params)
}

func jsonName(name string) string {
	if _, ok := appendJSONString(nil, name, false); !ok {
		return "the name is not UTF-8"
	}
	return ""
}

// clashJSON reports the first parameter named like a member of the object.
func clashJSON(n *node, params []Param) error {
	for n.kind == kindPtr {
		n = n.elem
	}
	for i := range params {
		if params[i].place() != InBody {
			continue
		}
		for j := range n.fields {
			if n.fields[j].name == params[i].Name {
				return &FieldError{Path: params[i].Name, Problem: "the event already has a field of this name", Err: ErrParam}
			}
		}
	}
	return nil
}

// writerPool keeps the state of encoders between bodies.
type writerPool struct{ p sync.Pool }

func (p *writerPool) get() *jsonWriter {
	if w, ok := p.p.Get().(*jsonWriter); ok {
		return w
	}
	return new(jsonWriter)
}

func (p *writerPool) put(w *jsonWriter) {
	*w = jsonWriter{}
	p.p.Put(w)
}

// writers is a cache, not state: an empty one works the same.
var writers writerPool //nolint:gochecknoglobals // cache of scratch space
