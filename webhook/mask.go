package webhook

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/outhook/outhook/internal/redact"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
)

// Receivers echo what they are sent. What of an endpoint may be a secret is
// therefore masked in their answers, unless it is too short to tell from text.
const (
	minHidden     = 6
	minHiddenPath = 16 // parts of a path are mostly words
)

// secretsOf lists the texts of an endpoint that are secrets, or may be, beside
// its keys: values of headers, of secret parameters and of its URL.
func secretsOf(t *target) [][]byte {
	var out [][]byte
	hide := func(s string, least int) {
		if len(s) < least {
			return
		}
		quoted, _ := json.Marshal(s)
		for _, form := range []string{s, url.QueryEscape(s), string(quoted[1 : len(quoted)-1])} {
			out = append(out, []byte(form))
		}
	}
	for _, h := range t.ep.Headers {
		hide(h.Value, minHidden)
		if _, credential, ok := strings.Cut(h.Value, " "); ok {
			hide(credential, minHidden)
		}
	}
	for _, p := range t.ep.Params {
		if p.Secret || p.In == payload.InQuery {
			hide(p.Value, minHidden)
		}
	}
	if t.url == nil {
		return out
	}
	for _, values := range t.url.Query() {
		for _, v := range values {
			hide(v, minHidden)
		}
	}
	for part := range strings.SplitSeq(t.url.EscapedPath(), "/") {
		hide(part, minHiddenPath)
	}
	return out
}

// maskAnswer masks an endpoint's secrets in an answer.
func maskAnswer(answer []byte, t *target) []byte {
	answer = signer.Mask(answer, t.ep.Secrets)
	for _, s := range t.hidden {
		answer = bytes.ReplaceAll(answer, s, []byte(mask))
		// The answer may have been cut in the middle of one.
		for n := len(s) - 1; n >= minHidden; n-- {
			if bytes.HasSuffix(answer, s[:n]) {
				answer = append(answer[:len(answer)-n:len(answer)-n], mask...)
				break
			}
		}
	}
	return answer
}

// maskError returns the text of an error for the record. Where an answer is
// malformed, net/http quotes it, and what it echoes.
func maskError(err error, t *target) string {
	if t.ep == nil {
		return redact.Error(err)
	}
	text, cut := strings.CutSuffix(redact.Error(err), "...")
	text = string(maskAnswer([]byte(text), t))
	if cut {
		text += "..."
	}
	return text
}

// maskedError is an error whose text may be shown.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }
