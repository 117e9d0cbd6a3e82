package sqlcore

import "strings"

// atOnce is what tells the two forms of PostgreSQL's Enqueue apart, which is all
// in one statement. Whatever both do has one text.
type atOnce struct {
	outdated string // of c, what does not hold
	rows     string // j, the deliveries; it may name n
	order    string // of j
	messages string // a SELECT of those that ins needs
	open     string // ins and its j, of what is pending
	soonest  string // of e: when a claim is to look
	perE     string // the grouping for it
	ends     string // what arrives final
}

// manyAtOnce takes the deliveries as JSON, the data, the messages as JSON, and
// the token.
func manyAtOnce(rows string) string {
	const both = `ins JOIN j ON j.id = ins.id`
	// To take JSON apart can take longer than a mark waits that looks for
	// transactions by number; n gives it first.
	return atOnce{
		outdated: outdatedOfMany,
		rows:     strings.Replace(rows, "?::text", "(CASE WHEN n.x > 0 THEN ?::text END)", 1),
		order:    ` ORDER BY j.n`,
		messages: `SELECT m.id, m.t, m.h, m.ev, m.s, m.b, substr(?::bytea, m.o::int, m.z::int)
  FROM json_to_recordset(?::text::json) AS m(id text, t text, h bigint, ev text, s text, b text, o bigint, z bigint)
  WHERE m.id IN (SELECT message_id FROM ins)`,
		open:    both + ` WHERE j.st = 1`,
		soonest: `min(coalesce(j.till, j.t))`,
		perE:    ` GROUP BY j.e`,
		ends: ` f AS (INSERT INTO outhook_final (seq, state, reason, attempts, ended) SELECT ins.seq, j.st, j.r, 0, j.t FROM ` + both + ` WHERE j.st <> 1),
`,
	}.text()
}

// oneAtOnce is for one delivery, which is pending, and its message. JSON, and
// joins that are planned for a hundred rows, cost more than it takes to store.
func oneAtOnce() string {
	return atOnce{
		outdated: outdatedOfOne,
		rows: `(SELECT 0::bigint AS n, ?::text AS id, ?::text AS m, ?::text AS e, # AS b, ?::text AS p, # AS o, ?::text AS k, ?::text AS f,` +
			` ?::text AS u, ?::text AS x, # AS sz, # AS fi, # AS l WHERE n.x > 0) AS j`,
		messages: `SELECT message_id, ?::text, #, ?::text, ?::text, ?::text, ?::bytea FROM ins`,
		open:     `ins, j`,
		soonest:  `coalesce(j.till, j.t)`,
	}.text()
}

// text takes what is to be checked, as arrays of scopes and versions, before what
// the form takes. Where something of it does not hold, it stores nothing and says
// what, counted from one, below zero.
func (a atOnce) text() string {
	// In a SELECT of its own an array is not looked into by the planner, which would
	// find a plan for its length cheaper than the one it keeps, and plan each call.
	// Before now, MATERIALIZED has no meaning that we need: a CTE that is read
	// twice and is volatile is computed once. It gives the transaction its number,
	// before the rows are read.
	return `WITH c AS MATERIALIZED (SELECT c.* FROM unnest((SELECT ?::text::text[]), (SELECT ?::text::text[])) WITH ORDINALITY AS c(scopes, versions, i)),
 n AS MATERIALIZED (SELECT {now} AS t, current_setting('transaction_isolation') = 'read committed' AS rc, txid_current() AS x,
  ARRAY(` + a.outdated + `) AS bad),
 j AS MATERIALIZED (SELECT j.*, n.t, n.rc, CASE WHEN j.l > 0 THEN CASE WHEN n.rc AND NOT EXISTS (SELECT 1 FROM outhook_lane l
   WHERE l.endpoint_id = j.e AND (l.park_until > n.t OR l.probe = 1)) THEN n.t + j.l END END AS till FROM n CROSS JOIN LATERAL ` + a.rows + ` WHERE n.bad = '{}'),
 ins AS (` + intoDelivery + `SELECT j.id, j.m, j.e, j.b, j.p, j.o, j.k, j.f, j.u, j.x, j.t
  FROM j` + a.order + ` ON CONFLICT DO NOTHING RETURNING seq, id, message_id),
 msg AS (INSERT INTO outhook_message (id, type, happened, event_id, source, bodies, data)
  ` + a.messages + ` ON CONFLICT (id) DO UPDATE SET id = excluded.id),
 q AS (INSERT INTO outhook_queue (seq, endpoint_id, lane, state, unsure, attempts, due, ready, token, size)
  SELECT ins.seq, j.e, CASE WHEN j.o = 1 THEN j.k END, CASE WHEN j.till IS NULL THEN 1 ELSE 2 END, 0, CASE WHEN j.till IS NULL THEN 0 ELSE 1 END, j.t,
   CASE WHEN j.till IS NOT NULL THEN j.till
    WHEN j.o = 0 OR j.fi = 1 AND (NOT j.rc OR NOT EXISTS (SELECT 1 FROM outhook_queue x WHERE x.endpoint_id = j.e AND x.lane = j.k)) THEN j.t END,
   CASE WHEN j.till IS NOT NULL THEN # END, j.sz
  FROM ` + a.open + `),
` + a.ends + ` k AS (INSERT INTO outhook_mark (endpoint_id, due, level, horizon) SELECT x.e, x.c, 0, 0
  FROM (SELECT j.e, ` + a.soonest + ` AS c FROM ` + a.open + a.perE + `) x, n WHERE NOT n.rc OR
   NOT EXISTS (SELECT 1 FROM outhook_lane l WHERE l.endpoint_id = x.e AND (l.due <= x.c OR l.park_until > n.t))
   AND NOT EXISTS (SELECT 1 FROM outhook_mark k WHERE k.endpoint_id = x.e AND k.level = 0 AND k.due <= x.c))
 SELECT j.n, e.id, 0 FROM j LEFT JOIN ins ON ins.id = j.id LEFT JOIN outhook_delivery e ON e.endpoint_id = j.e AND e.dedup = j.u WHERE ins.id IS NULL
 UNION ALL SELECT j.n, NULL, 1 FROM j JOIN ins ON ins.id = j.id WHERE j.l > 0 AND j.till IS NULL
 UNION ALL SELECT -b.i, NULL, 0 FROM n CROSS JOIN LATERAL unnest(n.bad) AS b(i)`
}
