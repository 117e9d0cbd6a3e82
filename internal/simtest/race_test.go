//go:build race

package simtest_test

// raced says that the race detector is on, under which a world takes six times
// as long.
const raced = true
