package sqlcore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The columns below take whatever a driver gives, so that one row that was
// damaged is one delivery with an error and not the end of a query.

// number is an integer column.
type number struct {
	v    int64
	null bool
	bad  bool
}

// Scan implements sql.Scanner.
func (n *number) Scan(src any) error {
	*n = number{}
	var err error
	switch x := src.(type) {
	case nil:
		n.null = true
	case int64:
		n.v = x
	case bool:
		if x {
			n.v = 1
		}
	case []byte:
		n.v, err = strconv.ParseInt(string(x), 10, 64)
	case string:
		n.v, err = strconv.ParseInt(x, 10, 64)
	default:
		n.bad = true
	}
	n.bad = n.bad || err != nil
	return nil
}

// text is a text column; null is empty.
type text string

// Scan implements sql.Scanner.
func (t *text) Scan(src any) error {
	switch x := src.(type) {
	case nil:
		*t = ""
	case string:
		*t = text(x)
	case []byte:
		*t = text(x)
	default:
		*t = text(fmt.Sprint(x))
	}
	return nil
}

// optional is a text column that tells null from empty.
type optional struct{ v *string }

// Scan implements sql.Scanner.
func (o *optional) Scan(src any) error {
	o.v = nil
	if src == nil {
		return nil
	}
	var t text
	err := t.Scan(src)
	s := string(t)
	o.v = &s
	return err
}

// list encodes the rows that a statement takes as one argument.
func list[T any](rows []T) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(rows); err != nil {
		return "", err
	}
	return b.String(), nil
}

// asStored is an id as it comes back from the database it was sent to as JSON.
func asStored(id string) string {
	if utf8.ValidString(id) {
		return id
	}
	return string([]rune(id))
}

// names encodes texts as Dialect.values takes them.
func names(ids []string) string {
	text, _ := list(ids) // strings never fail
	return text
}

// seqs encodes integers as Dialect.values takes them.
func seqs(ids []int64) string {
	b := make([]byte, 0, 16*len(ids)+2)
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

// plain makes a text storable everywhere: PostgreSQL takes no zero bytes.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func micros(d time.Duration) int64 { return d.Microseconds() }

// later is now and d, without wrapping around.
func later(now int64, d time.Duration) int64 {
	const end = 1 << 60
	return min(max(now, now+min(micros(d), end)), end)
}

func at(us int64) time.Time { return time.UnixMicro(us).UTC() }

func span(us int64) time.Duration {
	const most = int64(1<<63-1) / 1000
	return time.Duration(min(max(us, -most), most)) * time.Microsecond
}
