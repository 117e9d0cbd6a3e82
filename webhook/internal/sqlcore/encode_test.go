package sqlcore //nolint:testpackage // what is tested has no exported name

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// What is written by hand is what attemptRecord reads, whatever the texts hold.
func FuzzEncodeAttempt(f *testing.F) {
	f.Add(1, 200, int64(1), "", "POST", "https://example.com/a?b=c", "Webhook-Id", "msg_1", []byte(nil))
	f.Add(-1, 0, int64(-1), "say \"no\" \\ \x00\xff\u2028<&>\x7f", "", "", "", "\n", []byte("{}"))
	f.Fuzz(func(t *testing.T, number, status int, took int64, problem, method, url, name, value string, answer []byte) {
		a := webhook.Attempt{
			Number: number, Outcome: retry.Accepted, Status: status, Start: time.UnixMicro(took).UTC(), Duration: time.Duration(took),
			Error: problem, Class: webhook.Class(number), Method: method, URL: url, Answer: answer,
			Header: []payload.Header{{Name: name, Value: value}, {Name: value, Value: name}},
		}
		text := encodeAttempt(&a)
		if !json.Valid(text) || bytes.ContainsAny(text, "\r\n") {
			t.Fatalf("encodeAttempt = %q, want JSON in one line", text)
		}
		got, err := decodeAttempt(string(text))
		if err != nil {
			t.Fatalf("decodeAttempt(%q) = %v, want nil", text, err)
		}
		a.Error, a.Method, a.URL = plain(problem), plain(method), plain(url)
		name, value = plain(name), plain(value)
		a.Header = []payload.Header{{Name: name, Value: value}, {Name: value, Value: name}}
		if len(a.Answer) == 0 {
			a.Answer = nil
		}
		if !reflect.DeepEqual(got, a) {
			t.Errorf("decodeAttempt(encodeAttempt(a)) = %+v, want %+v", got, a)
		}
	})
}

// Messages that are described alike, and others among them, decode as each
// would by itself.
func TestBodiesDecoder(t *testing.T) {
	var shared bodiesDecoder
	one, two := `[{"v":"a","t":"text/plain","n":2}]`, `[{"v":"a","t":"text/plain","n":1},{"v":"b","t":"text/plain","n":1}]`
	for _, tt := range []struct{ text, data string }{{one, "ab"}, {one, "cd"}, {"{", "xx"}, {one, "ef"}, {two, "gh"}, {one, "i"}, {two, "jk"}, {"null", ""}} {
		got, err := shared.decode(tt.text, []byte(tt.data))
		want, wantErr := new(bodiesDecoder).decode(tt.text, []byte(tt.data))
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("decode(%q, %q) = %v, %v, want %v, %v", tt.text, tt.data, got, err, want, wantErr)
		}
	}
}

func TestArray(t *testing.T) {
	var empty, a array
	a.string(`a "b" \c, {d}`)
	a.string("")
	a.flag(true)
	a.number(-2)
	if got, want := a.text(), `{"a \"b\" \\c, {d}","",1,-2}`; got != want {
		t.Errorf("text() = %s, want %s", got, want)
	}
	if got := empty.text(); got != "{}" {
		t.Errorf("text() of nothing = %s, want {}", got)
	}
}
