package payload

import (
	"strconv"
	"time"
)

// layoutUnix and layoutUnixMilli are layouts that give a number.
const (
	layoutUnix      = "unix"
	layoutUnixMilli = "unixmilli"
)

// checkLayout refuses a layout that would print the same text for every time.
func checkLayout(layout string) string {
	if layout == "" {
		return "layout= names no layout; use one of package time, unix or unixmilli"
	}
	if layout == layoutUnix || layout == layoutUnixMilli {
		return ""
	}
	a := time.Date(2001, 1, 3, 4, 5, 6, 7, time.UTC)
	b := time.Date(2012, 12, 28, 19, 48, 59, 987654321, time.UTC)
	if a.Format(layout) == b.Format(layout) {
		return "the time layout has no element of a time in it; use one of package time, unix or unixmilli"
	}
	return ""
}

// numericLayout tells whether a layout gives a number, not a text.
func numericLayout(layout string) bool {
	return layout == layoutUnix || layout == layoutUnixMilli
}

// appendTime writes t in UTC: by layout, or as RFC 3339 with as many digits of
// the second as it needs, six at most.
func appendTime(dst []byte, t time.Time, layout string) ([]byte, *FieldError) {
	t = t.UTC()
	switch layout {
	case layoutUnix:
		return strconv.AppendInt(dst, t.Unix(), 10), nil
	case layoutUnixMilli:
		return strconv.AppendInt(dst, t.UnixMilli(), 10), nil
	}
	if y := t.Year(); y < 0 || y > 9999 {
		return dst, invalid("the year of a time is outside 0 to 9999")
	}
	if layout == "" {
		return t.Truncate(time.Microsecond).AppendFormat(dst, time.RFC3339Nano), nil
	}
	return t.AppendFormat(dst, layout), nil
}
