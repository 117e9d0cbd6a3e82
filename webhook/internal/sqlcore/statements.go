package sqlcore

// statements are the texts of one dialect, made once.
type statements struct {
	version, clock, begin string
	planAnew, outgrown    string // PostgreSQL only

	// Enqueue.
	enqueue, enqueueOne                       string // PostgreSQL: all in one
	existing                                  string
	newDeliveries, newSeqs, newMessages       string
	heads, awake, newQueue, newMarks, newEnds string
	closed, newTaken, taken                   string

	// Claim.
	peek, marks, promoteRead, promote, markLanes, markCheck, marksGone string
	lanes, laneRows, probes, demote, lockRows, doubt, lease, leased    string
	skip                                                               string // the end of lanes
	messages, messagesOf, lanesDone, lanesGone, sweep                  string

	// Settle, Cancel, Extend, Park.
	settleOnce                                                                                          string // PostgreSQL only
	settling, again, unqueue, newEndsAlike, attempt, newAttempt, laneState, laneMake, laneLock, laneSet string
	cancel, extendLock, extend, park, parkMarks                                                         string

	// History.
	delivery, attempts, message, counts                    string
	finals, feedLock, feedNew, feedSet, feedNext           string
	oldest, keepFrom, goneAttempts, goneDeliveries         string
	goneFinals, goneOf, messageLock, goneMessages, rateGet string
	rateMake, ratePut                                      string

	// Endpoints.
	match, endpoints, disable, list, byID, insertEndpoint string
	replaceEndpoint, setStatus, removeEndpoint            string
}

// Columns of a delivery in the order of record.scan: what never changes, and
// how it ended.
const (
	columns = `d.seq, d.id, d.message_id, d.endpoint_id, d.body, d.policy, d.ordered, d.lane_key, d.of_id, d.dedup, d.inline, d.created, `
	ended   = `f.state, f.reason, f.attempts, f.ended, `
)

func build(d Dialect) *statements {
	st := &statements{
		version: `SELECT version FROM outhook_schema`,
		clock:   `SELECT {now}`,
		// A plan made while the tables were small must serve when they are not; see
		// planAnew. What is estimated at many rows and brings some is not to be compiled.
		begin: `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),` +
			` set_config('jit', 'off', true)`,
	}
	st.planAnew = `SELECT set_config('plan_cache_mode', 'force_custom_plan', true)`
	// A queue may be empty by its statistics: where deliveries and messages are not,
	// they are looked up one by one. What is analyzed has its plans made anew by the
	// server; what never was, -1, is not taken for small. Counters need no lock.
	st.outgrown = `SELECT count(*) FROM pg_class c WHERE c.oid IN (to_regclass('outhook_delivery'), to_regclass('outhook_message'))` +
		` AND c.reltuples >= 0 AND pg_stat_get_live_tuples(c.oid) > 4 * c.reltuples + 1000`
	st.enqueuing(d)
	st.claiming(d)
	st.visiting(d)
	st.finishing(d)
	if d == PostgreSQL {
		st.once()
	}
	st.parking(d)
	st.remembering(d)
	st.pruning(d)
	st.registering(d)
	for _, text := range st.all() {
		*text = d.sql(*text)
	}
	return st
}

const intoDelivery = `INSERT INTO outhook_delivery (id, message_id, endpoint_id, body, policy, ordered, lane_key, of_id, dedup, inline, created) `

func (st *statements) enqueuing(d Dialect) {
	columns := []string{"n i", "id t", "m t", "e t", "b i", "p t", "o i", "k t", "f t", "u t", "x t", "st i", "r t", "sz i", "fi i"}
	deliveries := d.rows(columns...)
	if d == PostgreSQL {
		st.enqueue, st.enqueueOne = manyAtOnce(d.rows(append(columns, "l i")...)), oneAtOnce()
	}
	st.newDeliveries = intoDelivery + `SELECT j.id, j.m, j.e, j.b, j.p, j.o, j.k, j.f, j.u, j.x, {now} FROM ` +
		deliveries + d.pick(` WHERE true ORDER BY j.n ON CONFLICT DO NOTHING`, ``, ` ORDER BY j.n ON DUPLICATE KEY UPDATE seq = outhook_delivery.seq`)
	st.newSeqs = `SELECT j.n, d.seq, d.created, f.seq FROM ` + d.rows("n i", "id t") + d.cross() + `outhook_delivery d LEFT JOIN outhook_final f ON f.seq = d.seq WHERE d.id = j.id`
	st.existing = `SELECT j.n, d.id FROM ` + d.rows("n i", "e t", "u t") + d.cross() + `outhook_delivery d` + d.force("outhook_delivery_dedup") + ` WHERE d.endpoint_id = j.e AND d.dedup = j.u` +
		d.pick(``, ``, ` LOCK IN SHARE MODE`)
	st.newMessages = `INSERT INTO outhook_message (id, type, happened, event_id, source, bodies, data) VALUES `
	st.heads = `SELECT j.n FROM ` + d.rows("n i", "e t", "k t") + ` WHERE EXISTS (SELECT 1 FROM outhook_queue q WHERE q.endpoint_id = j.e AND q.lane = j.k)`
	st.awake = `SELECT j.e FROM ` + d.rows("e t", "c i") + ` WHERE EXISTS (SELECT 1 FROM outhook_lane l WHERE l.endpoint_id = j.e AND (l.due <= j.c OR l.park_until > j.c))` +
		` OR EXISTS (SELECT 1 FROM outhook_mark k WHERE k.endpoint_id = j.e AND k.level = 0 AND k.due <= j.c)`
	st.closed = `SELECT l.endpoint_id FROM ` + d.rows("e t", "c i") + d.cross() + `outhook_lane l` + d.force("PRIMARY") +
		` WHERE l.endpoint_id = j.e AND (l.park_until > j.c OR l.probe = 1)`
	st.newQueue = `INSERT INTO outhook_queue (seq, endpoint_id, lane, state, unsure, attempts, due, ready, size)` +
		` SELECT j.s, j.e, j.k, 1, 0, 0, j.c, j.r, j.z FROM ` + d.rows("s i", "e t", "k t", "c i", "r i", "z i") +
		d.pick(` WHERE true ON CONFLICT (seq) DO NOTHING`, ``, ` ON DUPLICATE KEY UPDATE seq = outhook_queue.seq`)
	st.newTaken = `INSERT INTO outhook_queue (seq, endpoint_id, lane, state, unsure, attempts, due, ready, token, size)` +
		` SELECT j.s, j.e, NULL, 2, 0, 1, j.c, j.r, j.t, j.z FROM ` + d.rows("s i", "e t", "c i", "r i", "t i", "z i") +
		d.pick(` WHERE true ON CONFLICT (seq) DO NOTHING`, ``, ` ON DUPLICATE KEY UPDATE seq = outhook_queue.seq`)
	st.taken = `SELECT q.seq FROM ` + d.rows("s i", "t i") + d.cross() + `outhook_queue q` + d.force("PRIMARY") + ` WHERE q.seq = j.s AND q.token = j.t`
	st.newMarks = `INSERT INTO outhook_mark (endpoint_id, lane, due, level, horizon) SELECT j.e, j.k, j.c, j.l, j.h FROM ` + d.rows("e t", "k t", "c i", "l i", "h i")
	st.newEnds = `INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT j.s, j.st, j.r, j.a, j.c FROM ` + d.rows("s i", "st i", "r t", "a i", "c i")
}

// all lists the texts, to be finished.
func (st *statements) all() []*string {
	return []*string{
		&st.version, &st.clock, &st.begin, &st.planAnew, &st.outgrown, &st.enqueue, &st.enqueueOne, &st.existing, &st.newDeliveries, &st.newSeqs, &st.newMessages,
		&st.heads, &st.awake, &st.newQueue, &st.closed, &st.newTaken, &st.taken, &st.newMarks, &st.newEnds, &st.peek, &st.marks,
		&st.promoteRead, &st.promote, &st.markLanes, &st.markCheck, &st.marksGone, &st.lanes, &st.skip,
		&st.laneRows, &st.probes, &st.demote, &st.lockRows, &st.doubt, &st.lease, &st.leased, &st.messages, &st.messagesOf, &st.lanesDone,
		&st.lanesGone, &st.sweep, &st.settleOnce, &st.settling, &st.again, &st.unqueue, &st.newEndsAlike, &st.attempt, &st.newAttempt, &st.laneState,
		&st.laneMake, &st.laneLock, &st.laneSet, &st.cancel, &st.extendLock, &st.extend, &st.park, &st.parkMarks,
		&st.delivery, &st.attempts, &st.message, &st.counts, &st.finals, &st.feedLock, &st.feedNew, &st.feedSet,
		&st.feedNext, &st.oldest, &st.keepFrom, &st.goneAttempts, &st.goneDeliveries, &st.goneFinals, &st.goneOf,
		&st.messageLock, &st.goneMessages, &st.rateGet, &st.rateMake, &st.ratePut, &st.match, &st.endpoints,
		&st.disable, &st.list, &st.byID, &st.insertEndpoint, &st.replaceEndpoint, &st.setStatus, &st.removeEndpoint,
	}
}
