package sqlcore

import (
	"strconv"
	"strings"
)

// arrays is a table j made of PostgreSQL's arrays, an argument for each column,
// which are as in Dialect.rows. The kind l is a text of which each line is a
// row's; an empty one is null.
//
// In a SELECT of its own an array is not looked into by the planner, which would
// find a plan for its length cheaper than the one it keeps, and plan each call.
func arrays(columns ...string) string {
	args, names := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		arg := map[string]string{"i": "?::text::bigint[]", "t": "?::text::text[]", "l": `string_to_array(?::text, E'\n', '')`}[kind]
		args[i], names[i] = "(SELECT "+arg+")", name
	}
	return `unnest(` + strings.Join(args, ", ") + `) AS j(` + strings.Join(names, ", ") + `)`
}

// array is the text of an array, as it grows.
type array []byte

func (a *array) next() {
	if len(*a) == 0 {
		*a = append(*a, '{')
	} else {
		*a = append(*a, ',')
	}
}

func (a *array) number(n int64) {
	a.next()
	*a = strconv.AppendInt(*a, n, 10)
}

func (a *array) flag(b bool) {
	n := int64(0)
	if b {
		n = 1
	}
	a.number(n)
}

func (a *array) string(s string) {
	a.next()
	*a = append(*a, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			*a = append(*a, '\\')
		}
		*a = append(*a, s[i])
	}
	*a = append(*a, '"')
}

// text closes the array.
func (a *array) text() string {
	if len(*a) == 0 {
		return "{}"
	}
	return string(append(*a, '}'))
}
