package sqlcore

// historyFrom is where deliveries are read for the history; it goes on with
// WHERE.
const historyFrom = `SELECT ` + columns + ended + `q.attempts, q.unsure, q.due, q.ready, q.state, l.hold, l.park_until, {now} FROM outhook_delivery d` +
	` LEFT JOIN outhook_final f ON f.seq = d.seq LEFT JOIN outhook_queue q ON q.seq = d.seq LEFT JOIN outhook_lane l ON l.endpoint_id = d.endpoint_id`

// historyState is the state as record.shown has it.
const historyState = `CASE WHEN f.state IS NOT NULL THEN f.state WHEN q.state = 2 AND q.ready > {now} THEN 2 WHEN l.hold = 1 AND l.park_until > {now} THEN 3 ELSE 1 END`

func (st *statements) remembering(d Dialect) {
	st.delivery = historyFrom + ` WHERE d.id = ?`
	st.attempts = `SELECT d.id, d.message_id, d.endpoint_id, a.record FROM outhook_delivery d JOIN outhook_attempt a ON a.seq = d.seq WHERE d.id = ? ORDER BY a.id`
	st.counts = `SELECT {now}, COUNT(*), COUNT(CASE WHEN q.state = 2 AND q.ready > {now} THEN 1 END),` +
		` MIN(CASE WHEN q.ready <= {now} AND (l.endpoint_id IS NULL OR l.park_until <= {now} AND l.probe_seq IS NULL) THEN q.ready END)` +
		` FROM outhook_queue q LEFT JOIN outhook_lane l ON l.endpoint_id = q.endpoint_id`
	st.finals = `SELECT ` + columns + ended + `NULL, NULL, NULL, NULL, NULL, f.num FROM outhook_final f` + d.cross() + `outhook_delivery d WHERE d.seq = f.seq AND f.num > # ORDER BY f.num LIMIT #`
	st.feedLock = `SELECT feed FROM outhook_schema {lock}`
	st.feedNew = `SELECT id FROM outhook_final WHERE num IS NULL ORDER BY id LIMIT #`
	st.feedNext = d.update("outhook_final", []string{"s i", "c i"}, "t.id = j.s", "num = j.c")
	st.feedSet = `UPDATE outhook_schema SET feed = #`
}

func (st *statements) pruning(d Dialect) {
	st.oldest = `SELECT id, seq, ended FROM outhook_final ORDER BY id LIMIT # {skip}`
	st.keepFrom = `SELECT id FROM outhook_final ORDER BY id DESC LIMIT 1 OFFSET #`
	st.goneOf = `SELECT DISTINCT d.message_id FROM ` + d.rows("s i") + d.cross() + `outhook_delivery d WHERE d.seq = j.s`
	st.goneAttempts = d.remove("outhook_attempt", "seq", "outhook_attempt_delivery", "i")
	st.goneDeliveries = d.remove("outhook_delivery", "seq", "PRIMARY", "i")
	st.goneFinals = d.remove("outhook_final", "id", "PRIMARY", "i")
	st.messageLock = `SELECT m.id FROM outhook_message m WHERE m.id IN (SELECT j.e FROM ` + d.rows("e t") + `) {skip}`
	if d != PostgreSQL {
		st.messageLock = `SELECT m.id FROM ` + d.rows("e t") + d.cross() + `outhook_message m` + d.force("PRIMARY") + ` WHERE m.id = j.e {skip}`
	}
	st.message = `SELECT j.e FROM ` + d.rows("e t") + ` WHERE NOT EXISTS (SELECT 1 FROM outhook_delivery d WHERE d.message_id = j.e)`
	st.goneMessages = d.remove("outhook_message", "id", "PRIMARY", "t")
}

func (st *statements) registering(d Dialect) {
	const columns = `SELECT e.id, e.status, e.reason, e.record`
	const read = columns + ` FROM `
	st.match = columns + d.pick(``, `, `+version, ``) + ` FROM ` + d.rows("e t") + d.cross() + `outhook_endpoint e WHERE e.scope = j.e ORDER BY e.seq`
	st.endpoints = read + d.rows("e t") + d.cross() + `outhook_endpoint e WHERE e.id = j.e`
	st.list = read + `outhook_endpoint e WHERE e.scope = ? ORDER BY e.seq`
	st.disable = `UPDATE outhook_endpoint SET status = 3, reason = ? WHERE id = ? AND status <> 3`
	const known = `SELECT id, scope, ident FROM outhook_endpoint WHERE `
	st.byID = d.pick(known+`id = ? UNION `+known+`ident = ?`, known+`id = ? OR ident = ? {lock}`, known+`id = ? OR ident = ? {lock}`)
	st.insertEndpoint = `INSERT INTO outhook_endpoint (id, scope, ident, status, reason, record) VALUES (?, ?, ?, #, ?, ?)` +
		d.pick(` ON CONFLICT DO NOTHING`, ` ON CONFLICT DO NOTHING`, ` ON DUPLICATE KEY UPDATE seq = seq`)
	st.replaceEndpoint = `UPDATE outhook_endpoint SET ident = ?, status = #, reason = ?, record = ? WHERE id = ?`
	st.setStatus = `UPDATE outhook_endpoint SET status = #, reason = ? WHERE id = ?`
	st.removeEndpoint = `DELETE FROM outhook_endpoint WHERE id = ?`
	st.rateMake = `INSERT INTO outhook_rate (endpoint_id, grants) VALUES (?, '[]')` + d.upsert("endpoint_id", "endpoint_id = new(endpoint_id)")
	st.rateGet = `SELECT {now}, grants FROM outhook_rate WHERE endpoint_id = ? {lock}`
	st.ratePut = `UPDATE outhook_rate SET grants = ? WHERE endpoint_id = ?`
}
