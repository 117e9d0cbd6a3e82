package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/outhook/outhook/internal/netguard"
)

// Transport is a way out to the receivers: a profile of addresses, proxy,
// certificates and limits, by a name that endpoints refer to. The zero
// Transport, given a name, reaches public addresses over HTTP/1.1 and HTTP/2
// and is right for most.
//
// Each Transport has connections of its own, so that what one opens (a private
// network, a client certificate) is never reached through another. Nothing is
// taken from the environment or from http.DefaultTransport; redirects are not
// followed, answers are not decompressed, cookies are not kept, a request is
// never sent twice. Printing a Transport shows no password of its proxy.
//
// Of a receiver that answers when nobody asked, or sends HTTP/2 frames out of
// place, net/http writes a line to the program's standard logger, that of
// package log, and there is no switch for it. The line may quote up to 4 KiB of
// what the receiver sent. A host that wants no such lines redirects that
// logger, with log.SetOutput or slog.SetDefault.
//
// Its name belongs to the host's code: a customer who could choose it would
// choose the one that opens private networks.
type Transport struct {
	// Name is what Endpoint.Transport refers to. It is required.
	Name string

	// Private opens networks that are not public, such as 10.20.0.0/16 or, for
	// tests, 127.0.0.0/8. Every endpoint of this transport can reach them.
	//
	// Defaults to none: public addresses only.
	Private []netip.Prefix
	// Deny refuses addresses that would be allowed: the host's own ingress, or
	// its network's own NAT64 prefix. It wins over Private. Defaults to none.
	Deny []netip.Prefix
	// DenyOwn refuses the addresses of this machine's interfaces, listed anew
	// at most every 10 seconds. It wins over Private. Defaults to false.
	DenyOwn bool
	// NAT64 names the prefixes, of 32, 40, 48, 56, 64 or 96 bits, through
	// which this network reaches IPv4 (RFC 6052), such as 64:ff9b::/96. An
	// address in one is judged by the IPv4 address in it. Without it, a
	// machine that has IPv6 only reaches no receiver that has IPv4 only.
	//
	// Defaults to none.
	NAT64 []netip.Prefix
	// IPv4Only leaves out the IPv6 addresses of receivers. Defaults to false.
	IPv4Only bool

	// Proxy is asked for every connection: an http, https, socks5 or socks5h
	// URL, which may hold a user name and a password. The proxy, not the
	// receiver, is then what we connect to: which addresses receivers may have
	// is the proxy's to decide, and Private, Deny, DenyOwn, NAT64 and IPv4Only
	// must be empty. The proxy itself may have any address.
	//
	// Defaults to none, whatever the environment says.
	Proxy *url.URL
	// RootCAs are the authorities that a receiver's certificate is checked
	// against. Defaults to those of the system.
	RootCAs *x509.CertPool
	// ClientCertificate is asked for our certificate in each handshake in
	// which the receiver wants one, so that a renewed certificate needs no new
	// Dispatcher: connections bring it from the next one on, and those that are
	// open keep the old one until they are idle for IdleTimeout, or broken off.
	// It may be called concurrently, and must not return nil without an error;
	// see tls.Config.GetClientCertificate. Defaults to none.
	ClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// HTTP1Only leaves HTTP/2 out. Defaults to false.
	HTTP1Only bool

	// DNSTimeout bounds looking up a name. Defaults to 5 seconds.
	//
	// These four bound their phases; the policy's timeout bounds all of them
	// together. A TLS handshake may outlast its attempt: net/http keeps the
	// connection for the next one.
	DNSTimeout time.Duration
	// ConnectTimeout bounds connecting, all addresses of a name together.
	//
	// Defaults to 10 seconds.
	ConnectTimeout time.Duration
	// TLSTimeout bounds the TLS handshake. Defaults to 10 seconds.
	TLSTimeout time.Duration
	// HeaderTimeout bounds the wait from the end of the request to the end of
	// the answer's header. Defaults to what is left of the policy's timeout.
	HeaderTimeout time.Duration

	// IdleTimeout is how long a connection is kept for the next request; it
	// should be shorter than receivers keep theirs.
	//
	// Defaults to 30 seconds.
	IdleTimeout time.Duration
	// MaxIdlePerHost bounds the connections kept for one host and port.
	//
	// Defaults to 64, or Config.MaxPerEndpoint where that is more.
	MaxIdlePerHost int
	// MaxIdle bounds the connections kept for all hosts. Defaults to 1024.
	MaxIdle int
	// MaxHeaderBytes bounds the header of an answer. Defaults to 32768.
	MaxHeaderBytes int64

	// DialContext makes the connections instead of all of the above that says
	// what is connected to: the guard is not asked, and Private, Deny,
	// DenyOwn, NAT64, IPv4Only, Proxy, DNSTimeout and ConnectTimeout must be
	// empty. It is for networks in memory and for dialers of the host's own.
	//
	// Defaults to none.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// RoundTripper sends the requests instead of everything above; all other
	// fields but Name must be empty. It must send a request at most once,
	// follow no redirect, and check addresses by itself: requests go to URLs
	// that strangers chose.
	//
	// Defaults to none.
	RoundTripper http.RoundTripper
}

// The defaults of a Transport.
const (
	defaultDNSTimeout     = 5 * time.Second
	defaultConnectTimeout = 10 * time.Second
	defaultTLSTimeout     = 10 * time.Second
	defaultIdleTimeout    = 30 * time.Second
	defaultMaxIdlePerHost = 64
	defaultMaxIdle        = 1024
	defaultMaxHeaderBytes = 32 << 10

	// pingAfter is the silence after which an HTTP/2 connection must prove
	// that it is alive, and stallAfter how long it may refuse our bytes:
	// otherwise many deliveries would be lost on one dead connection.
	pingAfter  = 15 * time.Second
	stallAfter = 15 * time.Second
)

// mixedAnswer hears of names with addresses of both kinds.
type mixedAnswer func(host string, refused, allowed int)

// mixedAnswer reports a name of a receiver that a dial found to be mixed.
func (d *Dispatcher) mixedAnswer(host string, refused, allowed int) {
	ctx := context.Background()
	d.cfg.Logger.WarnContext(ctx, "webhook: some addresses of a name are refused", "host", clip(host), "refused", refused, "allowed", allowed)
	if hook := d.cfg.Hooks.MixedAnswer; hook != nil {
		d.hook(ctx, func() { hook(ctx, host, refused, allowed) })
	}
}

// build returns t in use, for endpoints of perEndpoint requests at a time, or
// all that is wrong with t. Its CloseIdleConnections ends it for good.
func (t Transport) build(perEndpoint int, mixed mixedAnswer) (http.RoundTripper, error) {
	guard, guardErr := t.guard()
	if err := errors.Join(guardErr, t.checkLimits(), t.checkProxy(), t.checkExclusive()); err != nil {
		return nil, err
	}
	if t.RoundTripper != nil {
		return t.RoundTripper, nil
	}
	rt := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: t.RootCAs, GetClientCertificate: t.ClientCertificate,
		},
		TLSHandshakeTimeout:    or(t.TLSTimeout, defaultTLSTimeout),
		ResponseHeaderTimeout:  t.HeaderTimeout,
		IdleConnTimeout:        or(t.IdleTimeout, defaultIdleTimeout),
		MaxIdleConnsPerHost:    or(t.MaxIdlePerHost, max(perEndpoint, defaultMaxIdlePerHost)),
		MaxIdleConns:           or(t.MaxIdle, defaultMaxIdle),
		MaxResponseHeaderBytes: or(t.MaxHeaderBytes, defaultMaxHeaderBytes),
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: netguard.Window,
			MaxReadFrameSize:          netguard.Window, // whose buffer the length alone makes
			SendPingTimeout:           pingAfter,
			PingTimeout:               pingAfter,
			WriteByteTimeout:          stallAfter,
		},
	}
	rt.Protocols.SetHTTP1(true)
	rt.Protocols.SetHTTP2(!t.HTTP1Only)
	if t.Proxy != nil {
		rt.Proxy = http.ProxyURL(t.Proxy)
	}
	return netguard.NewWire(rt, t.dial(guard, mixed)), nil
}

// Client returns a client that goes this way, under the same guard, and
// follows no redirect: for a token endpoint, say. It has connections of its
// own, which its CloseIdleConnections ends for good.
func (t Transport) Client() (*http.Client, error) {
	rt, err := t.build(1, nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// dial returns what connects: the host's own, or ours under the guard. What
// goes to a proxy is not judged, for nothing else is ever dialled then.
func (t Transport) dial(guard *netguard.Guard, mixed mixedAnswer) netguard.Dial {
	if t.DialContext != nil {
		return t.DialContext
	}
	return t.dialer(guard, mixed).DialContext
}

func (t Transport) dialer(guard *netguard.Guard, mixed mixedAnswer) *netguard.Dialer {
	return &netguard.Dialer{
		Guard:     guard,
		Unguarded: t.Proxy != nil,
		DNS:       or(t.DNSTimeout, defaultDNSTimeout),
		Connect:   or(t.ConnectTimeout, defaultConnectTimeout),
		IPv4Only:  t.IPv4Only,
		Mixed:     mixed,
	}
}

// guard returns what judges the addresses of receivers. It judges literal
// addresses in URLs, too, where nothing else decides what is connected to.
func (t Transport) guard() (*netguard.Guard, error) {
	return netguard.New(netguard.Policy{Allow: t.Private, Deny: t.Deny, NAT64: t.NAT64, DenyOwn: t.DenyOwn})
}

func (t Transport) checkLimits() error {
	var errs []error
	for _, f := range []field{
		{"DNSTimeout", t.DNSTimeout < 0},
		{"ConnectTimeout", t.ConnectTimeout < 0},
		{"TLSTimeout", t.TLSTimeout < 0},
		{"HeaderTimeout", t.HeaderTimeout < 0},
		{"IdleTimeout", t.IdleTimeout < 0},
		{"MaxIdlePerHost", t.MaxIdlePerHost < 0},
		{"MaxIdle", t.MaxIdle < 0},
		{"MaxHeaderBytes", t.MaxHeaderBytes < 0},
	} {
		if f.is {
			errs = append(errs, fmt.Errorf("%s must not be negative", f.name))
		}
	}
	return errors.Join(errs...)
}

func (t Transport) checkProxy() error {
	if t.Proxy == nil {
		return nil
	}
	switch t.Proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return errors.New("the scheme of Proxy must be http, https, socks5 or socks5h")
	}
	if t.Proxy.Hostname() == "" {
		return errors.New("a Proxy needs a host: write it as http://proxy.example:3128")
	}
	return nil
}

// checkExclusive refuses fields that would be without effect, since somebody
// relies on each of them.
func (t Transport) checkExclusive() error {
	addresses := []field{
		{"Private", len(t.Private) > 0},
		{"Deny", len(t.Deny) > 0},
		{"DenyOwn", t.DenyOwn},
		{"NAT64", len(t.NAT64) > 0},
		{"IPv4Only", t.IPv4Only},
	}
	dialing := append(slices.Clip(addresses),
		field{"Proxy", t.Proxy != nil},
		field{"DNSTimeout", t.DNSTimeout != 0},
		field{"ConnectTimeout", t.ConnectTimeout != 0})
	all := append(slices.Clip(dialing),
		field{"RootCAs", t.RootCAs != nil},
		field{"ClientCertificate", t.ClientCertificate != nil},
		field{"HTTP1Only", t.HTTP1Only},
		field{"TLSTimeout", t.TLSTimeout != 0},
		field{"HeaderTimeout", t.HeaderTimeout != 0},
		field{"IdleTimeout", t.IdleTimeout != 0},
		field{"MaxIdlePerHost", t.MaxIdlePerHost != 0},
		field{"MaxIdle", t.MaxIdle != 0},
		field{"MaxHeaderBytes", t.MaxHeaderBytes != 0},
		field{"DialContext", t.DialContext != nil})
	switch {
	case t.RoundTripper != nil:
		return without("RoundTripper", all)
	case t.DialContext != nil:
		return without("DialContext", dialing)
	case t.Proxy != nil:
		return without("Proxy", addresses)
	}
	return nil
}

// field is a field of a Transport, and whether it is what is asked: set, or
// negative.
type field struct {
	name string
	is   bool
}

func without(by string, fields []field) error {
	var errs []error
	for _, f := range fields {
		if f.is {
			errs = append(errs, fmt.Errorf("%s has no effect beside %s: leave it empty", f.name, by))
		}
	}
	return errors.Join(errs...)
}

// or returns v, or def where v is zero.
func or[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// String returns the name and what the transport opens, and no password.
func (t Transport) String() string {
	s := fmt.Sprintf("transport %q", t.Name)
	if len(t.Private) > 0 {
		s += fmt.Sprintf(" into %v", t.Private)
	}
	if t.Proxy != nil {
		s += " by proxy " + t.Proxy.Host
	}
	return s
}

// GoString is String: no verb shows more.
func (t Transport) GoString() string { return t.String() }

// Format is String for every verb.
func (t Transport) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue is String.
func (t Transport) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is String, so that JSON shows no more either. There is no way
// back: a transport is made by the host's code.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
