package foreign_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/outhook/outhook/payload"
)

// written tells what JSON.stringify(JSON.parse(body)) gives.
func written(t *testing.T, node *child, body []byte) []byte {
	t.Helper()
	var answer struct{ Body []byte }
	node.ask(t, map[string][]byte{"body": body}, &answer)
	return answer.Body
}

// TestJSONIsWhatJavaScriptWrites holds that receivers that verify JSON which
// they have written anew accept our signatures.
func TestJSONIsWhatJavaScriptWrites(t *testing.T) {
	var node *child
	if full() {
		var ready struct{ Version string }
		node = start(t, &ready, "node", "js/stringify.mjs")
	}
	try := func(data any, e payload.Envelope) {
		t.Helper()
		b, err := encode(t, payload.JSON(payload.JSONOptions{Envelope: e, SafeIntegers: true}), data)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		if _, err := decode(b.Data); err != nil {
			t.Fatalf("%s is no JSON: %v", b.Data, err)
		}
		if node == nil {
			return
		}
		if got := written(t, node, b.Data); !bytes.Equal(got, b.Data) {
			t.Errorf("JavaScript writes\n%s, want\n%s", got, b.Data)
		}
	}
	for _, data := range []any{theContact(), theLead(), theLink(), emptyLink(), category{Name: "a"}} {
		try(data, payload.Bare())
		try(data, payload.Standard())
		try(data, payload.CloudEventsStructured("https://sender.example/x"))
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		try(map[string]any{"v": randomJSON(rng, 0)}, payload.Bare())
	}
}

// randomJSON makes a value out of what JavaScript writes in its own way:
// numbers of all sizes, maps with the names of array elements, every kind of
// text.
func randomJSON(rng *rand.Rand, depth int) any {
	switch k := rng.IntN(12); {
	case k < 2 && depth < 4:
		m := map[string]any{}
		for range rng.IntN(6) {
			m[randomName(rng)] = randomJSON(rng, depth+1)
		}
		return m
	case k < 4 && depth < 4:
		list := []any{}
		for range rng.IntN(5) {
			list = append(list, randomJSON(rng, depth+1))
		}
		return list
	case k < 6:
		return randomFloat(rng)
	case k == 6:
		return rng.Int64N(1<<54) - 1<<53 + 1
	case k == 7:
		return float32(randomFloat(rng))
	case k == 8:
		return rng.IntN(2) == 0
	case k == 9:
		return nil
	default:
		text := []rune(randomText(rng, 12))
		for range rng.IntN(3) {
			text = append(text, rune(rng.IntN(0x20)), rune(rng.IntN(0xd800)), 0x10000+rune(rng.IntN(0xfffff)))
		}
		return string(text)
	}
}

func randomName(rng *rand.Rand) string {
	indexes := []string{
		"0", "1", "10", "9", "01", "-1", "1.5", "4294967294", "4294967295", "4294967296", "9007199254740993",
		"", " ", "a", "__proto__", "toJSON", "constructor", "1e3", "é", "\u2028", "\"\\",
	}
	if rng.IntN(2) == 0 {
		return indexes[rng.IntN(len(indexes))]
	}
	return randomText(rng, 5)
}

func randomFloat(rng *rand.Rand) float64 {
	switch rng.IntN(4) {
	case 0:
		return math.Round(rng.NormFloat64()*1e6) / 100
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return []float64{1e20, 1e21, 1e-6, 1e-7, 123456789012345680000, 5e-324, math.MaxFloat32, 1 << 53}[rng.IntN(8)]
	}
	for {
		if f := math.Float64frombits(rng.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) && math.Abs(f) < math.MaxFloat32 {
			return f
		}
	}
}
