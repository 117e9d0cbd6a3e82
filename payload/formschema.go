package payload

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func rawJSON(data []byte) json.RawMessage { return json.RawMessage(data) }

// formEvent is the schema of a form: an object of its pairs.
func (b *schemaBuilder) formEvent(e *formEncoder, ent catalogEntry) (Fields, error) {
	if e.o.Transform != nil {
		return nil, unsupported(ent.typ, "what Transform makes of it is not known here")
	}
	w := formSchema{e: e}
	root := e.plan.rootOf(ent.typ).root
	for root.kind == kindPtr {
		root = root.elem
	}
	w.node(root, "", true, nil)
	s := object(w.properties, w.required)
	if len(w.patterns) > 0 {
		s = append(s, Field{Name: "patternProperties", Value: w.patterns})
	}
	body, err := e.Encode(nil, &Event{Data: ent.sample})
	if err != nil {
		return nil, err
	}
	example, err := formTree(string(body.Data))
	if err != nil {
		return nil, err
	}
	return append(s, Field{Name: "examples", Value: []any{example}}), nil
}

// formTree lists the pairs of a form; keys that end in [] and repeated keys
// hold a list.
func formTree(body string) (Fields, error) {
	var out Fields
	if body == "" {
		return Fields{}, nil
	}
	for pair := range strings.SplitSeq(body, "&") {
		k, v, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, err
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, err
		}
		at := -1
		for i := range out {
			if out[i].Name == key {
				at = i
			}
		}
		switch {
		case at >= 0:
			list, ok := out[at].Value.([]any)
			if !ok {
				list = []any{out[at].Value}
			}
			out[at].Value = append(list, value)
		case strings.HasSuffix(key, "[]"):
			out = append(out, Field{Name: key, Value: []any{value}})
		default:
			out = append(out, Field{Name: key, Value: value})
		}
	}
	return out, nil
}

// formSchema collects the pairs that a plan can give.
type formSchema struct {
	e          *formEncoder
	properties Fields
	patterns   Fields
	required   []string
}

// nested is the plain name of what stands under key.
func (w *formSchema) nested(key, name string) string {
	switch {
	case key == "":
		return name
	case w.e.o.Keys == KeyDots:
		return key + "." + name
	default:
		root, rest, _ := strings.Cut(name, "[") // a tag may hold brackets itself
		if rest != "" {
			rest = "[" + rest
		}
		return key + "[" + root + "]" + rest
	}
}

// node adds the pairs of n under key; always tells that they are in each body.
func (w *formSchema) node(n *node, key string, always bool, onPath []*node) {
	switch n.kind {
	case kindPtr, kindNullable:
		w.pointer(n, key, always, onPath)
	case kindStruct:
		w.structure(n, key, always, onPath)
	case kindMap, kindFields, kindIface, kindCustom:
		w.anything(key)
	case kindList:
		w.list(n, key)
	default:
		w.properties = append(w.properties, Field{Name: key, Value: w.scalar(n)})
		if always && !w.mayLack(n) {
			w.required = append(w.required, key)
		}
	}
}

// mayLack tells whether a scalar can be a null, which a form leaves out.
func (w *formSchema) mayLack(n *node) bool {
	switch n.kind {
	case kindJSON, kindRaw:
		return true
	case kindTime, kindIP:
		return w.e.o.Nulls != NullEmpty && (n.kind == kindTime || n.base != nil)
	default:
		return false
	}
}

func (w *formSchema) structure(n *node, key string, always bool, onPath []*node) {
	if slices.Contains(onPath, n) {
		w.anything(key)
		return
	}
	for i := range n.fields {
		f := &n.fields[i]
		elem := f.node
		if f.rules.required {
			elem = behind(elem)
		}
		name := w.nested(key, f.name)
		w.node(elem, name, always && f.always(n.typ), append(onPath, n))
		if f.rules.required && always && isScalar(elem) && w.mayLack(elem) {
			w.required = append(w.required, name)
		}
	}
}

// pointer adds what may be nil: left out then, or sent with an empty value.
func (w *formSchema) pointer(n *node, key string, always bool, onPath []*node) {
	if w.e.o.Nulls != NullEmpty {
		w.node(n.elem, key, false, onPath)
		return
	}
	empty := Fields{{Name: "const", Value: ""}}
	if !isScalar(n.elem) {
		w.properties = append(w.properties, Field{Name: key, Value: empty})
		w.node(n.elem, key, false, onPath)
		return
	}
	either := Fields{{Name: "anyOf", Value: []any{w.scalar(n.elem), empty}}}
	w.properties = append(w.properties, Field{Name: key, Value: either})
	if always {
		w.required = append(w.required, key)
	}
}

func isScalar(n *node) bool {
	switch n.kind {
	case kindStruct, kindMap, kindFields, kindList, kindIface, kindCustom, kindPtr, kindNullable:
		return false
	default:
		return true
	}
}

// anything allows all pairs at and under key.
func (w *formSchema) anything(key string) {
	pattern := "^" + regexp.QuoteMeta(key) + "($|[.\\[])"
	if key == "" {
		pattern = ""
	}
	w.patterns = append(w.patterns, Field{Name: pattern, Value: Fields{}})
}

func (w *formSchema) list(n *node, key string) {
	elem := behind(n.elem)
	if !isScalar(elem) {
		w.anything(key)
		return
	}
	items := w.scalar(elem)
	many := append(typed("array"), Field{Name: "items", Value: items})
	switch w.e.lists {
	case ListBrackets:
		w.properties = append(w.properties, Field{Name: key + "[]", Value: many})
	case ListRepeat:
		w.properties = append(w.properties, Field{Name: key, Value: Fields{{Name: "anyOf", Value: []any{items, many}}}})
	case ListIndex:
		w.patterns = append(w.patterns, Field{Name: "^" + regexp.QuoteMeta(key) + `[.\[][0-9]+\]?$`, Value: items})
	case ListComma:
		w.properties = append(w.properties, Field{Name: key, Value: typed("string")})
	}
}

// scalar is the schema of one value in a form: a text.
func (w *formSchema) scalar(n *node) Fields {
	s := typed("string")
	switch n.kind {
	case kindBool:
		values := []string{"1", "0"}
		if w.e.o.Bools == BoolTrueFalse {
			values = []string{"true", "false"}
		}
		return append(s, Field{Name: "enum", Value: values})
	case kindInt:
		return append(s, Field{Name: "pattern", Value: "^-?[0-9]+$"})
	case kindUint:
		return append(s, Field{Name: "pattern", Value: "^[0-9]+$"})
	case kindFloat32, kindFloat64:
		return append(s, Field{Name: "pattern", Value: `^-?[0-9]+(\.[0-9]+)?$`})
	case kindTime:
		layout := n.layout(w.e.o.TimeLayout)
		if numericLayout(layout) {
			return append(s, Field{Name: "pattern", Value: "^-?[0-9]+$"})
		}
		return timeSchema(layout)
	case kindJSONTag:
		return append(s, Field{Name: "contentMediaType", Value: contentJSON})
	case kindBytes:
		return append(s, Field{Name: "contentEncoding", Value: "base64"})
	default:
	}
	return s
}
