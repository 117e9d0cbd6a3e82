//go:build race

package signer_test

// raceEnabled tells that sync.Pool drops some of what it is given, on purpose.
const raceEnabled = true
