package signer

import (
	"context"
	"errors"
)

// Rejecter is what a Signer also is when it keeps a credential that a receiver
// may refuse before its end, such as a cached token. The dispatcher calls
// Rejected when an attempt was answered with 401, with the request that the
// signer had signed; the signer drops the credential if it is still the one that
// the request carried, so that the next attempt gets a new one. It reports
// whether that one is worth an attempt at once, because the credential had
// served for a while. It is safe for concurrent use and does no I/O.
type Rejecter interface {
	Rejected(r *Request) bool
}

// Masker is what a Signer also is when it sends a credential: MaskSent replaces
// by "***" what b, an answer to r, shows of the credential that r carried, be it
// the signer's own, the request's, or a token. The result is b itself when
// nothing was found, else a copy. It is safe for concurrent use and does no I/O.
type Masker interface {
	MaskSent(b []byte, r *Request) []byte
}

// All signs with each of the signers in order, for example a legacy header
// beside Standard Webhooks while receivers migrate. Each takes from the
// request's keys those of its kind. The first error ends it; Rejected,
// MaskSent and CheckKeys reach all. A nil among them is left out.
func All(signers ...Signer) Signer {
	a := &all{}
	for _, s := range signers {
		if s != nil {
			a.signers = append(a.signers, s)
		}
	}
	return a
}

// all is used by a pointer, so that hosts can compare signers.
type all struct{ signers []Signer }

// Sign implements Signer.
func (a *all) Sign(ctx context.Context, r *Request) error {
	for _, s := range a.signers {
		if err := s.Sign(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Rejected implements Rejecter: true where one of them says so.
func (a *all) Rejected(r *Request) bool {
	again := false
	for _, s := range a.signers {
		if rej, ok := s.(Rejecter); ok && rej.Rejected(r) {
			again = true
		}
	}
	return again
}

// MaskSent implements Masker.
func (a *all) MaskSent(b []byte, r *Request) []byte {
	for _, s := range a.signers {
		if m, ok := s.(Masker); ok {
			b = m.MaskSent(b, r)
		}
	}
	return b
}

// CheckKeys implements KeyChecker.
func (a *all) CheckKeys(keys []Key) error {
	var errs []error
	for _, s := range a.signers {
		if c, ok := s.(KeyChecker); ok {
			errs = append(errs, c.CheckKeys(keys))
		}
	}
	return errors.Join(errs...)
}
