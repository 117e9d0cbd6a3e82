package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestQuickstart(t *testing.T) {
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it takes 0.7 s, on a machine that is not busy
	defer cancel()
	if err := run(ctx, nil, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	rest := out.String()
	for _, want := range []string{
		"is signed by the host, but I am busy: 503", "attempt 1     503, retryable",
		"is signed by the host, but I am busy: 503", "attempt 2     503, retryable",
		`is signed by the host: {"order":"A-1001","cents":4990}`, "attempt 3     200, accepted",
		"delivered     after 3 attempts",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing, or out of order, in\n%s", want, out.String())
		}
		rest = after
	}
	ids := make(map[string]bool)
	for _, id := range regexp.MustCompile(`msg_\w+`).FindAllString(out.String(), -1) {
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("%d message ids, want one, in\n%s", len(ids), out.String())
	}
}
