package sqlcore

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/outhook/outhook/webhook"
)

// encodeAttempt gives the text of an attemptRecord. There is one a delivery, so
// it is written by hand: reflection costs three times as much.
func encodeAttempt(a *webhook.Attempt) json.RawMessage {
	return appendAttempt(make([]byte, 0, attemptSize), a)
}

// attemptSize is room for most attempts.
const attemptSize = 512

// appendAttempt adds the text to b. It has no end of line in it.
func appendAttempt(b []byte, a *webhook.Attempt) []byte {
	b = appendInt(b, `{"number":`, int64(a.Number))
	b = appendInt(b, `,"outcome":`, int64(a.Outcome))
	if a.Status != 0 {
		b = appendInt(b, `,"status":`, int64(a.Status))
	}
	b = appendInt(b, `,"start":`, a.Start.UnixMicro())
	b = appendInt(b, `,"duration":`, int64(a.Duration))
	b = appendMember(b, `,"error":`, a.Error)
	b = appendInt(b, `,"class":`, int64(a.Class))
	b = appendMember(b, `,"method":`, a.Method)
	b = appendMember(b, `,"url":`, a.URL)
	for i, h := range a.Header {
		if i == 0 {
			b = append(b, `,"header":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"n":`...), h.Name)
		b = append(appendText(append(b, `,"v":`...), h.Value), '}')
	}
	if len(a.Header) > 0 {
		b = append(b, ']')
	}
	if len(a.Answer) > 0 {
		b = append(b, `,"answer":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, a.Answer), '"')
	}
	return append(b, '}')
}

func appendInt(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendMember adds a text, unless it is empty.
func appendMember(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(append(b, name...), s)
}

// appendText adds a text that is made storable.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(plain(s)) // a string never fails
			return append(b, quoted...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}
