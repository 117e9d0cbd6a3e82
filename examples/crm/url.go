package main

import (
	"fmt"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// special are the characters besides letters and digits that the platform's
// documentation allows in the URL of a webhook. They are those of RFC 1738,
// section 2.2. For a whole URL they would rule out the slash itself, so the
// rule holds for each segment of the path, and for each name and value of the
// query; what else these need is written as %XX.
const special = "$-_.+!*'(),"

// checkURL applies the rule to a URL that Dispatcher.Check let through. Its
// errors name what broke it by place and character, and quote nothing else: a
// query may hold a secret.
func checkURL(raw string) error {
	_, rest, _ := strings.Cut(raw, "://")
	tail := ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		tail = rest[i:]
	}
	path, query, _ := strings.Cut(tail, "?")
	for i, segment := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if err := checkPart("path-characters", fmt.Sprintf("segment %d of the path", i+1), segment); err != nil {
			return err
		}
	}
	for i, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if err := checkPart("query-characters", fmt.Sprintf("the name of query parameter %d", i+1), name); err != nil {
			return err
		}
		if err := checkPart("query-characters", fmt.Sprintf("the value of query parameter %d", i+1), value); err != nil {
			return err
		}
	}
	return nil
}

func checkPart(rule, place, part string) error {
	for i := 0; i < len(part); i++ {
		c := part[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(special, c) >= 0:
		case c == '%':
			i += 2 // a whole escape: the library's own rules saw to that
		default:
			return &webhook.URLError{Rule: rule, Detail: fmt.Sprintf(
				"%s holds %q: use letters, digits and %s alone, and write it as %%%02X", place, c, special, c)}
		}
	}
	return nil
}
