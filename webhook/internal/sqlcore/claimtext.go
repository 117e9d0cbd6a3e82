package sqlcore

const laneColumns = `l.endpoint_id, l.due, l.park_until, l.hold, l.probe, l.probe_seq, l.failures, l.failing_since, l.failed_at`

func (st *statements) claiming(d Dialect) {
	st.peek = `SELECT {now}, (SELECT MIN(due) FROM outhook_mark), (SELECT MIN(due) FROM outhook_lane WHERE due IS NOT NULL)`
	const mark = `endpoint_id, lane, due, level, horizon, `
	const oldest = ` WHERE due <= # ORDER BY due, seq LIMIT # `
	st.marks = d.pick(
		`SELECT seq, `+mark+`0, 0 FROM outhook_mark`+d.force("outhook_mark_due")+oldest,
		`WITH n AS MATERIALIZED (SELECT {now} AS t), gone AS (DELETE FROM outhook_mark AS k USING (SELECT ctid AS place FROM outhook_mark`+
			` WHERE due <= (SELECT n.t FROM n) ORDER BY due, seq LIMIT # {skip}) x WHERE k.ctid = x.place RETURNING k.seq, `+mark+
			`pg_snapshot_xmin(pg_current_snapshot())::text::bigint, txid_current())`+
			` SELECT n.t, gone.* FROM n LEFT JOIN gone ON true`,
		`SELECT seq, `+mark+`0, 0 FROM outhook_mark`+d.force("outhook_mark_due")+oldest+`{skip}`)
	st.promoteRead = `SELECT j.n, (SELECT q.seq FROM outhook_queue q` + d.force("outhook_queue_lane") +
		` WHERE q.endpoint_id = j.e AND q.lane = j.k ORDER BY q.seq LIMIT 1) FROM ` + d.rows("n i", "e t", "k t")
	st.promote = d.update("outhook_queue", []string{"s i", "r i"}, "t.seq = j.s AND t.ready IS NULL", "ready = j.r")
	// What a transaction left that outlasted a park was due before the park's end.
	st.markLanes = `INSERT INTO outhook_lane (endpoint_id, due, park_until, hold, probe, failures, failing_since, failed_at)` +
		` SELECT j.e, j.c, 0, 0, 0, 0, 0, 0 FROM ` + d.rows("e t", "c i") + d.pick(" WHERE true", "", "") + ` ORDER BY j.e` +
		d.pick(
			` ON CONFLICT (endpoint_id) DO UPDATE SET due = min(coalesce(due, excluded.due), excluded.due) WHERE outhook_lane.park_until <= {now}`,
			` ON CONFLICT (endpoint_id) DO UPDATE SET due = LEAST(outhook_lane.due, excluded.due) WHERE outhook_lane.park_until <= {now}`,
			` ON DUPLICATE KEY UPDATE due = IF(outhook_lane.park_until <= {now}, LEAST(COALESCE(outhook_lane.due, VALUES(due)), VALUES(due)), outhook_lane.due)`)
	st.markCheck = `SELECT j.e, (SELECT q.ready FROM outhook_queue q` + d.force("outhook_queue_ready") + ` WHERE q.endpoint_id = j.e AND q.ready >= 0 ORDER BY q.ready LIMIT 1), ` +
		`(SELECT l.due FROM outhook_lane l WHERE l.endpoint_id = j.e) FROM ` + d.rows("e t")
	st.marksGone = d.remove("outhook_mark", "seq", "PRIMARY", "i")
}

func (st *statements) visiting(d Dialect) {
	st.lanes = `SELECT ` + laneColumns + ` FROM outhook_lane l` + d.force("outhook_lane_due") + ` WHERE l.due <= #` // goes on with the skipped
	st.skip = `{skip}`
	// Not EXISTS with a smaller seq: MariaDB would read the whole lane.
	row := `q.seq, q.endpoint_id, q.lane, q.state, q.unsure, q.ready, q.size, CASE WHEN q.lane IS NULL OR q.seq = (SELECT x.seq FROM outhook_queue x` +
		d.force("outhook_queue_lane") + ` WHERE x.endpoint_id = q.endpoint_id AND x.lane = q.lane ORDER BY x.seq LIMIT 1) THEN 1 ELSE 0 END`
	const first = ` AND q.ready >= 0 ORDER BY q.ready, q.seq LIMIT `
	st.laneRows = d.pick(
		`SELECT `+row+` FROM `+d.rows("e t")+` CROSS JOIN json_each((SELECT json_group_array(z.seq) FROM (SELECT y.seq FROM outhook_queue y`+
			d.force("outhook_queue_ready")+` WHERE y.endpoint_id = j.e AND y.ready >= 0 ORDER BY y.ready, y.seq LIMIT ?) z)) k CROSS JOIN outhook_queue q WHERE q.seq = k.value`,
		`SELECT r.* FROM `+d.rows("e t")+` CROSS JOIN LATERAL (SELECT `+row+` AS head FROM outhook_queue q WHERE q.endpoint_id = j.e`+first+`#) r`,
		// Without LATERAL: one SELECT a lane, joined by UNION ALL.
		`(SELECT `+row+` FROM outhook_queue q FORCE INDEX (outhook_queue_ready) WHERE q.endpoint_id = ?`+first+`?)`)
	st.probes = `SELECT q.seq, q.state, q.ready FROM ` + d.rows("s i") + d.cross() + `outhook_queue q WHERE q.seq = j.s`
	st.demote = d.update("outhook_queue", []string{"s i"}, "t.seq = j.s AND t.state = 1", "ready = NULL")
	st.lockRows = `SELECT q.seq FROM ` + d.rows("s i") + d.cross() + `outhook_queue q` + d.force("PRIMARY") + ` WHERE q.seq = j.s AND q.ready <= # {skip}`
	st.doubt = d.update("outhook_queue", []string{"s i"}, "t.seq = j.s", "unsure = 1")
	st.lease = d.pick(
		`UPDATE outhook_queue SET state = 2, ready = ?2, token = ?3, attempts = attempts + 1 WHERE seq = ?1`,
		`UPDATE outhook_queue AS t SET state = 2, unsure = y.u, ready = #, token = #, attempts = t.attempts + 1 FROM (SELECT x.ctid AS place, x.seq, j.u FROM `+
			arrays("s i", "u i")+` JOIN outhook_queue x ON x.seq = j.s WHERE x.ready <= # FOR UPDATE OF x SKIP LOCKED) y, outhook_delivery d`+
			` WHERE t.ctid = y.place AND d.seq = y.seq RETURNING `+columns+`t.attempts, t.due`,
		d.update("outhook_queue", []string{"s i"}, "t.seq = j.s", "state = 2", "ready = ?", "token = ?", "attempts = t.attempts + 1"))
	st.leased = `SELECT ` + columns + `q.attempts, q.due FROM ` + d.rows("s i") + d.cross() + `outhook_queue q` + d.cross() + `outhook_delivery d WHERE q.seq = j.s AND d.seq = j.s`
	ids := d.rows("e t")
	const message = `SELECT m.id, m.type, m.happened, m.event_id, m.source, m.bodies, m.data FROM `
	if d == PostgreSQL {
		ids = arrays("e t")
		st.messagesOf = message + `(SELECT DISTINCT d.message_id FROM ` + arrays("s i") + ` JOIN outhook_delivery d ON d.seq = j.s) x JOIN outhook_message m ON m.id = x.message_id`
	}
	st.messages = message + ids + d.cross() + `outhook_message m WHERE m.id = j.e`
	st.lanesDone = d.update("outhook_lane", []string{"e t", "c i", "p i"}, "t.endpoint_id = j.e", "due = j.c", "probe_seq = j.p")
	st.lanesGone = d.remove("outhook_lane", "endpoint_id", "PRIMARY", "t")
	st.sweep = `SELECT x.seq, x.endpoint_id, x.lane, x.ready, l.due, l.park_until, l.probe, CASE WHEN x.lane IS NULL OR x.ready IS NOT NULL OR x.seq <>` +
		` (SELECT y.seq FROM outhook_queue y` + d.force("outhook_queue_lane") + ` WHERE y.endpoint_id = x.endpoint_id AND y.lane = x.lane ORDER BY y.seq LIMIT 1) THEN 0 ELSE 1 END` +
		` FROM (SELECT seq, endpoint_id, lane, ready FROM outhook_queue WHERE seq > # ORDER BY seq LIMIT 16) x` +
		` LEFT JOIN outhook_lane l ON l.endpoint_id = x.endpoint_id ORDER BY x.seq`
}
