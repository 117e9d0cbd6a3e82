package sqltest_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
)

// recorder is a transaction that writes down its statements.
type recorder struct {
	tx         *sql.Tx
	mu         sync.Mutex
	statements []string
}

func (r *recorder) note(query string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, query)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.statements)
	r.statements = nil
	return out
}

func (r *recorder) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r.note(query)
	return r.tx.ExecContext(ctx, query, args...)
}

func (r *recorder) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.note(query)
	return r.tx.QueryContext(ctx, query, args...)
}

func replaceOnce(s, old, with string) string { return strings.Replace(s, old, with, 1) }

func contains(s, part string) bool { return strings.Contains(s, part) }
