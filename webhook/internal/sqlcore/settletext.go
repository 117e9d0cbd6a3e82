package sqlcore

func (st *statements) finishing(d Dialect) {
	// On PostgreSQL the clock is read behind the locks, and what somebody else has
	// claimed meanwhile is not locked. The CASE keeps the rows from being joined by
	// their tokens, of which a claim has one.
	st.settling = `SELECT ` + d.pick(`(SELECT {now})`, `{now}`, `{now}`) + `, d.id, q.token, q.seq, q.endpoint_id, q.lane, q.ready, q.attempts FROM ` +
		d.pick(d.rows("i t"), arrays("i t", "k i"), d.rows("i t")) + d.cross() +
		`outhook_delivery d` + d.force("id") + d.cross() + `outhook_queue q` + d.force("PRIMARY") +
		` WHERE d.id = j.i AND q.seq = d.seq AND q.state = 2` + d.pick(``, ` AND q.token = CASE WHEN d.id = j.i THEN j.k END`, ``) +
		` ORDER BY q.seq` + d.pick(``, ` FOR UPDATE OF q`, ` FOR UPDATE`)
	st.again = d.update("outhook_queue", []string{"s i", "c i", "a i", "u i"}, "t.seq = j.s",
		"state = 1", "token = NULL", "due = j.c", "ready = j.c", "attempts = t.attempts - j.a", "unsure = t.unsure * j.u")
	st.unqueue = d.remove("outhook_queue", "seq", "PRIMARY", "i")
	if d == PostgreSQL {
		st.unqueue = `WITH j AS MATERIALIZED (SELECT * FROM ` + d.rows("s i", "st i", "r t", "a i", "c i") + `),
 gone AS (DELETE FROM outhook_queue USING j WHERE outhook_queue.seq = j.s)
 INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT j.s, j.st, j.r, j.a, j.c FROM j`
	}
	st.newEndsAlike = `INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT value, ?2, ?3, ?4, ?5 FROM json_each(?1)`
	st.newAttempt = `INSERT INTO outhook_attempt (seq, record) VALUES (?, ?)`
	st.attempt = `INSERT INTO outhook_attempt (seq, record) SELECT j.s, j.r FROM ` + d.rows("s i", "r j")
	st.laneState = `SELECT ` + laneColumns + ` FROM ` + d.rows("e t") + d.cross() + `outhook_lane l WHERE l.endpoint_id = j.e`
	st.laneMake = `INSERT INTO outhook_lane (endpoint_id, due, park_until, hold, probe, failures, failing_since, failed_at)` +
		` SELECT j.e, NULL, 0, 0, 0, 0, 0, 0 FROM ` + d.rows("e t") + d.pick(` WHERE true`, ``, ``) + ` ORDER BY j.e` +
		d.upsert("endpoint_id", "endpoint_id = new(endpoint_id)")
	st.laneLock = `SELECT ` + laneColumns + ` FROM outhook_lane l` + d.force("PRIMARY") + ` WHERE l.endpoint_id IN (SELECT j.e FROM ` + d.rows("e t") + `) ORDER BY l.endpoint_id {lock}`
	if d != PostgreSQL {
		st.laneLock = `SELECT ` + laneColumns + ` FROM ` + d.rows("e t") + d.cross() + `outhook_lane l` + d.force("PRIMARY") + ` WHERE l.endpoint_id = j.e {lock}`
	}
	st.laneSet = d.update("outhook_lane", []string{"e t", "c i", "p i", "s i", "f i", "fs i", "fa i"}, "t.endpoint_id = j.e",
		"due = j.c", "probe = j.p", "probe_seq = j.s", "failures = j.f", "failing_since = j.fs", "failed_at = j.fa")
	st.cancel = `SELECT {now}, q.seq, q.endpoint_id, q.lane, q.state, q.attempts FROM outhook_queue q WHERE q.seq = (SELECT d.seq FROM outhook_delivery d WHERE d.id = ?) {lock}`
	st.extendLock = `SELECT {now}, j.n, q.seq, q.endpoint_id, q.ready FROM ` + d.rows("n i", "i t", "k i") + d.cross() + `outhook_delivery d` + d.force("id") + d.cross() +
		`outhook_queue q` + d.force("PRIMARY") + ` WHERE d.id = j.i AND q.seq = d.seq AND q.state = 2 AND q.token = j.k ORDER BY q.seq` + d.pick(``, ` FOR UPDATE OF q`, ` FOR UPDATE`)
	st.extend = d.update("outhook_queue", []string{"s i", "r i"}, "t.seq = j.s", "ready = j.r")
}

func (st *statements) parking(d Dialect) {
	rows := d.rows("e t", "c i", "u i", "h i", "p i")
	st.park = `INSERT INTO outhook_lane (endpoint_id, due, park_until, hold, probe, failures, failing_since, failed_at)` +
		` SELECT j.e, j.c, j.u, j.h, j.p, 0, 0, 0 FROM ` + rows + d.pick(` WHERE true`, ``, ``) + ` ORDER BY j.e` +
		d.upsert("endpoint_id", "due = new(due), park_until = new(park_until), hold = new(hold), probe = new(probe), probe_seq = NULL")
	st.parkMarks = `SELECT seq FROM outhook_mark WHERE lane IS NULL AND endpoint_id IN (SELECT j.e FROM ` + d.rows("e t") + `) {skip}`
	if d != PostgreSQL {
		st.parkMarks = `SELECT k.seq FROM ` + d.rows("e t") + d.cross() + `outhook_mark k` + d.force("outhook_mark_endpoint") + ` WHERE k.lane IS NULL AND k.endpoint_id = j.e {skip}`
	}
}
