package sqlcore

import (
	"regexp"
	"strconv"
	"strings"
)

// Dialect is a family of databases.
type Dialect uint8

// The dialects.
const (
	SQLite Dialect = iota + 1
	PostgreSQL
	MySQL
)

// String returns the dialect's name.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return "unknown"
}

func (d Dialect) valid() bool { return d >= SQLite && d <= MySQL }

// pick chooses by dialect.
func (d Dialect) pick(sqlite, postgres, mysql string) string {
	switch d {
	case SQLite:
		return sqlite
	case PostgreSQL:
		return postgres
	case MySQL:
		return mysql
	}
	return ""
}

// now is the clock: microseconds since 1970.
func (d Dialect) now() string {
	return d.pick(
		`CAST(ROUND((julianday('now')-2440587.5)*86400000.0) AS INTEGER)*1000`,
		`(extract(epoch FROM clock_timestamp())*1000000)::bigint`,
		`TIMESTAMPDIFF(MICROSECOND,'1970-01-01',UTC_TIMESTAMP(6))`)
}

// sql finishes a statement: {now} is the clock, {skip} and {lock} are the ends
// of a SELECT that locks, # is a whole number as argument, ? a text or bytes.
func (d Dialect) sql(query string) string {
	query = strings.NewReplacer(
		"{now}", d.now(),
		"{skip}", d.pick("", "FOR UPDATE SKIP LOCKED", "FOR UPDATE SKIP LOCKED"),
		"{lock}", d.pick("", "FOR UPDATE", "FOR UPDATE"),
	).Replace(query)
	var b strings.Builder
	n := 0
	for _, c := range query {
		switch {
		case c != '?' && c != '#':
			b.WriteRune(c)
		case d != PostgreSQL:
			b.WriteByte('?')
		default:
			n++
			b.WriteString("$" + strconv.Itoa(n))
			if c == '#' {
				b.WriteString("::bigint")
			}
		}
	}
	return b.String()
}

// placeholder is PostgreSQL's name of an argument.
func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// rows is a table j made of one JSON argument, an array of objects, or of plain
// values where there is one column. Its columns are "name kind", the kinds i
// (integer), t (text) and j (JSON).
func (d Dialect) rows(columns ...string) string {
	if len(columns) == 1 {
		return d.values(columns[0])
	}
	var defs []string
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		path := `'$.` + name + `'`
		switch d {
		case SQLite:
			defs = append(defs, `json_extract(value,`+path+`) AS `+name)
		case PostgreSQL:
			defs = append(defs, name+` `+map[string]string{"i": "bigint", "t": "text", "j": "json"}[kind])
		case MySQL:
			defs = append(defs, name+` `+mysqlType(kind)+` PATH `+path)
		}
	}
	all := strings.Join(defs, ", ")
	return d.pick(
		`(SELECT `+all+` FROM json_each(?)) AS j`,
		`json_to_recordset(?::text::json) AS j(`+all+`)`,
		`JSON_TABLE(?, '$[*]' COLUMNS(`+all+`)) AS j`)
}

// values is rows of one column: to take a member out of an object costs SQLite
// three times as much.
func (d Dialect) values(column string) string {
	name, kind, _ := strings.Cut(column, " ")
	as := map[string]string{"i": "bigint", "t": "text"}[kind]
	return d.pick(
		`(SELECT value AS `+name+` FROM json_each(?)) AS j`,
		`(SELECT value::`+as+` AS `+name+` FROM json_array_elements_text(?::text::json)) AS j`,
		`JSON_TABLE(?, '$[*]' COLUMNS(`+name+` `+mysqlType(kind)+` PATH '$')) AS j`)
}

func mysqlType(kind string) string {
	return map[string]string{"i": "BIGINT", "t": "LONGTEXT CHARACTER SET utf8mb4", "j": "JSON"}[kind]
}

// cross is a join whose left side is read first.
func (d Dialect) cross() string { return d.pick(" CROSS JOIN ", " CROSS JOIN ", " STRAIGHT_JOIN ") }

// update is an UPDATE of a table, called t, by rows j of these columns, for
// write to run. On SQLite it is for one row: an UPDATE by many reads all of a
// table that was small when its statistics were taken.
func (d Dialect) update(table string, columns []string, on string, sets ...string) string {
	rows, ofJ, member := d.rows(columns...), regexp.MustCompile(`\bj\.(\w+)`), `json_extract(?1,'$$.$1')`
	if len(columns) == 1 {
		member = `?1`
	}
	return d.pick(
		ofJ.ReplaceAllString(`UPDATE `+table+` AS t SET `+strings.Join(sets, ", ")+` WHERE `+on, member),
		`UPDATE `+table+` AS t SET `+strings.Join(sets, ", ")+` FROM `+rows+` WHERE `+on,
		`UPDATE `+rows+` STRAIGHT_JOIN `+table+` AS t FORCE INDEX (PRIMARY) ON `+on+` SET t.`+strings.Join(sets, ", t."))
}

// force makes MySQL and SQLite use an index. MySQL would rather read all of a
// small table, and wait for the locks of rows that concern nobody; SQLite reads
// all of one that was small when its statistics were taken.
func (d Dialect) force(index string) string {
	if d == SQLite && !strings.HasPrefix(index, "outhook_") {
		return "" // a key that was made with the table has no name of ours
	}
	return d.pick(` INDEXED BY `+index, "", ` FORCE INDEX (`+index+`)`)
}

// remove is a DELETE of those rows of a table whose column, which has this
// index, is one of a list, for write to run.
func (d Dialect) remove(table, column, index, kind string) string {
	rows := d.values("v " + kind)
	return d.pick(
		`DELETE FROM `+table+d.force(index)+` WHERE `+column+` = ?1`,
		`DELETE FROM `+table+` WHERE `+column+` IN (SELECT j.v FROM `+rows+`)`,
		`DELETE t FROM `+rows+` STRAIGHT_JOIN `+table+` AS t`+d.force(index)+` ON t.`+column+` = j.v`)
}

// upsert is the clause for a row that is there already; its set may name new
// values as new(column).
func (d Dialect) upsert(key, set string) string {
	if d == MySQL {
		return ` ON DUPLICATE KEY UPDATE ` + newValue(set, "VALUES(", ")")
	}
	return ` ON CONFLICT (` + key + `) DO UPDATE SET ` + newValue(set, "excluded.", "")
}

func newValue(set, before, after string) string {
	var b strings.Builder
	for {
		i := strings.Index(set, "new(")
		if i < 0 {
			b.WriteString(set)
			return b.String()
		}
		end := i + strings.IndexByte(set[i:], ')')
		b.WriteString(set[:i] + before + set[i+len("new("):end] + after)
		set = set[end+1:]
	}
}
