package payload_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-playground/form/v4"

	"github.com/outhook/outhook/payload"
)

// plainJSON is a flat struct that both encoders write alike.
type plainJSON struct {
	ID     int     `json:"id"`
	Name   string  `json:"name"`
	Email  string  `json:"email"`
	Amount float64 `json:"amount"`
	Paid   bool    `json:"paid"`
	Note   string  `json:"note"`
}

func plainExample() plainJSON {
	return plainJSON{ID: 17, Name: "Anna Rossi", Email: "anna@example.com", Amount: 12.5, Paid: true, Note: "first order, gift wrapped"}
}

func benchEncode(b *testing.B, e payload.Encoder, data any) {
	b.Helper()
	b.ReportAllocs()
	ev := payload.Event{Data: data}
	var buf []byte
	for b.Loop() {
		body, err := e.Encode(buf[:0], &ev)
		if err != nil {
			b.Fatal(err)
		}
		buf = body.Data
	}
}

func BenchmarkFormLead(b *testing.B) {
	benchEncode(b, payload.Form(payload.FormOptions{}), leadExample())
}

func BenchmarkFormLeadV4(b *testing.B) {
	b.ReportAllocs()
	e := form.NewEncoder()
	data := leadExample()
	for b.Loop() {
		values, err := e.Encode(data)
		if err != nil {
			b.Fatal(err)
		}
		_ = []byte(values.Encode())
	}
}

func BenchmarkFormContact(b *testing.B) {
	benchEncode(b, payload.Form(payload.FormOptions{}), crmUpdate{crmHead: crmHeadExample("update"), Contact: crmContactExample()})
}

func BenchmarkJSONPlain(b *testing.B) {
	benchEncode(b, payload.JSON(payload.JSONOptions{}), plainExample())
}

func BenchmarkJSONPlainStd(b *testing.B) {
	b.ReportAllocs()
	var data any = plainExample()
	for b.Loop() {
		if _, err := json.Marshal(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONClick(b *testing.B) {
	benchEncode(b, payload.JSON(payload.JSONOptions{}), clickExample())
}

func BenchmarkJSONClickStd(b *testing.B) {
	b.ReportAllocs()
	var data any = clickExample()
	for b.Loop() {
		if _, err := json.Marshal(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplice(b *testing.B) {
	b.ReportAllocs()
	body, err := payload.Form(payload.FormOptions{}).Encode(nil, &payload.Event{Data: scanExample()})
	if err != nil {
		b.Fatal(err)
	}
	params := []payload.Param{{Name: "secrettoken", Value: "s3cret", Secret: true}}
	var buf []byte
	for b.Loop() {
		if buf, err = payload.Splice(buf[:0], &body, params); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	b.ReportAllocs()
	var data any = leadExample()
	for b.Loop() {
		if err := payload.Validate(data); err != nil {
			b.Fatal(err)
		}
	}
}

// fastest runs the functions in turn and gives the shortest time that a batch
// of each took, so that a busy machine spoils neither.
func fastest(b *testing.B, fs ...func()) []time.Duration {
	b.Helper()
	const batch = 200
	best := make([]time.Duration, len(fs))
	for b.Loop() {
		for i, f := range fs {
			start := time.Now()
			for range batch {
				f()
			}
			if d := time.Since(start) / batch; best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	return best
}

// BenchmarkRatios reports the figures that this package promises: the lead's
// form against form/v4 with Values.Encode, and a plain struct's JSON against
// json.Marshal.
func BenchmarkRatios(b *testing.B) {
	var buf []byte
	b.Run("form", func(b *testing.B) {
		ours, v4, lead := payload.Form(payload.FormOptions{}), form.NewEncoder(), leadExample()
		ev := payload.Event{Data: lead}
		best := fastest(b, func() {
			body, err := ours.Encode(buf[:0], &ev)
			if err != nil {
				b.Fatal(err)
			}
			buf = body.Data
		}, func() {
			values, err := v4.Encode(lead)
			if err != nil {
				b.Fatal(err)
			}
			buf = append(buf[:0], values.Encode()...)
		})
		b.ReportMetric(float64(best[0]), "ours-ns")
		b.ReportMetric(float64(best[1]), "v4-ns")
		b.ReportMetric(float64(best[1])/float64(best[0]), "v4/ours")
	})
	b.Run("json", func(b *testing.B) {
		var plain any = plainExample()
		ours, ev := payload.JSON(payload.JSONOptions{}), payload.Event{Data: plain}
		best := fastest(b, func() {
			body, err := ours.Encode(buf[:0], &ev)
			if err != nil {
				b.Fatal(err)
			}
			buf = body.Data
		}, func() {
			if _, err := json.Marshal(plain); err != nil {
				b.Fatal(err)
			}
		})
		b.ReportMetric(float64(best[0]), "ours-ns")
		b.ReportMetric(float64(best[1]), "std-ns")
		b.ReportMetric(float64(best[0])/float64(best[1]), "ours/std")
	})
}
