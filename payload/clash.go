package payload

import "slices"

// keyTree holds the keys that a type gives a form, to find names that two
// things would share.
type keyTree struct {
	kids map[string]*keyTree
	open bool // a map or list: what stands below is not known here
	leaf bool
}

// insert adds a key; it returns what is wrong with that.
func (t *keyTree) insert(parts []string, open, leaf bool) string {
	at := t
	for i, p := range parts {
		if at.leaf || at.open && i > 0 {
			return "the name is used both as a value and as a container, or belongs to a map or list"
		}
		kid := at.kids[p]
		if kid == nil {
			kid = &keyTree{}
			if at.kids == nil {
				at.kids = map[string]*keyTree{}
			}
			at.kids[p] = kid
		} else if i == len(parts)-1 && (open || leaf) {
			return "the name stands twice in the form"
		}
		at = kid
	}
	if at.leaf || at.open {
		return "the name is used both as a value and as a container, or belongs to a map or list"
	}
	at.open, at.leaf = open, leaf
	return ""
}

// clashes walks the plan of a form and reports names that stand twice, keys
// nested too deeply, and params that meet a field. A nil root checks the
// params against each other.
func (e *formEncoder) clashes(root *node, params []Param) error {
	c := clashWalk{e: e, params: params != nil}
	for root != nil && root.kind == kindPtr {
		root = root.elem
	}
	if root != nil && root.kind == kindStruct {
		c.walk(root, nil, nil)
	}
	c.insertParams(params)
	return joinErrors(c.errs)
}

// insertField inserts a key that is no field of a struct.
func (c *clashWalk) insertField(name string) {
	parts, _ := splitKey(name)
	if problem := c.tree.insert(parts, false, true); problem != "" {
		c.errs = append(c.errs, &FieldError{Path: name, Problem: problem, Err: ErrParam})
	}
}

// insertParams inserts the parameters that go in the body.
func (c *clashWalk) insertParams(params []Param) {
	for i := range params {
		if params[i].place() == InBody {
			c.insertField(params[i].Name)
		}
	}
}

type clashWalk struct {
	e      *formEncoder
	tree   keyTree
	params bool // the fields were checked before
	errs   []error
}

// walk inserts the fields of n under prefix. A type inside itself is left
// open.
func (c *clashWalk) walk(n *node, prefix []string, onPath []*node) {
	for i := range n.fields {
		f := &n.fields[i]
		parts, _ := splitKey(f.name)
		key := append(append([]string(nil), prefix...), parts...)
		kid := behind(f.node)
		inside := kid.kind == kindStruct && !slices.Contains(onPath, kid)
		leaf := isScalar(kid)
		problem := c.tree.insert(key, !leaf && !inside, leaf)
		if problem == "" && leaf && len(key)-1 > c.e.depth {
			problem = "the key has too many bracketed parts; raise MaxDepth or flatten it"
		}
		if problem != "" && !c.params {
			c.errs = append(c.errs, &FieldError{Type: typeName(n.typ), Path: joinPath(key), Problem: problem, Err: ErrUnsupported})
			continue
		}
		if inside {
			c.walk(kid, key, append(onPath, n, kid))
		}
	}
}

// behind is the node that pointers and nullables lead to.
func behind(n *node) *node {
	for n.kind == kindPtr || n.kind == kindNullable {
		n = n.elem
	}
	return n
}
