package sqltest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook/sqlstore"
)

// BenchmarkFloor is what BenchmarkDrain/PostgreSQL/workers=1 is to be compared
// with: claims and settles of 500 by hand, each one statement, in due order
// alone, with the same bodies in a table of their own and an end for each.
func BenchmarkFloor(b *testing.B) {
	ctx := context.Background()
	_, db, _ := store(b, sqlstore.PostgreSQL)
	run(b, db, `CREATE TABLE body (id bigint PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE job (id bigint PRIMARY KEY, endpoint text NOT NULL, due bigint NOT NULL, attempts int NOT NULL DEFAULT 0, token bigint);
CREATE INDEX job_due ON job (due);
CREATE TABLE done (id bigint PRIMARY KEY, ended timestamptz NOT NULL, state int NOT NULL);
`)
	const n = 20000
	var busy time.Duration
	from := 0
	for b.Loop() {
		run(b, db, fmt.Sprintf(`INSERT INTO body SELECT g, convert_to(repeat('x', 240), 'UTF8') FROM generate_series(%d, %d) g;
INSERT INTO job SELECT g, 'ep-' || g %% 1000, g FROM generate_series(%d, %d) g;
`, from, from+n-1, from, from+n-1))
		from += n
		start := time.Now()
		for range n / 500 {
			rows, err := db.QueryContext(ctx, `UPDATE job AS t SET due = t.due + 1000000000, attempts = t.attempts + 1, token = 1
				FROM (SELECT id FROM job WHERE due < 1000000000 ORDER BY due LIMIT 500 FOR UPDATE SKIP LOCKED) x, body WHERE t.id = x.id AND body.id = t.id
				RETURNING t.id, t.endpoint, body.data`)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = rows.Close() }) // after b.Fatal; else it is closed at its end
			ids := []byte{'{'}
			for rows.Next() {
				var id int64
				var endpoint string
				var data []byte
				if err := rows.Scan(&id, &endpoint, &data); err != nil {
					b.Fatal(err)
				}
				ids = fmt.Appendf(ids, "%d,", id)
			}
			if err := rows.Err(); err != nil {
				b.Fatal(err)
			}
			ids[len(ids)-1] = '}'
			if _, err := db.ExecContext(ctx, `WITH gone AS (DELETE FROM job WHERE id = ANY($1::bigint[]) AND token = 1 RETURNING id)
				INSERT INTO done SELECT id, now(), 4 FROM gone`, string(ids)); err != nil {
				b.Fatal(err)
			}
		}
		busy += time.Since(start)
	}
	b.ReportMetric(float64(n*b.N)/busy.Seconds(), "deliveries/s")
}
