// Command receiver shows what a webhook sends: it prints what arrives as a
// form, in the query or as JSON, verifies signatures, and answers as it is
// told. It is for looking at one's own webhooks, not for serving others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/outhook/outhook/signer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

// run listens until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("receiver", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	statuses := fs.String("status", "200", "`statuses` to answer with, in order, as 503,503,200; the last one stays")
	delay := fs.Duration("delay", 0, "how long an answer takes")
	body := fs.String("body", "", "`text` of the answers")
	secret := fs.String("secret", "", "verify signatures with this `secret` (whsec_...), and answer 401 without a valid one")
	asJSON := fs.Bool("json", false, "print each request as one line of JSON")
	if err := fs.Parse(args); err != nil {
		return err
	}
	r := &receiver{delay: *delay, body: *body, print: printText, out: out}
	if *asJSON {
		r.print = printJSON
	}
	var err error
	if r.statuses, err = parseStatuses(*statuses); err != nil {
		return err
	}
	if r.verifier, err = newVerifier(*secret); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", l.Addr())
	return serve(ctx, l, r)
}

// serve answers by h until ctx ends; handlers that wait end with it.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		return srv.Close() // whoever is still there is left without an answer
	}
	return nil
}

func parseStatuses(list string) ([]int, error) {
	var statuses []int
	for word := range strings.SplitSeq(list, ",") {
		status, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || status < 200 || status > 599 {
			return nil, fmt.Errorf("-status: %q is no status from 200 to 599", word)
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// newVerifier returns nil for no secret.
func newVerifier(secret string) (*signer.Verifier, error) {
	if secret == "" {
		return nil, nil
	}
	key, err := signer.ParseSecret(secret)
	if err != nil {
		return nil, fmt.Errorf("-secret: %w", err)
	}
	return signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
}
