module github.com/outhook/outhook

go 1.25.0

require (
	github.com/cenkalti/backoff/v4 v4.3.0
	github.com/go-playground/form/v4 v4.2.1
	golang.org/x/sync v0.18.0
)
