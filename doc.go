// Package outhook is an embeddable library for outbound webhooks: a Go
// service hands a typed event to a dispatcher, and outhook brings it, as a
// form or as JSON, to every URL that the service's customers registered.
//
// The packages, in reading order:
//
//   - webhook is the dispatcher, its vocabulary and the store contract;
//   - payload encodes events into bodies;
//   - retry says when a delivery is tried again and when it is over;
//   - signer signs requests and verifies them on the receiving side.
//
// Start with the documentation of package webhook.
package outhook
