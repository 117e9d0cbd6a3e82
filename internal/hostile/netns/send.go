package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// patience bounds one send.
const patience = 3 * time.Second

// send sends a row as often as it has answers. What it prints is for who looks
// into a wrong row; the server decides.
func send(r row, name, mode string) {
	to := strings.ReplaceAll(r.url, "{name}", name)
	one := map[string]func(row, string) error{"full": full(r), "dial": dial, "cgo": cgo, "free": free}[mode]
	for range max(1, len(r.answers), len(strings.Fields(r.full))) {
		if err := one(r, to); err != nil {
			fmt.Fprintln(os.Stdout, err)
		}
		r.opened = false
	}
}

func prefixes(list []string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func (r row) transport() webhook.Transport {
	return webhook.Transport{
		Name: "row", Private: prefixes(r.private), Deny: prefixes(r.deny), NAT64: prefixes(r.nat64),
		DenyOwn: r.own, IPv4Only: r.ipv4,
	}
}

func opened() webhook.Transport {
	return webhook.Transport{Name: "opened", Private: prefixes([]string{"127.0.0.0/8", "::1/128"})}
}

type event struct{ Text string }

func (event) EventType() string { return "guard.tried" }

// full is a delivery, and before it the check that a registration makes.
func full(r row) func(row, string) error {
	ended := make(chan webhook.Attempt, 1)
	p := retry.FireAndForget()
	p.Timeout = patience
	d, err := webhook.New(webhook.Config{
		Policies:   []retry.Policy{p},
		Transports: []webhook.Transport{r.transport(), opened()},
		Hooks:      webhook.Hooks{AttemptDone: func(_ context.Context, a webhook.Attempt) { ended <- a }},
	})
	return func(r row, to string) error {
		if err != nil {
			return err
		}
		e := webhook.Endpoint{Scope: "link:1", URL: to}
		if r.opened {
			e.Transport, e.Name = "opened", "opened"
		}
		if _, err := d.DispatchTo(context.Background(), event{Text: "x"}, e); err != nil {
			return err
		}
		a := <-ended
		return errors.New(a.Class.String() + ": " + a.Error)
	}
}

// dial goes past the rules for URLs.
func dial(r row, to string) error {
	via := r.transport()
	if r.opened {
		via = opened()
	}
	c, err := via.Client()
	if err != nil {
		return err
	}
	return post(c, to)
}

// cgo is the check at the dial under net/http and the C library's resolver.
func cgo(r row, to string) error {
	guard, err := netguard.New(netguard.Policy{Allow: prefixes(r.private), Deny: prefixes(r.deny), NAT64: prefixes(r.nat64), DenyOwn: r.own})
	if err != nil {
		return err
	}
	d := &net.Dialer{Control: guard.Control, Resolver: &net.Resolver{}}
	return post(&http.Client{Transport: &http.Transport{DialContext: d.DialContext}}, to)
}

// free has no guard at all.
func free(_ row, to string) error {
	return post(&http.Client{Transport: &http.Transport{DialContext: new(net.Dialer).DialContext}}, to)
}

func post(c *http.Client, to string) error {
	defer c.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader("x"))
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
