package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// printJSON prints a request as one line.
func printJSON(out io.Writer, r *request) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// printText prints a request for readers: a line about it, and a line for each
// parameter of the body and of the query. It decodes no form into a struct:
// nobody knows what will arrive, and the order is worth seeing.
func printText(out io.Writer, r *request) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%d. %s %s, %d bytes of %s, answered %d\n", r.N, r.Method, visible(r.Path), len(r.Body), visible(contentType(r)), r.Status)
	if id := r.Header.Get("Webhook-Id"); id != "" {
		fmt.Fprintf(&b, "   id %s, signature %s\n", visible(id), r.Signature)
	}
	printPairs(&b, "query", r.Query)
	switch kind, _, _ := mime.ParseMediaType(contentType(r)); {
	case r.Body == "":
	case kind == "application/x-www-form-urlencoded":
		printPairs(&b, "form", r.Body)
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		printDocument(&b, r.Body)
	default:
		fmt.Fprintf(&b, "   body: %s\n", visible(r.Body))
	}
	_, err := out.Write(b.Bytes())
	return err
}

func contentType(r *request) string {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		return kind
	}
	return "no content type"
}

// printPairs prints what a form or a query holds, in its own order.
func printPairs(b *bytes.Buffer, where, encoded string) {
	if encoded == "" {
		return
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(b, "   %s: %s: %s\n", where, visible(unescape(name)), visible(unescape(value)))
	}
}

// unescape returns what cannot be unescaped as it came.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// printDocument prints JSON indented, in its own order.
func printDocument(b *bytes.Buffer, text string) {
	var doc bytes.Buffer
	if err := json.Indent(&doc, []byte(text), "   ", "  "); err != nil {
		fmt.Fprintf(b, "   body, which is no JSON: %s\n", visible(text))
		return
	}
	fmt.Fprintf(b, "   %s\n", doc.String())
}

// visible quotes what would disturb a terminal.
func visible(s string) string {
	for _, c := range s {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return strconv.Quote(s)
		}
	}
	return s
}
