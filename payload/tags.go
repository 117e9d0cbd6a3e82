package payload

import (
	"reflect"
	"slices"
	"strings"
)

// format tells the two wire formats apart where one walk serves both.
type format uint8

const (
	formatForm format = iota + 1
	formatJSON
	formatAny // for checks that know no encoder
)

// tagName is the struct tag that names fields in a format.
func (f format) tagName() string {
	if f == formatForm {
		return "form"
	}
	return "json"
}

// ipRule says what a field may do with an IP address.
type ipRule uint8

const (
	ipRefuse ipRule = iota
	ipAllow
	ipAnonymized
)

// rules are what the webhook tag of a field asks for. It is comparable: plans
// are cached by it.
type rules struct {
	required, private, base64, asJSON, quoted bool
	ip                                        ipRule
	layout                                    string
}

// leaf is r without what concerns the field itself and not the values in it.
func (r *rules) leaf() rules {
	out := *r
	out.required, out.private = false, false
	return out
}

// parseRules reads the webhook tag of one field. An unknown option is an
// error: a misspelt "private" must not publish a field.
func parseRules(t reflect.Type, f reflect.StructField) (rules, error) {
	var r rules
	tag, ok := f.Tag.Lookup("webhook")
	if !ok || tag == "" {
		return r, nil
	}
	for opt := range strings.SplitSeq(tag, ",") {
		if problem := r.set(strings.TrimSpace(opt)); problem != "" {
			return r, &FieldError{Type: typeName(t), Path: f.Name, Problem: problem, Err: ErrUnsupported}
		}
	}
	return r, nil
}

// set takes one option; what it returns is the complaint.
func (r *rules) set(opt string) string {
	key, value, _ := strings.Cut(opt, "=")
	switch key {
	case "required":
		r.required = true
	case "private":
		r.private = true
	case "base64":
		r.base64 = true
	case "json":
		r.asJSON = true
	case "layout":
		r.layout = value
		return checkLayout(value)
	case "ip":
		return r.setIP(value)
	default:
		return `unknown option "` + opt + `" in the webhook tag; known are required, private, base64, json, layout= and ip=`
	}
	if value != "" {
		return `option "` + key + `" in the webhook tag takes no value`
	}
	return ""
}

func (r *rules) setIP(value string) string {
	switch value {
	case "allow":
		r.ip = ipAllow
	case "anonymized":
		r.ip = ipAnonymized
	default:
		return "the webhook tag's ip is neither ip=allow nor ip=anonymized"
	}
	return ""
}

// wireName is the name of a field on the wire, and when it is left out.
type wireName struct {
	name                 string
	omitEmpty, omitZero  bool
	quoted, skip, tagged bool
}

// parseAny names a field where no encoder is known: by its json tag, else its
// form tag, else its Go name. A field that one of the tags leaves out is
// skipped, unless it is required.
func parseAny(f reflect.StructField, required bool) wireName {
	js, fo := f.Tag.Get("json"), f.Tag.Get("form")
	if (js == "-" || fo == "-") && !required {
		return wireName{skip: true}
	}
	for _, tag := range []string{js, fo} {
		if name, _, _ := strings.Cut(tag, ","); name != "" && tag != "-" {
			return wireName{name: name, tagged: true}
		}
	}
	return wireName{name: f.Name}
}

// parseName reads the form or json tag of a field.
func parseName(t reflect.Type, f reflect.StructField, fm format) (wireName, error) {
	tag := f.Tag.Get(fm.tagName())
	if tag == "-" {
		return wireName{skip: true}, nil
	}
	name, opts, _ := strings.Cut(tag, ",")
	w := wireName{name: name, tagged: name != ""}
	if name == "" {
		w.name = f.Name
	}
	if opts == "" {
		return w, nil
	}
	for opt := range strings.SplitSeq(opts, ",") {
		switch {
		case opt == "omitempty":
			w.omitEmpty = true
		case opt == "omitzero":
			w.omitZero = true
		case opt == "string" && fm == formatJSON:
			w.quoted = true
		case fm == formatForm:
			return w, &FieldError{
				Type: typeName(t), Path: f.Name, Err: ErrUnsupported,
				Problem: `unknown option "` + opt + `" in the form tag; known are omitempty and omitzero`,
			}
		default: // encoding/json ignores what it does not know
		}
	}
	return w, nil
}

// flatField is a field of a struct after the embedded ones are flattened.
type flatField struct {
	goName string
	typ    reflect.Type
	index  []int
	wire   wireName
	rules  rules
}

// flatten lists the fields of t in declaration order. Embedded structs without
// a name of their own give their fields to t, as in encoding/json and form/v4.
func flatten(t reflect.Type, fm format) ([]flatField, []error) {
	f := flattener{format: fm}
	f.walk(t, nil, []reflect.Type{t})
	return f.out, f.errs
}

type flattener struct {
	format format
	out    []flatField
	errs   []error
}

func (f *flattener) walk(t reflect.Type, prefix []int, onPath []reflect.Type) {
	for i := range t.NumField() {
		sf := t.Field(i)
		embedded := embeddedStruct(sf)
		if !sf.IsExported() && embedded == nil {
			continue
		}
		w, r, err := f.tags(t, sf)
		if err != nil {
			f.errs = append(f.errs, err)
			continue
		}
		if w.skip {
			continue
		}
		index := append(slices.Clone(prefix), i)
		switch {
		case embedded != nil && !w.tagged && !isLeafType(embedded):
			f.embed(t, sf, r, index, onPath)
		case sf.IsExported():
			f.out = append(f.out, flatField{goName: sf.Name, typ: sf.Type, index: index, wire: w, rules: r})
		}
	}
}

func (f *flattener) embed(outer reflect.Type, sf reflect.StructField, r rules, index []int, onPath []reflect.Type) {
	t := embeddedStruct(sf)
	switch {
	case r.private:
	case r != rules{}:
		f.errs = append(f.errs, &FieldError{
			Type: typeName(outer), Path: sf.Name, Err: ErrUnsupported,
			Problem: "an embedded struct takes no option but private: tag its fields, or give it a name of its own",
		})
	case slices.Contains(onPath, t):
		f.errs = append(f.errs, unsupported(t, "embeds itself"))
	default:
		f.walk(t, index, append(onPath, t))
	}
}

// tags reads the tags of one field.
func (f *flattener) tags(t reflect.Type, sf reflect.StructField) (wireName, rules, error) {
	r, err := parseRules(t, sf)
	if err != nil {
		return wireName{}, r, err
	}
	w := parseAny(sf, r.required)
	if f.format != formatAny {
		if w, err = parseName(t, sf, f.format); err != nil {
			return w, r, err
		}
	}
	if r.required && !w.skip && sf.Type.Kind() == reflect.Bool {
		return w, r, &FieldError{
			Type: typeName(t), Path: sf.Name, Err: ErrUnsupported,
			Problem: "a required bool is never missing: use *bool, or drop required",
		}
	}
	return w, r, nil
}

// embeddedStruct returns the struct type that sf embeds, or nil.
func embeddedStruct(sf reflect.StructField) reflect.Type {
	if !sf.Anonymous {
		return nil
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}
