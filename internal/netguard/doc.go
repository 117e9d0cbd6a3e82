// Package netguard keeps requests to URLs that strangers chose on the public
// internet.
//
// It judges twice. [CheckURL] is pure code that runs before anything is looked
// up: it refuses a URL that two parsers could read in two ways, and a literal
// address that the guard would refuse. [Guard.Control] runs inside the dialer,
// after the name was resolved and before each connect, on the very address
// that the kernel is about to be given; so a name that changes its answer
// between the two (DNS rebinding) gains nothing. [Dialer] ties the guard to
// Go's own resolver and puts a time limit on each phase.
//
// An address is public when it is in 2000::/3 or in IPv4 space and in none of
// the special-purpose blocks of the IANA registries (2025-10-09), nor in
// 168.63.129.16/32, the host agent of a large cloud. IPv4 inside IPv6
// (::ffff:0:0/96) is judged as IPv4. Two things cannot be told from an address:
// ISATAP interface identifiers, and a network's own NAT64 prefix inside global
// space. Policy.Deny and Policy.NAT64 are for those who have them.
//
// Everything here may be used concurrently.
package netguard
