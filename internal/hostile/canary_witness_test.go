package hostile_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// forms are the ways in which a secret may look.
func forms(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)),
	}
}

// witness looks at everything that leaves, and reports each canary once for
// each place.
type witness struct {
	t    *testing.T
	mu   sync.Mutex
	seen int
	told map[string]bool
}

// text looks at one text.
func (w *witness) text(where, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	lower := strings.ToLower(text)
	for name, secret := range canaries() {
		for _, form := range forms(secret) {
			if strings.Contains(lower, strings.ToLower(form)) && !w.told[where+name] {
				w.told[where+name] = true
				w.t.Errorf("the %s canary is in %s: %.400q", name, where, text)
			}
		}
	}
}

// value looks at a value by every verb, as JSON, and through both handlers of
// slog; and at the errors that it wraps, where it is one.
func (w *witness) value(where string, v any) {
	if v == nil {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		w.text(where+" by "+verb, fmt.Sprintf(verb, v))
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Struct {
		w.text(where+" as a slice", fmt.Sprintf("%+v", []any{v}))
	}
	if b, err := json.Marshal(v); err == nil {
		w.text(where+" as JSON", string(b))
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", slog.Any("v", []any{v}), slog.Group("g", "v", v))
	w.text(where+" by slog", b.String())
}

func (w *witness) err(where string, err error) {
	if err == nil {
		return
	}
	w.value(where, err)
	w.text(where+" wrapped", fmt.Errorf("around: %w", err).Error())
	w.text(where+" joined", errors.Join(err, err).Error())
}

// witnessing sets every hook.
func witnessing(w *witness) webhook.Hooks {
	return webhook.Hooks{
		Dispatched: func(_ context.Context, m *webhook.Message, r webhook.Receipt) {
			w.value("Dispatched", *m)
			w.value("Dispatched's receipt", r)
		},
		AttemptDone: func(_ context.Context, a webhook.Attempt) {
			w.value("AttemptDone", a)
			w.text("an answer", string(a.Answer))
		},
		Retrying:         func(_ context.Context, d webhook.Delivery, _ time.Duration) { w.value("Retrying", d) },
		Ended:            func(_ context.Context, d webhook.Delivery) { w.value("Ended", d) },
		EndpointFailing:  func(_ context.Context, n webhook.FailingNotice) { w.value("EndpointFailing", n) },
		CircuitOpened:    func(_ context.Context, id string, _ time.Duration) { w.value("CircuitOpened", id) },
		EndpointDisabled: func(_ context.Context, id, reason string) { w.value("EndpointDisabled", id+reason) },
		StoreFailed:      func(_ context.Context, op string, err error) { w.err("StoreFailed "+op, err) },
		Stale:            func(_ context.Context, id string) { w.value("Stale", id) },
		// The value is the host's own, and goes to the host's own hook.
		Panicked: func(_ context.Context, where string, _ any, stack []byte) { w.text("Panicked", where+string(stack)) },
	}
}
