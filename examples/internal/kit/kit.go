// Package kit holds what all reference integrations share and none is about:
// their flags, and a place for the receivers that they start themselves. What
// a host would write stands in each example's own files.
package kit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// Options are the flags that every example understands.
type Options struct {
	// To are the URLs to send to, of -to.
	To []string
	// AllowPrivate lets requests reach loopback, of -allow-private.
	AllowPrivate bool
	// Print writes what would be sent and sends nothing, of -print.
	Print bool
	// Fast retries after fractions of a second, of -fast.
	Fast bool
	// Standalone says that nothing told where to send: the example starts a
	// receiver of its own, and tells the whole story.
	Standalone bool
}

// Parse adds the shared flags to those that fs has already, and reads args.
// With -print and without -to, To is one URL that nobody asks.
func Parse(fs *flag.FlagSet, args []string) (Options, error) {
	var o Options
	fs.Func("to", "send to this `URL`; may be given several times", func(url string) error {
		o.To = append(o.To, url)
		return nil
	})
	fs.BoolVar(&o.AllowPrivate, "allow-private", false, "let requests reach loopback addresses")
	fs.BoolVar(&o.Print, "print", false, "write the requests that would be sent, and send nothing")
	fs.BoolVar(&o.Fast, "fast", false, "retry after fractions of a second instead of the real delays")
	if err := fs.Parse(args); err != nil {
		return Options{}, err
	}
	if fs.NArg() > 0 {
		return Options{}, fmt.Errorf("%s: %q is no flag", fs.Name(), fs.Arg(0))
	}
	if o.Print && len(o.To) == 0 {
		o.To = []string{"https://receiver.example/hook"}
	}
	o.Standalone = len(o.To) == 0
	return o, nil
}

// Transport returns the way out that the flags ask for: to public addresses,
// to loopback as well, or, with -print, to nobody but out.
func (o *Options) Transport(out io.Writer) webhook.Transport {
	switch {
	case o.Print:
		return webhook.Transport{Name: "print", RoundTripper: &printer{out: out}}
	case o.AllowPrivate || o.Standalone:
		return webhook.Transport{Name: "loopback", Private: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		}}
	}
	return webhook.Transport{Name: "public"}
}

// Schedule returns the schedule to use for that of production: the same, or, with
// -fast and where the example tells its whole story, one that ends in seconds.
func (o *Options) Schedule(production retry.Schedule) retry.Schedule {
	if o.Fast || o.Standalone {
		return retry.Fixed(100*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond)
	}
	return production
}

// Story returns where an example tells what happens: out, for several
// goroutines at a time, or nowhere with -print, where out is for the requests.
func (o *Options) Story(out io.Writer) io.Writer {
	if o.Print {
		return io.Discard
	}
	return &story{out: out}
}

type story struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *story) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// Main runs an example with the arguments of its process until it ends, or is
// interrupted. An error ends the process with status 1.
func Main(run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
