package retry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/outhook/outhook/retry"
)

func TestOutcomeText(t *testing.T) {
	words := map[retry.Outcome]string{
		retry.Accepted:    "accepted",
		retry.Known:       "known",
		retry.Retryable:   "retryable",
		retry.Rejected:    "rejected",
		retry.Gone:        "gone",
		retry.Refused:     "refused",
		retry.Interrupted: "interrupted",
	}
	for i := range 256 {
		o := retry.Outcome(i)
		word, known := words[o]
		if got := o.Valid(); got != known {
			t.Errorf("%v.Valid() = %v, want %v", o, got, known)
		}
		text, err := o.MarshalText()
		if (err == nil) != known || string(text) != word {
			t.Errorf("Outcome(%d).MarshalText() = %q, %v, want %q", i, text, err, word)
		}
		if !known {
			continue
		}
		if got := o.String(); got != word {
			t.Errorf("Outcome(%d).String() = %q, want %q", i, got, word)
		}
		var back retry.Outcome
		if err := back.UnmarshalText(text); err != nil || back != o {
			t.Errorf("UnmarshalText(%q) = %v, %v, want %v", text, back, err, o)
		}
	}
	if got, want := retry.Outcome(0).String(), "Outcome(0)"; got != want {
		t.Errorf("Outcome(0).String() = %q, want %q", got, want)
	}
}

func TestOutcomeUnmarshalTextLeavesValueOnError(t *testing.T) {
	for _, in := range []string{"", "Accepted", " accepted", "Outcome(0)", "delivered"} {
		o := retry.Gone
		if err := o.UnmarshalText([]byte(in)); err == nil || o != retry.Gone {
			t.Errorf("UnmarshalText(%q) = %v, %v, want gone and an error", in, o, err)
		}
	}
}

func TestOutcomeInJSON(t *testing.T) {
	type record struct {
		Outcome retry.Outcome `json:"outcome"`
	}
	b, err := json.Marshal(record{Outcome: retry.Known})
	if got, want := string(b), `{"outcome":"known"}`; err != nil || got != want {
		t.Errorf("Marshal(known) = %s, %v, want %s", got, err, want)
	}
	if b, err := json.Marshal(record{}); err == nil {
		t.Errorf("Marshal(zero) = %s, want an error", b)
	}
}

func TestJudges(t *testing.T) {
	header := func(word string) http.Header { return http.Header{"Webhook-Delivery": {word}} }
	lead := retry.KnownOn(retry.SuccessBelow(300), 400)
	down := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		judge retry.Judge
		in    retry.Response
		want  retry.Outcome
	}{
		{name: "default 199", judge: retry.Default, in: retry.Response{Status: 199}, want: retry.Retryable},
		{name: "default 200", judge: retry.Default, in: retry.Response{Status: 200}, want: retry.Accepted},
		{name: "default 204", judge: retry.Default, in: retry.Response{Status: 204}, want: retry.Accepted},
		{name: "default 299", judge: retry.Default, in: retry.Response{Status: 299}, want: retry.Accepted},
		{name: "default 300", judge: retry.Default, in: retry.Response{Status: 300}, want: retry.Retryable},
		{name: "default moved", judge: retry.Default, in: retry.Response{Status: 302}, want: retry.Retryable},
		{name: "default 400", judge: retry.Default, in: retry.Response{Status: 400}, want: retry.Retryable},
		{name: "default 401", judge: retry.Default, in: retry.Response{Status: 401}, want: retry.Retryable},
		{name: "default 404", judge: retry.Default, in: retry.Response{Status: 404}, want: retry.Retryable},
		{name: "default gone", judge: retry.Default, in: retry.Response{Status: 410}, want: retry.Gone},
		{name: "default 429", judge: retry.Default, in: retry.Response{Status: 429}, want: retry.Retryable},
		{name: "default 500", judge: retry.Default, in: retry.Response{Status: 500}, want: retry.Retryable},
		{name: "default 503", judge: retry.Default, in: retry.Response{Status: 503}, want: retry.Retryable},
		{name: "default no response", judge: retry.Default, in: retry.Response{Err: down}, want: retry.Retryable},
		{name: "lead 200", judge: lead, in: retry.Response{Status: 200}, want: retry.Accepted},
		{name: "lead moved", judge: lead, in: retry.Response{Status: 302}, want: retry.Retryable},
		{name: "lead known", judge: lead, in: retry.Response{Status: 400}, want: retry.Known},
		{name: "lead 401", judge: lead, in: retry.Response{Status: 401}, want: retry.Retryable},
		{name: "lead 410 does not disable", judge: lead, in: retry.Response{Status: 410}, want: retry.Retryable},
		{name: "lead no response", judge: lead, in: retry.Response{Err: down}, want: retry.Retryable},
		{name: "below 400 takes a redirect", judge: retry.SuccessBelow(400), in: retry.Response{Status: 303}, want: retry.Accepted},
		{name: "below 300 has no 1xx", judge: retry.SuccessBelow(300), in: retry.Response{Status: 100}, want: retry.Retryable},
		{name: "known of nil", judge: retry.KnownOn(nil, 409), in: retry.Response{Status: 409}, want: retry.Known},
		{name: "known of nil asks default", judge: retry.KnownOn(nil, 409), in: retry.Response{Status: 410}, want: retry.Gone},
		{name: "known on nothing", judge: retry.KnownOn(nil), in: retry.Response{Status: 200}, want: retry.Accepted},
		{name: "known never without response", judge: retry.KnownOn(nil, 0), in: retry.Response{Err: down}, want: retry.Retryable},
		{name: "word none", judge: retry.Word(nil), in: retry.Response{Status: 500}, want: retry.Retryable},
		{name: "word disable on 500", judge: retry.Word(nil), in: retry.Response{Status: 500, Header: header("disable")}, want: retry.Gone},
		{name: "word disable on 200", judge: retry.Word(nil), in: retry.Response{Status: 200, Header: header("disable")}, want: retry.Gone},
		{name: "word in another case", judge: retry.Word(nil), in: retry.Response{Status: 400, Header: header(" Disable ")}, want: retry.Gone},
		{name: "word abort on 400", judge: retry.Word(nil), in: retry.Response{Status: 400, Header: header("abort-message")}, want: retry.Rejected},
		{name: "word abort on 200", judge: retry.Word(nil), in: retry.Response{Status: 200, Header: header("abort-message")}, want: retry.Accepted},
		{name: "word abort on known", judge: retry.Word(lead), in: retry.Response{Status: 400, Header: header("abort-message")}, want: retry.Known},
		{name: "word abort on 410", judge: retry.Word(nil), in: retry.Response{Status: 410, Header: header("abort-message")}, want: retry.Gone},
		{name: "word unknown", judge: retry.Word(nil), in: retry.Response{Status: 500, Header: header("later")}, want: retry.Retryable},
		{name: "word without response", judge: retry.Word(nil), in: retry.Response{Err: down}, want: retry.Retryable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.judge(tt.in); got != tt.want {
				t.Errorf("judge(%d) = %v, want %v", tt.in.Status, got, tt.want)
			}
		})
	}
}

func TestKnownOnKeepsItsOwnStatuses(t *testing.T) {
	statuses := []int{400}
	judge := retry.KnownOn(nil, statuses...)
	statuses[0] = 200
	if got := judge(retry.Response{Status: 200}); got != retry.Accepted {
		t.Errorf("judge(200) = %v, want %v", got, retry.Accepted)
	}
}
