package pgxstore_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

func TestOpenErrors(t *testing.T) {
	ctx := context.Background()
	if _, err := pgxstore.Open(ctx, nil, pgxstore.Options{}); err == nil {
		t.Error("Open(nil) = nil, want an error")
	}
	p := pool(t, place(t), nil)
	if _, err := pgxstore.Open(ctx, p, pgxstore.Options{}); err == nil || !strings.Contains(err.Error(), "Schema") {
		t.Errorf("Open without tables = %v, want an error that names Schema", err)
	}
	tables(t, p)
	if _, err := p.Exec(ctx, "UPDATE outhook_schema SET version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := pgxstore.Open(ctx, p, pgxstore.Options{}); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("Open of another version = %v, want an error that names it", err)
	}
}

func TestNoTransaction(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	o := open(t, p, pgxstore.Options{}).InTx(nil)
	if _, err := o.Enqueue(context.Background(), batch("1", "e")); !errors.Is(err, pgxstore.ErrNoTransaction) {
		t.Errorf("Enqueue = %v, want ErrNoTransaction", err)
	}
	if _, err := o.Match(context.Background(), webhook.Query{}); !errors.Is(err, pgxstore.ErrNoTransaction) {
		t.Errorf("Match = %v, want ErrNoTransaction", err)
	}
}

// TestPipelineErrors breaks what is kept back, and wants the error, the
// transaction undone and the connection whole.
func TestPipelineErrors(t *testing.T) {
	dsn := place(t)
	p := pool(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 1 })
	tables(t, p)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	if _, err := s.Enqueue(ctx, batch("1", "e")); err != nil {
		t.Fatal(err)
	}
	claim := func() []webhook.Claimed {
		t.Helper()
		got, err := s.Claim(ctx, webhook.Claim{Limit: 1, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, change := range []string{
		"ALTER TABLE outhook_queue RENAME COLUMN ready TO mislaid",    // within
		"ALTER TABLE outhook_queue RENAME COLUMN unsure TO mislaid",   // within, in what is asked for last
		"ALTER TABLE outhook_message RENAME COLUMN bodies TO mislaid", // with the commit
	} {
		if _, err := p.Exec(ctx, change); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Claim(ctx, webhook.Claim{Limit: 1, Lease: time.Minute}); err == nil || !strings.Contains(err.Error(), "does not exist") || len(got) > 0 {
			t.Errorf("%s: Claim = %d deliveries, %v, want none and the missing column", change, len(got), err)
		}
		words := strings.Fields(change) // 5 and 7 are the names
		if _, err := p.Exec(ctx, strings.Join([]string{"ALTER TABLE", words[2], "RENAME COLUMN", words[7], "TO", words[5]}, " ")); err != nil {
			t.Fatal(err)
		}
	}
	refused := "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;" +
		"CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON outhook_queue EXECUTE FUNCTION refuse()"
	admin(t, dsn, refused) // as it runs
	if got, err := s.Claim(ctx, webhook.Claim{Limit: 1, Lease: time.Minute}); err == nil || !strings.Contains(err.Error(), "refused") || len(got) > 0 {
		t.Errorf("Claim = %d deliveries, %v, want none and that it is refused", len(got), err)
	}
	admin(t, dsn, "DROP FUNCTION refuse CASCADE")
	got := claim()
	if len(got) != 1 || got[0].Delivery.Attempts != 1 || got[0].Expired {
		t.Fatalf("Claim = %+v, want one delivery, as if nobody had claimed it before", got)
	}
	for _, change := range []string{
		"ALTER TABLE outhook_final RENAME TO mislaid",   // within
		"ALTER TABLE outhook_attempt RENAME TO mislaid", // with the commit
	} {
		if _, err := p.Exec(ctx, change); err != nil {
			t.Fatal(err)
		}
		items := settlements(got)
		items[0].Attempt = &webhook.Attempt{Number: 1, Outcome: retry.Accepted, Class: webhook.NoFailure, Start: time.Now()}
		if _, err := s.Settle(ctx, items); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s: Settle = %v, want the missing table", change, err)
		}
		back := strings.Replace(strings.Replace(change, " RENAME TO mislaid", "", 1), "ALTER TABLE ", "", 1)
		if _, err := p.Exec(ctx, "ALTER TABLE mislaid RENAME TO "+back); err != nil {
			t.Fatal(err)
		}
		d, _, err := s.Delivery(ctx, got[0].Delivery.ID)
		if err != nil || d.State != webhook.Running {
			t.Errorf("%s: the delivery is %v, %v, want it running still", change, d, err)
		}
	}
	admin(t, dsn, refused)
	if _, err := s.Settle(ctx, settlements(got)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Settle = %v, want that it is refused", err)
	}
	admin(t, dsn, "DROP FUNCTION refuse CASCADE")
	if res, err := s.Settle(ctx, settlements(got)); err != nil || len(res.Stale) > 0 {
		t.Errorf("Settle = %v, %v, want it done", res, err)
	}
	if n := p.Stat().NewConnsCount(); n != 1 {
		t.Errorf("the pool opened %d connections, want 1: an error must not cost one", n)
	}
}

// slow is a connection that brings 200 bytes a millisecond.
type slow struct{ net.Conn }

// Read implements net.Conn.
func (c slow) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 10_000)])
	time.Sleep(time.Duration(n) * 5 * time.Microsecond)
	return n, err
}

// TestClaimCutOff ends a claim while what belongs to it is on its way: nothing was
// claimed, and others find it.
func TestClaimCutOff(t *testing.T) {
	for name, large := range map[string]func(*webhook.Batch){
		"bodies": func(b *webhook.Batch) { b.Message.Bodies[0].Data = make([]byte, 100_000) },
		"endpoints": func(b *webhook.Batch) {
			b.Deliveries[0].Inline = &webhook.Endpoint{ID: "e", URL: "https://receiver.example/" + strings.Repeat("x", 100_000)}
		},
		"fields": func(b *webhook.Batch) {
			b.Message.Bodies[0].Variant = "json?" + strings.Repeat("contact.field,", 7_000)
		},
		"header": func(b *webhook.Batch) {
			b.Message.Bodies[0].Header = []payload.Header{{Name: "X-A", Value: strings.Repeat("x", 100_000)}}
		},
	} {
		t.Run(name, func(t *testing.T) { claimCutOff(t, large) })
	}
}

func claimCutOff(t *testing.T, large func(*webhook.Batch)) {
	t.Helper()
	dsn := place(t)
	p := pool(t, dsn, nil)
	tables(t, p)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	for _, id := range []string{"1", "2", "3"} {
		b := batch(id, "e")
		large(b)
		if _, err := s.Enqueue(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	far := open(t, pool(t, dsn, func(c *pgxpool.Config) {
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return slow{conn}, err
		}
	}), pgxstore.Options{NotifyEvery: -1})
	short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	if got, err := far.Claim(short, webhook.Claim{Limit: 9, Lease: time.Minute}); err == nil {
		t.Fatalf("Claim brought %d deliveries, so that this shows nothing", len(got))
	}
	var got []webhook.Claimed
	waitFor(t, "a claim of what nobody has", func() bool { // the server has to hear of the end first
		var err error
		got, err = s.Claim(ctx, webhook.Claim{Limit: 9, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return len(got) == 3
	})
	for _, c := range got {
		if c.Expired || c.Delivery.Attempts != 1 {
			t.Errorf("the claim that was cut off counts: %+v", c.Delivery)
		}
	}
}

func TestSimpleProtocol(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			p := pool(t, place(t), func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode })
			tables(t, p)
			s := open(t, p, pgxstore.Options{})
			ctx := context.Background()
			if _, err := s.Enqueue(ctx, batch("1", "e", "f")); err != nil {
				t.Fatal(err)
			}
			got, err := s.Claim(ctx, webhook.Claim{Limit: 9, Lease: time.Minute})
			if err != nil || len(got) != 2 {
				t.Fatalf("Claim = %d deliveries, %v, want 2", len(got), err)
			}
			if n := len(got[0].Message.Bodies[0].Data); n != 240 {
				t.Errorf("the body has %d bytes, want 240", n)
			}
			if res, err := s.Settle(ctx, settlements(got)); err != nil || len(res.Stale) > 0 {
				t.Errorf("Settle = %v, %v", res, err)
			}
		})
	}
}

// Errors name the package that the host calls.
func TestErrorsNameTheirPackage(t *testing.T) {
	p := pool(t, place(t), nil)
	ctx := context.Background()
	begins := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), "pgxstore: ") || strings.Contains(err.Error(), "sqlstore") {
			t.Errorf("%s = %v, want an error that begins with pgxstore and names nothing else", what, err)
		}
	}
	_, err := pgxstore.Open(ctx, p, pgxstore.Options{})
	begins("Open without tables", err)
	tables(t, p)
	s := open(t, p, pgxstore.Options{})
	_, _, err = s.Delivery(ctx, "nobody's")
	begins("Delivery", err)
	_, _, err = s.Finals(ctx, "x", 1)
	begins("Finals", err)
	_, _, err = s.Deliveries(ctx, webhook.HistoryQuery{Cursor: "x"})
	begins("Deliveries", err)
	_, err = s.Settle(ctx, []webhook.Settlement{{ID: "a", State: webhook.Running}})
	begins("Settle", err)
}
