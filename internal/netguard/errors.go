package netguard

import "errors"

// ErrRefused matches, by errors.Is, every error that says that the guard
// refused an address: no packet went to it. A *RefusedError is found in it by
// errors.As, also through *net.OpError and *url.Error.
var ErrRefused = errors.New("refused by the address policy")

// RefusedError says why the guard let no connection happen. Its text is for
// operators: it names addresses of the inner network, which would make a
// lookup service of us if customers could read it. A customer is told what he
// is told about a host that cannot be reached.
type RefusedError struct {
	// Address is what the guard was given, an address or address:port.
	Address string
	// Reason says which rule it broke.
	Reason string
}

// Error implements error.
func (r *RefusedError) Error() string {
	return ErrRefused.Error() + ": " + quote(r.Address) + " " + r.Reason
}

// Is reports whether target is [ErrRefused].
func (r *RefusedError) Is(target error) bool { return target == ErrRefused }

// URLError says which rule a URL breaks, and how to mend it. It never holds
// the URL's query, userinfo, fragment or path.
type URLError struct {
	// Rule is the stable name of the rule, as in "userinfo".
	Rule string
	// Detail is a sentence for the one who typed the URL.
	Detail string
}

// Error implements error.
func (e *URLError) Error() string { return "invalid url (" + e.Rule + "): " + e.Detail }
