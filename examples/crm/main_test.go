package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/outhook/outhook/examples/internal/kittest"
)

const formType = "application/x-www-form-urlencoded"

// story is the type of each request for one account, in order. The automation's
// has none.
func story() []string {
	return append(wireNames(), "unsubscribe", "unsubscribe", "unsubscribe", "subscriber_note", "update", "")
}

// wireNames are the event types in the order of the documentation.
func wireNames() []string {
	return []string{
		"forward", "open", "share", "sent", "subscribe", "subscriber_note", "contact_tag_added", "contact_tag_removed",
		"unsubscribe", "update", "deal_add", "deal_note_add", "deal_pipeline_add", "deal_stage_add", "deal_task_add",
		"deal_task_complete", "deal_tasktype_add", "deal_update", "bounce", "reply", "click", "list_add", "sms_reply",
		"sms_sent", "sms_unsub",
	}
}

// checkStory holds the bodies of one account to what they must be.
func checkStory(t *testing.T, bodies []string) {
	t.Helper()
	want := story()
	if len(bodies) != len(want) {
		t.Fatalf("%d requests, want %d", len(bodies), len(want))
	}
	forms := make([]url.Values, len(bodies))
	for i, body := range bodies {
		var err error
		if forms[i], err = url.ParseQuery(body); err != nil {
			t.Fatalf("request %d: %v", i+1, err)
		}
		if got := forms[i].Get("type"); got != want[i] {
			t.Errorf("request %d has the type %q, want %q", i+1, got, want[i])
		}
	}
	for name, golden := range map[string]string{"update": "2-contact-update", "click": "2-campaign-click", "deal_add": "2-deal-add"} {
		if got, want := bodies[slices.Index(want, name)], kittest.Golden(t, golden); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	admin, public, again := bodies[25], bodies[26], bodies[27]
	if !strings.Contains(admin, "&initiated_from=admin&") || !strings.Contains(public, "&initiated_from=public&") || public != again {
		t.Errorf("unsubscribe = %s, %s, %s, want one from admin and two alike from public", admin, public, again)
	}
	if got := forms[28].Get("note"); got != longNote() || len(got) != 1<<20 {
		t.Errorf("the note has %d bytes, want all %d of them", len(got), 1<<20)
	}
	if sample := bodies[29]; sample != kittest.Golden(t, "2-contact-update") {
		t.Errorf("the sample = %s, want what an event sends", sample)
	}
	if step := bodies[30]; !strings.HasPrefix(step, "contact%5Bid%5D=17&") || !strings.HasSuffix(step, "&seriesid=11") {
		t.Errorf("the automation = %s, want a contact and a series", step)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatalf("run(-print) = %v", err)
	}
	var bodies []string
	for i, p := range kittest.ParsePrinted(t, out.String()) {
		if bodies = append(bodies, p.Body); p.ContentType != formType {
			t.Errorf("request %d is %q, want %q", i+1, p.ContentType, formType)
		}
	}
	checkStory(t, bodies)
}

// TestReceiver sends to examples/receiver in a process of its own.
func TestReceiver(t *testing.T) {
	r := kittest.Start(t, kittest.Build(t))
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-to", r.URL + "/crm?token=c4n4ry", "-allow-private"}, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	got := r.Next(len(story()))
	r.Silent()
	bodies := make([]string, len(got))
	ids := make(map[string]int)
	for i, req := range got {
		if req.Method != http.MethodPost || req.Path != "/crm" || req.Query != "token=c4n4ry" || req.Header.Get("Content-Type") != formType {
			t.Errorf("request %d is %s %s?%s %v", i+1, req.Method, req.Path, req.Query, req.Header)
		}
		bodies[i] = req.Body
		ids[req.Header.Get("Webhook-Id")]++
	}
	checkStory(t, bodies)
	// An event for two webhooks is one message.
	if ids[""] != 0 || len(ids) != len(got)-1 || got[26].Header.Get("Webhook-Id") != got[27].Header.Get("Webhook-Id") {
		t.Errorf("%d ids in %d requests, want one shared by two", len(ids), len(got))
	}
	if strings.Contains(out.String(), "c4n4ry") {
		t.Errorf("the story shows the token in the URL:\n%s", out.String())
	}
}

func TestStandalone(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), " is delivered"); n != len(story())-1 { // the sample is no delivery
		t.Errorf("%d deliveries, want %d:\n%s", n, len(story())-1, out.String())
	}
	if err := run(t.Context(), []string{"-to", "http://127.0.0.1:8080/"}, io.Discard); err == nil || !strings.Contains(err.Error(), "(address)") {
		t.Errorf("run to loopback without -allow-private = %v, want an error of the rule address", err)
	}
}
