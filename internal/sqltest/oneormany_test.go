package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// oneOrMany is a delivery to "a" that is to be stored alike by either form of
// PostgreSQL's statement.
type oneOrMany struct {
	name   string
	scene  func(t *testing.T, s *sqlstore.Store, db *sql.DB) // what was there before
	change func(b *webhook.Batch)
	has    string // in what is stored or answered
	strict bool   // at REPEATABLE READ, where a statement may see less
}

func unchanged(*webhook.Batch) {}

func ordered(b *webhook.Batch) { b.Deliveries[0].Ordered, b.Deliveries[0].Key = true, "k" }

func take(b *webhook.Batch) { b.Take = &webhook.Take{Wanted: []int{0}, Lease: time.Minute} }

// earlier stores another delivery to "a".
func earlier(change func(b *webhook.Batch)) func(*testing.T, *sqlstore.Store, *sql.DB) {
	return func(t *testing.T, s *sqlstore.Store, _ *sql.DB) {
		t.Helper()
		b := batch("earlier", "", "a")
		change(b)
		b.Message.Time = time.Unix(1, 2000)
		if _, err := s.Enqueue(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func parked(t *testing.T, s *sqlstore.Store, _ *sql.DB) {
	t.Helper()
	if err := s.Park(context.Background(), []webhook.Park{{EndpointID: "a", For: time.Hour}}); err != nil {
		t.Fatal(err)
	}
}

// again leaves a mark that nobody may rely upon.
func again(t *testing.T, _ *sqlstore.Store, db *sql.DB) {
	t.Helper()
	run(t, db, "INSERT INTO outhook_mark (endpoint_id, due, level, horizon) VALUES ('a', 1, 1, 1)")
}

// turned leaves a lane at which a claim looks at once.
func turned(t *testing.T, _ *sqlstore.Store, db *sql.DB) {
	t.Helper()
	run(t, db, "INSERT INTO outhook_lane (endpoint_id, due, park_until, hold, probe, failures, failing_since, failed_at) VALUES ('a', 1, 0, 0, 0, 0, 0, 0)")
}

// probed leaves an endpoint whose turn has come and that may only be probed.
func probed(t *testing.T, s *sqlstore.Store, db *sql.DB) {
	t.Helper()
	earlier(unchanged)(t, s, db)
	claimAll(t, s)
	if err := s.Park(context.Background(), []webhook.Park{{EndpointID: "a", For: time.Millisecond, Probe: true}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
}

var onesOrManies = []oneOrMany{
	{name: "pending", change: unchanged, has: `"level": 0`},
	{name: "all columns", change: func(b *webhook.Batch) {
		d := &b.Deliveries[0]
		d.Key, d.Of, d.Dedup, d.Body = "key\xff\xfe", "of", "dedup\"\\", 7
		b.Message.EventID, b.Message.Source = "event\u2028", "source<&>"
	}, has: "key\uFFFD\uFFFD"},
	{name: "ordered", change: ordered, has: `"lane": "k"`},
	{name: "ordered, behind another", scene: earlier(ordered), change: ordered, has: `"ready": null`},
	{name: "ordered, beside another", scene: earlier(unchanged), change: ordered, has: `"ready": 0`},
	{name: "at repeatable read, ordered", scene: earlier(ordered), change: ordered, strict: true, has: `"ready": 0`},
	{name: "at repeatable read, with a mark", scene: earlier(unchanged), change: unchanged, strict: true, has: `"level": 0`},
	{name: "at repeatable read, not taken", change: take, strict: true, has: `"token": null`},
	{name: "with a mark", scene: earlier(unchanged), change: unchanged, has: `"ready": 0`},
	{name: "with a mark of a later time", scene: earlier(take), change: unchanged, has: `"level": 0`},
	{name: "with a mark to look again", scene: again, change: unchanged, has: `"level": 0`},
	{name: "with a lane whose turn has come", scene: turned, change: unchanged, has: `"ready": 0`},
	{name: "dedup", change: func(b *webhook.Batch) { b.Deliveries[0].Dedup = "u" }, has: `"dedup": "u"`},
	{
		name: "dedup, a repeat", scene: earlier(func(b *webhook.Batch) { b.Deliveries[0].Dedup = "u" }),
		change: func(b *webhook.Batch) { b.Deliveries[0].Dedup = "u" }, has: "[{0 dlv_earlier_a}]",
	},
	{name: "of an earlier message", scene: earlier(unchanged), change: func(b *webhook.Batch) {
		b.Message = message("earlier")
		b.Message.Type = "other"
		b.Deliveries[0].MessageID = b.Message.ID
	}, has: `"message_id": "msg_earlier"`},
	{name: "the same again", scene: earlier(func(b *webhook.Batch) { *b = *batch("one", "", "a") }), change: take, has: "[] []"},
	{name: "inline", change: func(b *webhook.Batch) {
		b.Deliveries[0].Inline = &webhook.Endpoint{ID: "a", URL: "https://receiver.example/?<&>"}
	}, has: "receiver.example"},
	{name: "final", change: func(b *webhook.Batch) {
		b.Deliveries[0].State, b.Deliveries[0].Reason = webhook.Cancelled, "enough"
	}, has: `"reason": "enough"`},
	{name: "taken", change: take, has: `"token": true`},
	{name: "taken, with a mark", scene: earlier(unchanged), change: take, has: `"token": true`},
	{name: "not taken, since parked", scene: parked, change: take, has: `"token": null`},
	{name: "not taken, since probed", scene: probed, change: take, has: `"token": null`},
	{name: "no body", change: func(b *webhook.Batch) { b.Deliveries[0].Body, b.Message.Bodies = -1, nil }, has: `"body": -1`},
	{name: "two bodies", change: func(b *webhook.Batch) {
		second := b.Message.Bodies[0]
		second.Variant, second.Data = "form", []byte{0, 1, 0xff}
		b.Message.Bodies = append(b.Message.Bodies, second)
		b.Deliveries[0].Body = 1
	}, has: "0001ff"},
}

// PostgreSQL stores one delivery by another form of the statement than several:
// what becomes of it is the same.
func TestOneDeliveryOrMany(t *testing.T) {
	usual, db, p := store(t, sqlstore.PostgreSQL)
	p.dsn += "&default_transaction_isolation=repeatable+read"
	strict := bind(t, p.open(t), sqlstore.PostgreSQL)
	for _, tt := range onesOrManies {
		t.Run(tt.name, func(t *testing.T) {
			s := usual
			if tt.strict {
				s = strict
			}
			one, many := tt.stored(t, s, db, false), tt.stored(t, s, db, true)
			if one != many {
				t.Errorf("stored alone:\n%s\nwith another:\n%s", one, many)
			}
			if !strings.Contains(one, tt.has) {
				t.Errorf("stored: %q is missing in\n%s", tt.has, one)
			}
		})
	}
}

// stored tells what there is after an Enqueue and what it answered. Times are
// those since the delivery was made.
func (tt *oneOrMany) stored(t *testing.T, s *sqlstore.Store, db *sql.DB, more bool) string {
	t.Helper()
	ctx := context.Background()
	run(t, db, "TRUNCATE outhook_delivery, outhook_message, outhook_queue, outhook_final, outhook_mark, outhook_lane")
	if tt.scene != nil {
		tt.scene(t, s, db)
	}
	b := batch("one", "", "a")
	b.Message.Time = time.Unix(1, 2000)
	tt.change(b)
	batches := []*webhook.Batch{b}
	if more {
		batches = append(batches, batch("other", "", "b"))
	}
	marks, err := texts(ctx, db, "SELECT coalesce(max(seq), 0)::text FROM outhook_mark")
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.EnqueueAll(ctx, batches)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprint(found[0])}
	token := int64(0)
	if b.Take != nil {
		out[0] += fmt.Sprint(" ", b.Take.Taken)
		token = b.Take.Token
	}
	for _, query := range []string{
		`SELECT to_jsonb(d) - 'seq' - 'created' FROM outhook_delivery d WHERE endpoint_id <> 'b'`,
		`SELECT to_jsonb(m) FROM outhook_message m WHERE id <> 'msg_other'`,
		fmt.Sprintf(`SELECT to_jsonb(q) - 'seq' || jsonb_build_object('due', q.due - d.created, 'ready', q.ready - d.created, 'token', q.token = %d)
		 FROM outhook_queue q JOIN outhook_delivery d USING (seq) WHERE d.id = 'dlv_one_a'`, token),
		`SELECT to_jsonb(f) - 'seq' - 'id' || jsonb_build_object('ended', f.ended - d.created)
		 FROM outhook_final f JOIN outhook_delivery d USING (seq) WHERE d.id = 'dlv_one_a'`,
		`SELECT to_jsonb(k) - 'seq' || jsonb_build_object('due', k.due - d.created)
		 FROM outhook_mark k JOIN outhook_delivery d USING (endpoint_id) WHERE d.id = 'dlv_one_a' AND k.seq > ` + marks[0],
	} {
		rows, err := texts(ctx, db, query)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rows...)
	}
	return strings.Join(out, "\n")
}

// texts are the rows of a query of one column, sorted.
func texts(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out, rows.Err()
}
