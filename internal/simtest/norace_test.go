//go:build !race

package simtest_test

// raced says that the race detector is on.
const raced = false
