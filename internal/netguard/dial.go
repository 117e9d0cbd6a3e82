package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Dialer connects to addresses that its [Guard] lets through and to no other.
// Names are resolved by Go's own resolver, which leaves no thread behind when
// it is given up and knows no octal or hexadecimal addresses.
//
// When a name has several addresses, those that the guard refuses are skipped
// and the next one is tried. Its fields must not be changed once it dials.
type Dialer struct {
	// Guard judges each address. It is required, but where Unguarded is set.
	Guard *Guard
	// Unguarded lets every address through. It is for dialling nothing but a
	// proxy that the host's code chose. Defaults to false.
	Unguarded bool
	// Resolver looks names up. Defaults to one of its own with PreferGo set,
	// never net.DefaultResolver, which belongs to the whole program.
	Resolver *net.Resolver
	// DNS bounds the lookup of a name.
	//
	// Defaults to 5 seconds.
	DNS time.Duration
	// Connect bounds connecting, all addresses of a name together.
	//
	// Defaults to 10 seconds.
	Connect time.Duration
	// IPv4Only leaves IPv6 addresses out. Defaults to false.
	IPv4Only bool
	// Mixed, when set, is told of a name of whose tried addresses the guard
	// refused some and let others through: a sign of rebinding, or of DNS64.
	Mixed func(host string, refused, allowed int)

	// last, when set by a test, sees each address that the guard let through
	// and may still stop the connect.
	last func(address string) error
}

// DialContext connects to addr, a host and a port. Networks other than tcp,
// tcp4 and tcp6 are refused. An error matches [ErrRefused] when the guard
// refused every address that was tried; then nothing was sent anywhere but to
// the name server.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return nil, &RefusedError{Address: addr, Reason: "is not a host and a port"}
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, &RefusedError{Address: addr, Reason: "is no TCP address: its network is " + quote(network)}
	}
	if d.IPv4Only {
		network = "tcp4"
	}
	run, ctx := d.begin(ctx, host)
	conn, err := run.dialer().DialContext(ctx, network, addr)
	return conn, run.end(ctx, err)
}

// run is one DialContext.
type run struct {
	*Dialer
	host   string
	cancel context.CancelCauseFunc
	timer  *time.Timer

	mu               sync.Mutex // two families are tried at the same time
	phase            PhaseError
	refused, allowed int
}

// begin starts the clock of the lookup.
func (d *Dialer) begin(ctx context.Context, host string) (*run, context.Context) {
	r := &run{Dialer: d, host: host}
	r.phase = PhaseError{Phase: "dns", After: orDefault(d.DNS, 5*time.Second)}
	ctx, r.cancel = context.WithCancelCause(ctx)
	r.timer = time.AfterFunc(r.phase.After, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		phase := r.phase
		r.cancel(&phase)
	})
	return r, ctx
}

func (r *run) dialer() *net.Dialer {
	resolver := r.Resolver
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	return &net.Dialer{
		// The clocks of the phases end the dial; this sum is there because
		// net shares out among the candidates the time that it knows of.
		Timeout:  orDefault(r.DNS, 5*time.Second) + orDefault(r.Connect, 10*time.Second),
		Resolver: resolver,
		Control:  r.control,
	}
}

// control judges one candidate. The first one marks the end of the lookup.
func (r *run) control(network, address string, c syscall.RawConn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused+r.allowed == 0 && r.timer.Stop() {
		r.phase = PhaseError{Phase: "connect", After: orDefault(r.Connect, 10*time.Second)}
		r.timer.Reset(r.phase.After)
	}
	if err := r.judge(network, address, c); err != nil {
		r.refused++
		return err
	}
	r.allowed++
	if r.last != nil {
		return r.last(address)
	}
	return nil
}

func (r *run) judge(network, address string, c syscall.RawConn) error {
	switch {
	case r.Unguarded:
		return nil
	case r.Guard == nil:
		return &RefusedError{Address: address, Reason: "has no guard to judge it"}
	}
	return r.Guard.Control(network, address, c)
}

// end stops the clock and says what an error means.
func (r *run) end(ctx context.Context, err error) error {
	r.timer.Stop()
	defer r.cancel(nil)
	r.mu.Lock()
	refused, allowed := r.refused, r.allowed
	r.mu.Unlock()
	if refused > 0 && allowed > 0 && r.Mixed != nil {
		r.Mixed(r.host, refused, allowed)
	}
	var phase *PhaseError
	switch {
	case err == nil:
		return nil
	case errors.As(context.Cause(ctx), &phase):
		return phase
	case allowed > 0 && errors.Is(err, ErrRefused):
		// net reports the error of the first candidate. But others were
		// tried: to call this refused would hide that they are down.
		return fmt.Errorf("dial: %d addresses of the host do not answer, %d are refused", allowed, refused)
	}
	return err
}

// PhaseError says that a phase of a dial took longer than it may. It matches
// context.DeadlineExceeded and is a net.Error that timed out.
type PhaseError struct {
	// Phase is "dns" or "connect".
	Phase string
	// After is how long the phase was given.
	After time.Duration
}

// Error implements error.
func (e *PhaseError) Error() string { return e.Phase + ": timed out after " + e.After.String() }

// Is reports whether target is context.DeadlineExceeded.
func (e *PhaseError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout implements net.Error; it is true.
func (e *PhaseError) Timeout() bool { return true }

// Temporary implements net.Error; it is true.
func (e *PhaseError) Temporary() bool { return true }

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
