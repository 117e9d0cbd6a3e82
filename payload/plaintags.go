package payload

import "reflect"

// plainTags refuses types with tags that only our own encoders obey, for
// encoders that hand the value to somebody else's code.
func plainTags(t reflect.Type) error {
	w := tagWalk{seen: map[reflect.Type]bool{}}
	w.typ(t)
	return joinErrors(w.errs)
}

type tagWalk struct {
	seen map[reflect.Type]bool
	errs []error
}

func (w *tagWalk) typ(t reflect.Type) {
	if w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		w.typ(t.Elem())
	case reflect.Struct:
		if isLeafType(t) {
			return
		}
		for i := range t.NumField() {
			w.field(t, t.Field(i))
		}
	default:
	}
}

func (w *tagWalk) field(t reflect.Type, sf reflect.StructField) {
	r, err := parseRules(t, sf)
	if err != nil {
		w.errs = append(w.errs, err)
	}
	if r.private || r.layout != "" || r.base64 || r.asJSON || r.ip == ipAnonymized {
		w.errs = append(w.errs, &FieldError{
			Type: typeName(t), Path: sf.Name, Err: ErrUnsupported,
			Problem: "the host's own encoder does not know the options of the webhook tag but required and ip=allow",
		})
	}
	if sf.IsExported() || sf.Anonymous {
		w.typ(sf.Type)
	}
}
