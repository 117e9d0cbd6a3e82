// Package hostile holds the tests that let a whole Dispatcher loose on a
// hostile world: receivers that do their worst, endpoints that hang by the
// thousand, secrets that try to leave, and ends in the middle of it all.
//
// It has no code but tests. OUTHOOK_FULL=1 asks for their long forms, which
// print what they measured.
package hostile
