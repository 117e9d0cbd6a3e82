package sqlcore //nolint:testpackage // what is tested has no exported name

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outhook/outhook/webhook"
)

// rowOf gives the columns of a row as a driver would: number i of kinds says
// whether column i is null, a number, bytes or a text.
type rowOf struct {
	kinds []byte
	n     int64
	text  string
}

func (r rowOf) Scan(dest ...any) error {
	for i, d := range dest {
		var src any
		if len(r.kinds) > 0 {
			switch r.kinds[i%len(r.kinds)] % 5 {
			case 0:
				src = r.n
			case 1:
				src = r.text
			case 2:
				src = []byte(r.text)
			case 3:
				src = 1.5
			}
		}
		if err := d.(interface{ Scan(src any) error }).Scan(src); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func (rowOf) Next() bool   { return false }
func (rowOf) Err() error   { return nil }
func (rowOf) Close() error { return nil }

// A row of any content is a delivery or an error, and never one of a state
// that does not exist.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 4, 0, 4, 4, 4, 4, 0, 0, 0, 0, 0}, int64(1), "a")
	f.Add([]byte{2}, int64(4), `{"id":"a","secrets":["whsec_"]}`)
	f.Add([]byte{3, 0}, int64(-1), "{")
	f.Add([]byte{}, int64(0), "")
	f.Fuzz(func(t *testing.T, kinds []byte, n int64, text string) {
		var d record
		if err := d.scan(rowOf{kinds: kinds, n: n, text: text}); err != nil {
			t.Fatalf("scan = %v, want nil: a damaged column is one delivery's", err)
		}
		out, err := d.delivery()
		if err == nil && out.State != webhook.Pending && !out.State.Final() {
			t.Errorf("delivery() has the state %v and no error", out.State)
		}
		if _, err := scanLane(rowOf{kinds: kinds, n: n, text: text}); err != nil {
			t.Errorf("scanLane = %v, want nil", err)
		}
	})
}

// A stored text of any content is what was stored or an error, and bodies never
// reach beyond their data.
func FuzzTexts(f *testing.F) {
	f.Add(`[{"v":"json","t":"application/json","tail":1,"n":2}]`, []byte("{}"))
	f.Add(`[{"n":-1},{"n":9223372036854775807}]`, []byte("ab"))
	f.Add(`{"id":"a","params":[{"name":"p","in":9}],"secrets":["x"],"status":77}`, []byte{})
	f.Add(`{"number":1,"outcome":200,"class":200,"answer":"AA=="}`, []byte(nil))
	f.Add(`null`, []byte(nil))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		if bodies, err := new(bodiesDecoder).decode(text, data); err == nil {
			size := 0
			for _, b := range bodies {
				size += len(b.Data)
			}
			if size > len(data) {
				t.Errorf("decode gave %d bytes of %d", size, len(data))
			}
		}
		if e, err := decodeEndpoint(text); (e == nil) == (err == nil) {
			t.Errorf("decodeEndpoint = %v, %v, want one of them", e, err)
		} else if err != nil && len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("decodeEndpoint quotes what is stored: %v", err)
		}
		if a, err := decodeAttempt(text); err != nil && a.Number != 0 {
			t.Errorf("decodeAttempt = %v with %v", a, err)
		}
	})
}
