package webhook //nolint:testpackage // how a failure is classed is not exported

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

func TestClassOf(t *testing.T) {
	alert := func(from string) error {
		return fmt.Errorf("post: %w", &net.OpError{Op: from, Err: errors.New("tls: protocol version not supported")})
	}
	for _, tt := range []struct {
		name string
		err  error
		want Class
	}{
		{name: "certificate", err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, want: TLSFailure},
		{name: "alert", err: tls.AlertError(70), want: TLSFailure},
		{name: "alert of the receiver", err: alert("remote error"), want: TLSFailure},
		{name: "alert of ours", err: alert("local error"), want: TLSFailure},
		{name: "no record", err: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, want: TLSFailure},
		{name: "reset", err: alert("read"), want: Unreachable},
		{name: "no such host", err: &net.DNSError{IsNotFound: true}, want: Unreachable},
		{name: "look-up timed out", err: &net.DNSError{IsTimeout: true}, want: TimedOut},
		{name: "dial timed out", err: &net.OpError{Op: "dial", Err: timeoutError{}}, want: TimedOut},
		{name: "broken off", err: io.ErrUnexpectedEOF, want: Unreachable},
		{name: "panic", err: fmt.Errorf("judge: %w", ErrPanic), want: Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := classOf(tt.err); got != tt.want {
				t.Errorf("classOf(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

// timeoutError is an error as net has them.
type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }
