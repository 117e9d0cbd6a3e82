package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook/sqlstore"
)

// Writers of one process stand in line for SQLite's one lock: none is turned
// away and comes again, though this database waits for nobody.
func TestWritersStandInLine(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t, sqlstore.SQLite)
	plain := p.open(t)
	run(t, plain, sqlstore.Schema(sqlstore.SQLite))
	record := &tape{}
	db := sql.OpenDB(connector{d: &taped{Driver: plain.Driver(), tape: record}, dsn: patient(p.dsn, 0)})
	defer func() { _ = db.Close() }()
	s := bind(t, db, sqlstore.SQLite)
	const writers, each = 8, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := s.Enqueue(ctx, batch(fmt.Sprintf("%d_%d", w, i), "", "ep")); err != nil {
					t.Errorf("Enqueue = %v, want nil", err)
				}
			}
		})
	}
	all.Wait()
	begun := 0
	for _, r := range record.runs {
		if strings.HasPrefix(r.query, "BEGIN") {
			begun++
		}
	}
	if begun != writers*each {
		t.Errorf("%d transactions began for %d calls, want one each", begun, writers*each)
	}
}

// patient lets SQLite wait for a lock for so many milliseconds.
func patient(dsn string, ms int) string {
	return strings.Replace(dsn, "busy_timeout(10000)", fmt.Sprintf("busy_timeout(%d)", ms), 1)
}

// Who stands in line goes when the context ends.
func TestWriterLeavesTheLine(t *testing.T) {
	p := newPlace(t, sqlstore.SQLite)
	p.dsn = patient(p.dsn, 300)
	db := p.open(t)
	run(t, db, sqlstore.Schema(sqlstore.SQLite))
	s := bind(t, db, sqlstore.SQLite)
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // back to the pool
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var both sync.WaitGroup
	for i := range 2 { // the first waits for SQLite, the second in line
		both.Go(func() {
			if _, err := s.Enqueue(ctx, batch(strconv.Itoa(i), "", "ep")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Enqueue = %v, want DeadlineExceeded", err)
			}
		})
	}
	both.Wait()
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enqueue(context.Background(), batch("after", "", "ep")); err != nil {
		t.Errorf("Enqueue after that = %v, want nil", err)
	}
}
