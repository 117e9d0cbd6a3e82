package crash_test

import (
	"context"
	"database/sql"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// recorder says which settlements the store took, and remembers the tokens.
type recorder struct {
	allOf

	mu     sync.Mutex
	tokens map[string]int64 // by message/endpoint
}

func (r *recorder) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	got, err := r.allOf.Claim(ctx, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range got {
		r.tokens[got[i].Delivery.MessageID+"/"+got[i].Delivery.EndpointID] = got[i].Token
	}
	return got, err
}

func (r *recorder) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	res, err := r.allOf.Settle(ctx, items)
	if err != nil {
		return res, err
	}
	stale := make(map[int]bool, len(res.Stale))
	for _, i := range res.Stale {
		stale[i] = true
	}
	var lines strings.Builder
	for i := range items {
		if verb := "settled"; stale[i] {
			fmt.Fprintf(&lines, "stale %s %d\n", items[i].ID, items[i].Token)
		} else {
			fmt.Fprintf(&lines, "%s %s %d\n", verb, items[i].ID, items[i].Token)
		}
	}
	say("%s", strings.TrimSuffix(lines.String(), "\n"))
	return res, nil
}

// tokenSigner tells the receiver which claim a request is made under. The
// transport is the library's own, since that is what must send nothing late.
type tokenSigner struct {
	signer.Signer

	r        *recorder
	endpoint string
}

func (s tokenSigner) Sign(ctx context.Context, r *signer.Request) error {
	s.r.mu.Lock()
	token := s.r.tokens[r.ID+"/"+s.endpoint]
	s.r.mu.Unlock()
	r.Header.Set("X-Token", strconv.FormatInt(token, 10))
	return s.Signer.Sign(ctx, r)
}

// listening is a recorder of a store that listens.
type listening struct {
	*recorder
	webhook.Listener
}

// playWorker delivers until it is told to end.
func playWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r := &recorder{tokens: map[string]int64{}}
	open := openPgx
	if env("KIND") == "sqlstore" {
		open = openSQL
	}
	queue, closeAll, err := open(ctx, r)
	if err != nil {
		return err
	}
	defer closeAll()
	c := config(r.allOf, queue)
	c.ResolveSigner = func(_ context.Context, e *webhook.Endpoint) (signer.Signer, error) {
		return tokenSigner{Signer: signer.Standard(), r: r, endpoint: e.ID}, nil
	}
	d, err := webhook.New(c)
	if err != nil {
		return err
	}
	say("ready")
	return d.Run(ctx)
}

// openSQL puts a sqlstore into r.
func openSQL(ctx context.Context, r *recorder) (webhook.Queue, func(), error) { //nolint:ireturn // two kinds
	db, err := sql.Open("pgx", env("DSN"))
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(8)
	r.allOf, err = sqlstore.Open(ctx, db, sqlstore.Options{Dialect: sqlstore.PostgreSQL})
	return r, func() { _ = db.Close() }, err
}

// openPgx puts a pgxstore into r.
func openPgx(ctx context.Context, r *recorder) (webhook.Queue, func(), error) { //nolint:ireturn // two kinds
	config, err := pgxpool.ParseConfig(env("DSN"))
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	s, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	r.allOf = s
	return listening{recorder: r, Listener: s}, pool.Close, err
}
