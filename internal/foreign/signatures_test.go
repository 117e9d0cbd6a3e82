package foreign_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/outhook/outhook/signer"
)

// verifiers are the programs that checks in other languages run in.
type verifiers struct{ node, python *child }

func startVerifiers(t *testing.T) verifiers {
	t.Helper()
	if !full() {
		return verifiers{}
	}
	var ready struct{ Checks []string }
	return verifiers{
		node:   start(t, &ready, "node", "js/verify.mjs"),
		python: start(t, &ready, "/usr/bin/python3", "py/verify.py"),
	}
}

// verify asks c whether s was signed by key.
func (v verifiers) verify(t *testing.T, c check, s sent, key string) error {
	t.Helper()
	if c.golang != nil {
		return c.golang(s, key)
	}
	question := struct {
		Check   string            `json:"check"`
		Option  string            `json:"option"`
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Body    []byte            `json:"body"`
		Key     string            `json:"key"`
	}{
		Check: c.node + c.python, Option: c.option, Method: s.method, URL: s.url,
		Headers: lower(s.header), Body: s.body, Key: key,
	}
	var answer struct {
		OK    bool
		Error string
	}
	if c.node != "" {
		v.node.ask(t, question, &answer)
	} else {
		v.python.ask(t, question, &answer)
	}
	if answer.OK {
		return nil
	}
	return errors.New(answer.Error)
}

func lower(h http.Header) map[string]string {
	m := map[string]string{}
	for name, values := range h {
		m[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return m
}

// flip changes one letter of a value, so that the body still parses.
func flip(s sent) sent {
	s.body = bytes.Replace(s.body, []byte("Marianna"), []byte("Mariannb"), 1)
	return s
}

// digested gives s the digest of its body, as somebody on the way could.
func digested(s sent) sent {
	sum := sha256.Sum256(s.body)
	s.header = s.header.Clone()
	s.header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	return s
}

// TestSignatures lets a dispatcher send each scheme's requests, and the
// vendors' own libraries verify what arrived. With -v it prints who did.
func TestSignatures(t *testing.T) {
	schemes := slices.Concat(hmacSchemes(t), pairSchemes(t), standardsSchemes(t), credentialSchemes(t))
	l := newLoopback(t)
	v := startVerifiers(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scheme\tchecked by\taccepted\trefused")
	for _, sc := range schemes {
		t.Run(sc.name, func(t *testing.T) {
			e := sc.endpoint
			e.Signer, e.Secrets = "scheme", append([]signer.Key{sc.key}, sc.more...)
			for _, c := range sc.checks {
				if c.golang == nil && !full() {
					continue
				}
				row := tryCheck(t, v, l, sc, c)
				fmt.Fprintf(w, "%s\t%s\t%s\n", sc.name, c.by, row)
			}
			got := l.send(t, sc.signer, e)
			if got.header.Get(sc.header) == "" {
				t.Errorf("the request has no %s", sc.header)
			}
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}

// tryCheck sends a request and hands it to c as it came, changed, with a wrong
// key, and one that was signed an hour ago.
func tryCheck(t *testing.T, v verifiers, l *loopback, sc scheme, c check) string {
	t.Helper()
	e := sc.endpoint
	e.Signer, e.Secrets = "scheme", append([]signer.Key{sc.key}, sc.more...)
	got := l.send(t, sc.signer, e)
	if err := v.verify(t, c, got, sc.known); err != nil {
		t.Errorf("%s refuses the request: %v\n%v", c.by, err, got.header)
	}
	refused := []string{}
	wantRefused := func(what string, s sent, key string) {
		if v.verify(t, c, s, key) == nil {
			t.Errorf("%s accepts %s", c.by, what)
		}
		refused = append(refused, what)
	}
	if !bytes.Contains(got.body, []byte("Marianna")) {
		t.Fatalf("there is nothing to flip in %s", got.body)
	}
	if !sc.bodiless {
		wantRefused("flipped byte", flip(got), sc.known)
	}
	if got.header.Get("Content-Digest") != "" {
		wantRefused("flipped byte with its digest", digested(flip(got)), sc.known)
	}
	wantRefused("wrong key", got, sc.wrong)
	if !sc.timed {
		return "yes\t" + strings.Join(refused, ", ")
	}
	old := l.send(t, aged{sc.signer}, e)
	if !c.noTime {
		wantRefused("old timestamp", old, sc.known)
		return "yes\t" + strings.Join(refused, ", ")
	}
	if err := v.verify(t, c, old, sc.known); err != nil {
		t.Errorf("%s refuses an old request, which it is said not to look at: %v", c.by, err)
	}
	return "yes\t" + strings.Join(refused, ", ") + " (does not look at the time)"
}
