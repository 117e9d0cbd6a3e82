package sqlcore

import "strconv"

// Direct is a column that takes what the wire brought, without a value of type
// any between them, which would be allocated. The rows of a claim have some
// thirty columns together. Whoever scans may offer this instead of Scan.
type Direct interface {
	SetNull()
	SetInt(v int64)
	// SetText takes a copy of what it keeps of b.
	SetText(b []byte)
}

var (
	_ Direct = (*number)(nil)
	_ Direct = (*text)(nil)
	_ Direct = (*optional)(nil)
)

// SetNull implements Direct.
func (n *number) SetNull() { *n = number{null: true} }

// SetInt implements Direct.
func (n *number) SetInt(v int64) { *n = number{v: v} }

// SetText implements Direct.
func (n *number) SetText(b []byte) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	*n = number{v: v, bad: err != nil}
}

// SetNull implements Direct.
func (t *text) SetNull() { *t = "" }

// SetInt implements Direct.
func (t *text) SetInt(v int64) { *t = text(strconv.FormatInt(v, 10)) }

// SetText implements Direct. Many a row repeats what the one before it said, and
// where one variable takes them all, that text is kept.
func (t *text) SetText(b []byte) {
	if string(*t) != string(b) {
		*t = text(b)
	}
}

// SetNull implements Direct.
func (o *optional) SetNull() { o.v = nil }

// SetInt implements Direct.
func (o *optional) SetInt(v int64) {
	s := strconv.FormatInt(v, 10)
	o.v = &s
}

// SetText implements Direct.
func (o *optional) SetText(b []byte) {
	s := string(b)
	o.v = &s
}
