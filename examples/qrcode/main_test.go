package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

const formType = "application/x-www-form-urlencoded"

// bodies are what the example sends for one user, in order.
func bodies(t *testing.T) []string {
	t.Helper()
	head := func(event string) string {
		return "event=" + event + "&timestamp=2025-03-04T11%3A05%3A06Z&user=mario&code=https%3A%2F%2Fqr.example%2FAbC1"
	}
	const token = "&secrettoken=s3cr%2Bt"
	scanned := kittest.Golden(t, "1-qr-scanned")
	friends := strings.NewReplacer("user=mario", "user=lucia", token, "&secrettoken=lucia%27s+own").Replace(scanned)
	return []string{
		head("QR_CODE_CREATED") + token,
		scanned,
		head("VOUCHER_CREATED") + token,
		head("VOUCHER_UPDATED") + "&title=Caff%C3%A8&description=One+coffee%2C+on+the+house&type=UNIQUEIP&productname=Espresso" +
			"&website=https%3A%2F%2Fbar.example%2F&couponnumber=C-1&validfrom=2025-03-01&validto=2025-03-31" + token,
		kittest.Golden(t, "1-qr-voucher-redeemed"),
		head("VOUCHER_EXPIRED") + token,
		head("LEAD_CREATED") + "&email=anna%40example.com&name=Anna" + token,
		kittest.Golden(t, "1-qr-c2a"),
		head("JOB_FINISHED") + "&download=https%3A%2F%2Fqr.example%2Fjobs%2F7.zip" + token,
		scanned, // held while the plan had lapsed
		friends, // to the same URL
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatalf("run(-print) = %v", err)
	}
	printed := kittest.ParsePrinted(t, out.String())
	want := bodies(t)
	if len(printed) != len(want) {
		t.Fatalf("run(-print) printed %d requests, want %d", len(printed), len(want))
	}
	for i, p := range printed {
		if p.ContentType != formType || p.Body != want[i] {
			t.Errorf("request %d = %q %s, want %q %s", i+1, p.ContentType, p.Body, formType, want[i])
		}
	}
}

// TestReceiver sends to examples/receiver in a process of its own.
func TestReceiver(t *testing.T) {
	r := kittest.Start(t, kittest.Build(t))
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-to", r.URL + "/qr", "-allow-private", "-fast"}, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	want := bodies(t)
	got := r.Next(len(want))
	r.Silent()
	for i, req := range got {
		if req.Method != http.MethodPost || req.Path != "/qr" || req.Header.Get("Content-Type") != formType || req.Body != want[i] {
			t.Errorf("request %d = %+v, want POST /qr %s %s", i+1, req, formType, want[i])
		}
		if req.Header.Get("Webhook-Id") == "" {
			t.Errorf("request %d has no id", i+1)
		}
	}
	if strings.Contains(out.String(), "s3cr") {
		t.Errorf("the story shows the token:\n%s", out.String())
	}
}

// site is a platform with a receiver in memory, at https://host.example for
// every host that a test names.
type site struct {
	*platform
	t     *testing.T
	net   *webhooktest.Network
	ended chan webhook.Delivery
}

// newSite returns a site with the users mario and lucia, which runs until the
// test ends. Call it in a bubble.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, net: webhooktest.NewNetwork(t), ended: make(chan webhook.Delivery, 64)}
	p, err := newPlatform(webhook.Config{
		Transports: []webhook.Transport{s.net.Transport()},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { s.ended <- d }},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.platform = p
	p.AddUser("mario", "mario's")
	p.AddUser("lucia", "lucia's")
	ran := make(chan error, 1)
	go func() { ran <- p.d.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(p.d.Shutdown(context.Background()), <-ran); err != nil {
			t.Error(err)
		}
		s.net.Close()
	})
	return s
}

func (s *site) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fire fires an event that has one webhook, and returns the message's id.
func (s *site) fire(e Event) (messageID, deliveryID string) {
	s.t.Helper()
	receipt, err := s.Fire(s.t.Context(), e)
	if err != nil || len(receipt.Deliveries) != 1 {
		s.t.Fatalf("Fire(%s) = %+v, %v, want one delivery", e.EventType(), receipt, err)
	}
	return receipt.MessageID, receipt.Deliveries[0].ID
}

// form reads the last request of a receiver.
func form(t *testing.T, r *webhooktest.Receiver) url.Values {
	t.Helper()
	all := r.Requests()
	if len(all) == 0 {
		t.Fatal("nothing arrived")
	}
	values, err := url.ParseQuery(string(all[len(all)-1].Body))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestSetAgainReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		first, second, other := s.net.Receiver("first.example"), s.net.Receiver("second.example"), s.net.Receiver("other.example")
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://first.example/"))
		s.do(s.SetWebhook(t.Context(), "mario", LeadCreated, "http://other.example/"))
		s.do(s.SetWebhook(t.Context(), "lucia", QRCodeScanned, "http://other.example/"))
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://second.example/"))
		s.fire(samples("mario").scanned)
		<-s.ended
		if a, b, c := len(first.Requests()), len(second.Requests()), len(other.Requests()); a != 0 || b != 1 || c != 0 {
			t.Errorf("%d, %d, %d requests arrived at first, second and other, want 0, 1, 0", a, b, c)
		}
	})
}

func TestStrangersQueryString(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("r.example")
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://r.example/"))
		e := samples("mario").scanned
		e.QueryString = "a=1&secrettoken=forged&event=LEAD_CREATED%26user=eve;x=\"\r\n#[]&user=eve"
		s.fire(e)
		<-s.ended
		got := form(t, r)
		for name, want := range map[string]string{
			"querystring": e.QueryString, "secrettoken": "mario's", "event": "QR_CODE_SCANNED", "user": "mario",
		} {
			if values := got[name]; len(values) != 1 || values[0] != want {
				t.Errorf("%s = %q, want %q alone", name, values, want)
			}
		}
		if body := string(r.Requests()[0].Body); !strings.HasSuffix(body, "&secrettoken=mario%27s") {
			t.Errorf("body = %s, want the token last", body)
		}
	})
}

func TestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("r.example")
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://r.example/"))
		e := samples("mario").scanned
		lng := e.Lng
		for _, e.Lng = range []*float64{nil, lng} {
			if e.Lat = nil; e.Lng == nil {
				e.Lat = lng
			}
			if receipt, err := s.Fire(t.Context(), e); err == nil || !strings.Contains(err.Error(), "lng and lat go together") || len(receipt.Deliveries) != 0 {
				t.Errorf("Fire = %+v, %v, want an error about lng and lat", receipt, err)
			}
		}
		e.Lng, e.Lat = nil, nil
		s.fire(e)
		<-s.ended
		if got := form(t, r); got.Has("lng") || got.Has("lat") || !got.Has("country") || len(r.Requests()) != 1 {
			t.Errorf("%d requests arrived, the last of them %v, want one without lng and lat", len(r.Requests()), got)
		}
	})
}

func TestLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r, gone := s.net.Receiver("r.example"), s.net.Receiver("gone.example", webhooktest.Answer{Status: 410})
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://r.example/"))
		s.do(s.SetWebhook(t.Context(), "mario", JobFinished, "http://gone.example/"))
		s.do(s.SetWebhook(t.Context(), "lucia", QRCodeScanned, "http://r.example/"))
		mario := samples("mario")
		s.fire(mario.scanned)
		s.fire(mario.finished) // 410 disables
		<-s.ended
		<-s.ended

		s.do(s.Lapse(t.Context(), "mario"))
		s.do(s.SetWebhook(t.Context(), "mario", LeadCreated, "http://r.example/")) // set meanwhile
		time.Sleep(time.Second)
		scan, scanned := s.fire(mario.scanned)
		lead, _ := s.fire(mario.lead)
		time.Sleep(30*time.Minute + 30*time.Second) // between two looks, which are a minute apart
		if n := len(r.Requests()); n != 1 {
			t.Errorf("%d requests arrived, want those from before the lapse alone", n)
		}
		if d, _, err := s.store.Delivery(t.Context(), scanned); err != nil || d.State != webhook.Held || d.Attempts != 0 {
			t.Errorf("the scan is %+v, %v, want it held without an attempt", d, err)
		}
		s.fire(samples("lucia").scanned) // another user's plan goes on
		if d := <-s.ended; d.State != webhook.Delivered || d.EndpointID != "lucia/QR_CODE_SCANNED" {
			t.Errorf("lucia's scan is %+v, want it delivered", d)
		}

		s.do(s.Renew(t.Context(), "mario"))
		for range 2 {
			if d := <-s.ended; d.State != webhook.Delivered || d.Attempts != 1 {
				t.Errorf("%s is %v after %d attempts, want delivered after one", d.EndpointID, d.State, d.Attempts)
			}
		}
		ids := []string{r.Requests()[2].ID(), r.Requests()[3].ID()}
		if !slices.Contains(ids, scan) || !slices.Contains(ids, lead) {
			t.Errorf("%q arrived after the renewal, want %q and %q", ids, scan, lead)
		}
		if s.fire(mario.finished); len(gone.Requests()) != 1 {
			t.Error("the renewal enabled a webhook whose receiver had said that it is gone")
		}
	})
}

func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r, own := s.net.Receiver("r.example"), s.net.Receiver("own.example")
		s.do(s.SetWebhook(t.Context(), "mario", QRCodeScanned, "http://r.example/a"))
		s.do(s.SetWebhook(t.Context(), "mario", LeadCreated, "http://r.example/b"))
		s.do(s.SetWebhook(t.Context(), "lucia", QRCodeScanned, "http://own.example/")) // is replaced
		s.do(s.SetWebhook(t.Context(), "lucia", JobFinished, "http://own.example/"))   // stays
		s.do(s.CopyWebhooks(t.Context(), "mario", "lucia"))
		lucia := samples("lucia")
		for _, e := range []Event{lucia.scanned, lucia.lead} {
			s.fire(e)
			<-s.ended
			if got := form(t, r); got.Get("secrettoken") != "lucia's" || got.Get("user") != "lucia" || got.Get("event") != e.EventType() {
				t.Errorf("%v arrived, want a %s with lucia's token", got, e.EventType())
			}
		}
		s.fire(lucia.finished)
		<-s.ended
		if paths := []string{r.Requests()[0].Path, r.Requests()[1].Path}; !slices.Equal(paths, []string{"/a", "/b"}) {
			t.Errorf("paths %q, want those of mario", paths)
		}
		if got := form(t, own); len(own.Requests()) != 1 || got.Get("event") != string(JobFinished) {
			t.Errorf("%d requests arrived at lucia's own URL, the last of them %v, want JOB_FINISHED alone", len(own.Requests()), got)
		}
	})
}

func TestBadWebhooks(t *testing.T) {
	p, err := newPlatform(webhook.Config{Policies: []retry.Policy{retry.AtLeastOnce()}})
	if err != nil {
		t.Fatal(err)
	}
	p.AddUser("mario", "s3cr+t")
	for _, tt := range []struct {
		name, user string
		event      Name
		url, want  string
	}{
		{name: "user", user: "eve", event: LeadCreated, url: "https://r.example/", want: `no user "eve"`},
		{name: "event", user: "mario", event: "QR_CODE_EATEN", url: "https://r.example/", want: `no event "QR_CODE_EATEN"`},
		{name: "url", user: "mario", event: LeadCreated, url: "https://u:pw@r.example/", want: "invalid url (userinfo)"},
		{name: "private address", user: "mario", event: LeadCreated, url: "https://10.0.0.1/", want: "invalid url (address)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := p.SetWebhook(t.Context(), tt.user, tt.event, tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cr") {
				t.Errorf("SetWebhook(%s) = %v, want %q and no token in it", tt.url, err, tt.want)
			}
		})
	}
	if err := p.CopyWebhooks(t.Context(), "eve", "mario"); err == nil {
		t.Error("CopyWebhooks from nobody = nil, want an error")
	}
	if err := run(t.Context(), []string{"-to", "http://127.0.0.1:8080/"}, io.Discard); err == nil || !strings.Contains(err.Error(), "(address)") {
		t.Errorf("run to loopback without -allow-private = %v, want an error of the rule address", err)
	}
}

func TestBadEvents(t *testing.T) {
	p, err := newPlatform(webhook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := samples("mario")
	voucher, status, lead := s.updated, s.redeemed, s.lead
	voucher.Type, status.Status, lead.Email = "UNIQUE", "MAYBE", ""
	for _, tt := range []struct {
		name, path string
		event      Event
	}{
		{name: "voucher type", path: "type", event: voucher},
		{name: "redeem status", path: "status", event: status},
		{name: "email", path: "email", event: lead},
	} {
		t.Run(tt.name, func(t *testing.T) { // nobody listens, and yet it is an error
			_, err := p.Fire(t.Context(), tt.event)
			var field *payload.FieldError
			if !errors.As(err, &field) || field.Path != tt.path {
				t.Errorf("Fire(%+v) = %v, want an error of %s", tt.event, err, tt.path)
			}
		})
	}
}
