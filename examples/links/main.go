// Command links is a reference integration: a link shortener that tells the
// webhooks of a link, and those of its workspace, of each click, and never
// keeps a visitor waiting for them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/webhook"
)

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := kit.Parse(flag.NewFlagSet("links", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	story := opts.Story(out)
	rule := httpsOnly
	if opts.AllowPrivate || opts.Standalone {
		rule = httpsOrLoopback
	}
	if opts.Standalone {
		receiver, err := kit.Serve(ctx, kit.Answers(story))
		if err != nil {
			return err
		}
		defer receiver.Close()
		opts.To = []string{receiver.URL + "/clicks?secret=1", receiver.URL + "/analytics?secret=2"}
	}
	slices.Sort(opts.To)
	t := &tale{to: slices.Compact(opts.To), ended: make(chan webhook.Delivery, 64), out: story, client: new(http.Transport)}
	defer t.client.CloseIdleConnections()
	t.p, err = newPlatform(webhook.Config{
		Transports: []webhook.Transport{opts.Transport(out)},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { t.ended <- d }},
	}, rule)
	if err != nil {
		return err
	}
	t.p.addDemo()
	site, err := kit.Serve(ctx, t.p.Handler())
	if err != nil {
		return err
	}
	defer site.Close()
	t.site = site.URL
	return errors.Join(t.tell(ctx), t.p.d.Shutdown(context.WithoutCancel(ctx)))
}

// tale is what the example tells.
type tale struct {
	p      *platform
	site   string   // where the platform listens
	to     []string // the receivers
	ended  chan webhook.Delivery
	out    io.Writer
	client *http.Transport
}

func (t *tale) tell(ctx context.Context) error {
	// The settings of a link have a box with one URL a line. Whatever ends the
	// lines, blank ones and repeats do not matter.
	box := strings.Join(slices.Concat(t.to, []string{"", t.to[0]}), "\r\n")
	fmt.Fprintf(t.out, "%d URLs for the link, one of them for its workspace, too\n", len(t.to))
	err := errors.Join(
		t.p.api.SetURLs(ctx, linkScope(12345), box),
		t.p.api.SetURLs(ctx, workspaceScope(1), t.to[0]),
	)
	if err != nil {
		return err
	}
	for _, visit := range []struct {
		who, agent, query string
		calls             int // webhooks that are called
	}{
		{who: "a visitor", agent: human, query: "?utm_source=twitter", calls: len(t.to) + 1},
		{who: "a crawler", agent: crawler, calls: len(t.to) + 1},
		{who: "a crawler that is ignored", agent: ignored},
		{who: "somebody at an excluded address", agent: office},
	} {
		fmt.Fprintf(t.out, "\n%s follows the link\n", visit.who)
		if err := t.visit(ctx, visit.agent, visit.query, visit.calls); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.out, "\nthe workspace's URL is removed by the API")
	hook := t.site + "/api/v1/workspace/1/webhooks/" + url.PathEscape(t.to[0])
	if err := t.call(ctx, http.MethodDelete, hook, http.Header{"X-Api-Key": {apiKey}}, http.StatusNoContent); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "\na visitor follows the link")
	return t.visit(ctx, human, "?utm_source=twitter", len(t.to))
}

// visit follows the link, and then waits until as many webhooks were called,
// so that the story can be read.
func (t *tale) visit(ctx context.Context, agent, query string, calls int) error {
	header := http.Header{"User-Agent": {agent}}
	if agent == human {
		header.Set("Referer", "https://twitter.com/")
	}
	if err := t.call(ctx, http.MethodGet, t.site+"/abc123"+query, header, http.StatusFound); err != nil {
		return err
	}
	for range calls {
		select {
		case d := <-t.ended:
			fmt.Fprintf(t.out, "a webhook is called: %v %s\n", d.State, d.Reason)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// call sends a request to the platform.
func (t *tale) call(ctx context.Context, method, url string, header http.Header, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := t.client.RoundTrip(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s: the platform answers %d, want %d", method, resp.StatusCode, want)
	}
	return nil
}
