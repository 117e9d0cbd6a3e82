package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook/sqlstore"
)

// handSchema has the tables that a delivery's rows are in, with the columns and
// the indexes that the product's have. What is settled leaves the queue, and
// has its end and its attempt in two tables that only grow.
func handSchema(d sqlstore.Dialect) string {
	id, text, blob, serial := "VARBINARY(255)", "LONGTEXT", "LONGBLOB", "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
	switch d {
	case sqlstore.SQLite:
		id, text, blob, serial = "TEXT", "TEXT", "BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"
	case sqlstore.PostgreSQL:
		id, text, blob, serial = `text COLLATE "C"`, "text", "bytea", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	case sqlstore.MySQL:
	}
	return strings.NewReplacer("{id}", id, "{text}", text, "{blob}", blob, "{serial}", serial).Replace(`
CREATE TABLE hand_message (id {id} NOT NULL PRIMARY KEY, type {id} NOT NULL, happened BIGINT NOT NULL, data {blob} NOT NULL);
CREATE TABLE hand_delivery (seq BIGINT NOT NULL PRIMARY KEY, id {id} NOT NULL UNIQUE, message_id {id} NOT NULL, endpoint_id {id} NOT NULL, policy {id} NOT NULL, created BIGINT NOT NULL);
CREATE INDEX hand_delivery_created ON hand_delivery (created, seq);
CREATE INDEX hand_delivery_endpoint ON hand_delivery (endpoint_id, created, seq);
CREATE INDEX hand_delivery_message ON hand_delivery (message_id, created, seq);
CREATE TABLE hand_queue (seq BIGINT NOT NULL PRIMARY KEY, endpoint_id {id} NOT NULL, state SMALLINT NOT NULL, attempts BIGINT NOT NULL, ready BIGINT NOT NULL, token BIGINT);
CREATE INDEX hand_queue_ready ON hand_queue (endpoint_id, ready, seq);
CREATE TABLE hand_final (id {serial}, seq BIGINT NOT NULL, state SMALLINT NOT NULL, attempts BIGINT NOT NULL, ended BIGINT NOT NULL);
CREATE INDEX hand_final_seq ON hand_final (seq);
CREATE TABLE hand_attempt (id {serial}, seq BIGINT NOT NULL, record {text} NOT NULL);
CREATE INDEX hand_attempt_delivery ON hand_attempt (seq, id);
`)
}

func messageID(seq int) string { return fmt.Sprintf("msg_%026d", seq) }

// leaseFor is how long a claim lasts, in the unit of hand_queue.ready.
const leaseFor = int64(time.Minute / time.Microsecond)

// pgTable is the hand-written queue on PostgreSQL, over pgx.
type pgTable struct {
	pool   *pgxpool.Pool
	place  *place
	cursor int64
}

func openPostgresTable() func(context.Context) (table, error) {
	return func(ctx context.Context) (table, error) {
		p, err := newPlace(ctx, sqlstore.PostgreSQL)
		if err != nil {
			return nil, err
		}
		db, err := p.open(ctx, handSchema(p.dialect))
		if err != nil {
			return nil, err
		}
		pool, err := p.pool(ctx, nil)
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, errors.Join(err, p.drop())
		}
		return &pgTable{pool: pool, place: p}, nil
	}
}

func (t *pgTable) end() error {
	t.pool.Close()
	return t.place.drop()
}

func (t *pgTable) fill(ctx context.Context, n int, body []byte) error {
	now := time.Now().UnixMicro()
	copyInto := func(name, columns string, row func(seq int) []any) error {
		_, err := t.pool.CopyFrom(ctx, pgx.Identifier{name}, strings.Fields(columns),
			pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i + 1), nil }))
		return err
	}
	return errors.Join(
		copyInto("hand_message", "id type happened data", func(seq int) []any { return []any{messageID(seq), "bench.event", now, body} }),
		copyInto("hand_delivery", "seq id message_id endpoint_id policy created", func(seq int) []any {
			return []any{int64(seq), fmt.Sprintf("dlv_%026d", seq), messageID(seq), "ep", stored, now}
		}),
		copyInto("hand_queue", "seq endpoint_id state attempts ready", func(seq int) []any { return []any{int64(seq), "ep", int16(1), int64(0), now} }),
		t.calm(ctx),
	)
}

func (t *pgTable) calm(ctx context.Context) error {
	_, err := t.pool.Exec(ctx, "ANALYZE")
	if err == nil {
		_, err = t.pool.Exec(ctx, "CHECKPOINT")
	}
	return err
}

// claim goes on behind the last row that it saw, so that it does not read the
// dead rows before it again.
func (t *pgTable) claim(ctx context.Context, limit int) ([]claimed, error) {
	now := time.Now().UnixMicro()
	rows, err := t.pool.Query(ctx, `
WITH c AS (SELECT seq FROM hand_queue WHERE seq > $1 AND ready <= $2 ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED),
 u AS (UPDATE hand_queue q SET state = 2, ready = $4, token = $5, attempts = attempts + 1 FROM c WHERE q.seq = c.seq RETURNING q.seq, q.token)
SELECT u.seq, u.token, m.data FROM u JOIN hand_delivery d ON d.seq = u.seq JOIN hand_message m ON m.id = d.message_id`,
		t.cursor, now, limit, now+leaseFor, now)
	if err != nil {
		return nil, err
	}
	got, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c claimed, err error) {
		err = r.Scan(&c.seq, &c.token, &c.body)
		return c, err
	})
	for _, c := range got {
		t.cursor = max(t.cursor, c.seq)
	}
	return got, err
}

func (t *pgTable) settle(ctx context.Context, done []settled) error {
	seqs, tokens, records := make([]int64, len(done)), make([]int64, len(done)), make([]string, len(done))
	for i, d := range done {
		seqs[i], tokens[i], records[i] = d.Seq, d.Token, d.Record
	}
	tag, err := t.pool.Exec(ctx, `
WITH j AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS j (seq, token, record)),
 gone AS (DELETE FROM hand_queue q USING j WHERE q.seq = j.seq AND q.token = j.token AND q.state = 2 RETURNING q.seq, q.attempts, j.record),
 ends AS (INSERT INTO hand_final (seq, state, attempts, ended) SELECT seq, 4, attempts, $4 FROM gone)
INSERT INTO hand_attempt (seq, record) SELECT seq, record FROM gone`,
		seqs, tokens, records, time.Now().UnixMicro())
	if err == nil && int(tag.RowsAffected()) != len(done) {
		err = fmt.Errorf("settled %d rows of %d", tag.RowsAffected(), len(done))
	}
	return err
}

// sqlTable is the hand-written queue on SQLite and MariaDB.
type sqlTable struct {
	db     *sql.DB
	place  *place
	cursor int64
}

func openSQLTable(d sqlstore.Dialect) func(context.Context) (table, error) {
	return func(ctx context.Context) (table, error) {
		p, err := newPlace(ctx, d)
		if err != nil {
			return nil, err
		}
		db, err := p.open(ctx, handSchema(d))
		if err != nil {
			return nil, err
		}
		if d == sqlstore.SQLite {
			db.SetMaxOpenConns(1) // there is one writer, and waiting here is cheaper than in SQLite
		}
		return &sqlTable{db: db, place: p}, nil
	}
}

func (t *sqlTable) end() error { return errors.Join(t.db.Close(), t.place.drop()) }

// each is a table expression for the rows of a JSON argument.
func (t *sqlTable) each() string {
	if t.place.dialect == sqlstore.SQLite {
		return "(SELECT value->>'s' AS s, value->>'k' AS k, value->>'r' AS r FROM json_each(?)) j"
	}
	return "JSON_TABLE(?, '$[*]' COLUMNS (s BIGINT PATH '$.s', k BIGINT PATH '$.k', r LONGTEXT PATH '$.r')) j"
}

// tx runs statements in one transaction.
func (t *sqlTable) tx(ctx context.Context, f func(tx *sql.Tx) error) error {
	var o *sql.TxOptions
	if t.place.dialect == sqlstore.MySQL {
		o = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	tx, err := t.db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (t *sqlTable) fill(ctx context.Context, n int, body []byte) error {
	const batch = 1000
	for first := 1; first <= n; first += batch {
		err := t.tx(ctx, func(tx *sql.Tx) error { return t.fillSome(ctx, tx, first, min(batch, n-first+1), body) })
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return calm(ctx, t.db, t.place.dialect)
}

func (t *sqlTable) fillSome(ctx context.Context, tx *sql.Tx, first, count int, body []byte) error {
	now := time.Now().UnixMicro()
	for _, x := range []struct {
		into, values string
		row          func(seq int) []any
	}{
		{"hand_message (id, type, happened, data)", "(?, ?, ?, ?)", func(seq int) []any { return []any{messageID(seq), "bench.event", now, body} }},
		{"hand_delivery (seq, id, message_id, endpoint_id, policy, created)", "(?, ?, ?, ?, ?, ?)", func(seq int) []any {
			return []any{seq, fmt.Sprintf("dlv_%026d", seq), messageID(seq), "ep", stored, now}
		}},
		{"hand_queue (seq, endpoint_id, state, attempts, ready)", "(?, ?, 1, 0, ?)", func(seq int) []any { return []any{seq, "ep", now} }},
	} {
		args := make([]any, 0, 6*count)
		for i := range count {
			args = append(args, x.row(first+i)...)
		}
		//nolint:gosec // what is put together is our own
		text := "INSERT INTO " + x.into + " VALUES " + strings.TrimSuffix(strings.Repeat(x.values+",", count), ",")
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqlTable) claim(ctx context.Context, limit int) (got []claimed, err error) {
	now := time.Now().UnixMicro()
	lock := ""
	if t.place.dialect == sqlstore.MySQL {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	err = t.tx(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT q.seq, m.data FROM hand_queue q JOIN hand_delivery d ON d.seq = q.seq JOIN hand_message m ON m.id = d.message_id
 WHERE q.seq > ? AND q.ready <= ? ORDER BY q.seq LIMIT ?`+lock, t.cursor, now, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c := claimed{token: now}
			if err := rows.Scan(&c.seq, &c.body); err != nil {
				return err
			}
			got = append(got, c)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(got) == 0 {
			return err
		}
		last := got[len(got)-1].seq
		_, err = tx.ExecContext(ctx, `UPDATE hand_queue SET state = 2, ready = ?, token = ?, attempts = attempts + 1 WHERE seq > ? AND seq <= ? AND ready <= ?`,
			now+leaseFor, now, t.cursor, last, now)
		t.cursor = last
		return err
	})
	return got, err
}

func (t *sqlTable) settle(ctx context.Context, done []settled) error {
	arg, err := json.Marshal(done)
	if err != nil {
		return err
	}
	// MariaDB would look through the whole queue for each row of a subquery.
	//nolint:gosec // what is put together is our own
	each, with, remove := t.each(), " JOIN ", `DELETE FROM hand_queue WHERE seq IN (SELECT j.s FROM `+t.each()+`)`
	if t.place.dialect == sqlstore.MySQL {
		with, remove = " STRAIGHT_JOIN ", `DELETE q FROM `+each+` STRAIGHT_JOIN hand_queue q ON q.seq = j.s`
	}
	return t.tx(ctx, func(tx *sql.Tx) error {
		//nolint:gosec // what is put together is our own
		if _, err := tx.ExecContext(ctx, `INSERT INTO hand_final (seq, state, attempts, ended) SELECT q.seq, 4, q.attempts, ? FROM `+each+
			with+`hand_queue q ON q.seq = j.s AND q.token = j.k AND q.state = 2`, time.Now().UnixMicro(), string(arg)); err != nil {
			return err
		}
		//nolint:gosec // what is put together is our own
		if _, err := tx.ExecContext(ctx, `INSERT INTO hand_attempt (seq, record) SELECT j.s, j.r FROM `+each, string(arg)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, remove, string(arg))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || int(n) != len(done) {
			return errors.Join(err, fmt.Errorf("settled %d rows of %d", n, len(done)))
		}
		return nil
	})
}
