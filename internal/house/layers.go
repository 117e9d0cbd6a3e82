package house

import (
	"slices"
	"strings"
)

// Edge says that package From imports package To. Both are directories of
// the tree, slash-separated.
type Edge struct{ From, To string }

// The layers of the house, from the ground up. A package imports only what
// lies below it; the packages around webhook, the leaves, and the packages of
// the examples also know each other.
const (
	ground = iota // the package comment of the module
	leaf
	core // payload, retry, signer
	hub  // webhook
	around
	example
)

func layer(dir string) int {
	switch top, _, _ := strings.Cut(dir, "/"); {
	case top == "internal":
		return leaf
	case top == "payload" || top == "retry" || top == "signer":
		return core
	case dir == "webhook":
		return hub
	case top == "webhook":
		return around
	case top == "examples":
		return example
	}
	return ground
}

// Layers reports the edges of production code that point upwards. A package
// below internal/ may import what lies above it (a simulation does) as long
// as no package of the library needs it: then it is no leaf.
func Layers(edges []Edge) []Finding {
	leaves := reachedLeaves(edges)
	var found []Finding
	for _, e := range edges {
		from, to := layer(e.From), layer(e.To)
		switch {
		case from > to, e.From == e.To:
		case from == leaf && to == leaf:
		case from == leaf && !slices.Contains(leaves, e.From):
		case from == to && (from == around || from == example):
		default:
			found = append(found, Finding{Path: e.From, Text: "imports " + e.To + ", which does not lie below it"})
		}
	}
	return found
}

// reachedLeaves lists the internal packages that the library is built of.
func reachedLeaves(edges []Edge) []string {
	var reached []string
	for grown := true; grown; {
		grown = false
		for _, e := range edges {
			library := layer(e.From) >= core && layer(e.From) <= around
			if layer(e.To) == leaf && !slices.Contains(reached, e.To) &&
				(library || slices.Contains(reached, e.From)) {
				reached, grown = append(reached, e.To), true
			}
		}
	}
	return reached
}

// Edges lists the imports among the packages of the tree, tests left out.
func Edges(files []*File) []Edge {
	var edges []Edge
	for _, f := range files {
		if f.Test() {
			continue
		}
		for _, p := range f.Imports() {
			if to, ok := inTree(p); ok {
				edges = append(edges, Edge{From: f.Dir(), To: to})
			}
		}
	}
	return edges
}

func inTree(importPath string) (string, bool) {
	if importPath == Module {
		return "", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}
