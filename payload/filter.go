package payload

import (
	"sort"
	"strings"
	"sync"
)

// filter is the set of paths that Only keeps, as a tree. A nil filter, and one
// without kids, keeps everything.
type filter struct {
	kids  map[string]*filter
	cache sync.Map // plans of types that are known at run time only
}

func newFilter(paths []string) (*filter, error) {
	root := &filter{}
	for _, p := range paths {
		at := root
		parts := strings.Split(p, ".")
		for i, name := range parts {
			if name == "" {
				return nil, &FieldError{Path: p, Problem: "is no path: dots separate names", Err: ErrUnsupported}
			}
			kid := at.kids[name]
			if kid != nil && !kid.partial() {
				break // a shorter path keeps all of this already
			}
			if kid == nil {
				kid = &filter{}
				if at.kids == nil {
					at.kids = map[string]*filter{}
				}
				at.kids[name] = kid
			}
			if i == len(parts)-1 {
				kid.kids = nil
			}
			at = kid
		}
	}
	return root, nil
}

// partial tells whether f leaves anything out.
func (f *filter) partial() bool { return f != nil && len(f.kids) > 0 }

// below is f as the filter of what stands under it: nil where all is kept.
func (f *filter) below() *filter {
	if f.partial() {
		return f
	}
	return nil
}

// kid returns the filter for the member called name, and whether it is kept.
func (f *filter) kid(name string) (*filter, bool) {
	if !f.partial() {
		return nil, true
	}
	k, ok := f.kids[name]
	if !ok {
		return nil, false
	}
	return k.below(), true
}

// unknown lists the names in f that no field has.
func (f *filter) unknown(flat []flatField) []string {
	if !f.partial() {
		return nil
	}
	known := make(map[string]bool, len(flat))
	for _, ff := range flat {
		known[ff.wire.name] = true
	}
	var out []string
	for name := range f.kids {
		if !known[name] {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}
