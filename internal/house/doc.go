// Package house holds the rules of the house that a program can judge: which
// package may import which, what the library never does, how long a file may
// be. Its tests hold the checkout to them, and hold the rules themselves to
// planted violations.
//
// The rules read source text with go/ast and need nothing but the standard
// library. They also work in a tree without git, and on packages that do not
// compile yet.
package house
