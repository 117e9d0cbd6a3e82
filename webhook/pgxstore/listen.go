package pgxstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// ErrDeaf says that notifications do not reach this process, as behind a pooler
// in transaction mode. Polling finds the work.
var ErrDeaf = errors.New("a notification to itself did not arrive: behind a pooler in transaction mode LISTEN has no effect; " +
	"the dispatcher polls; a negative Options.NotifyEvery says so from the beginning")

const (
	// notifyText notifies within a transaction of somebody else's.
	notifyText = `SELECT pg_notify($1, '')`
	// notifyAlone is a transaction of its own, which nobody's data depend on.
	// It does not wait for the disk while it has the lock, nor longer than it is
	// told for the lock, while somebody else's transaction waits for the disk or
	// for a standby.
	notifyAlone = `SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', $3, true), pg_notify($1, $2)`

	// Who dispatched waits for a lock less than who begins to listen.
	notifyPatience, probePatience = "100ms", "900ms"

	notifyTimeout = time.Second
	// probeTimeout is how long a notification to itself may take.
	probeTimeout = 2 * time.Second
	// deafFor is how long a process that hears nothing does without.
	deafFor = time.Minute
	// pingEvery is how often a silent connection is asked whether it is there.
	pingEvery = 30 * time.Second
)

// tell reports whether it is time for a notification, and takes it for sent.
func (s *Store) tell() bool {
	if s.every < 0 {
		return false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.told) < s.every {
		return false
	}
	s.told = now
	return true
}

// notify tells other processes that there is work. It is a hint, and no error.
// One is on its way at a time: where it waits for the lock, others would wait with
// it, on all connections of the pool. Whoever hears it looks for their work too; it
// is tried once more for them where it was in vain.
func (s *Store) notify(ctx context.Context) {
	if !s.telling.TryLock() {
		s.untold.Store(true)
		return
	}
	defer s.telling.Unlock()
	if !s.tell() {
		return
	}
	s.untold.Store(false)
	if err := s.send(ctx, "", notifyPatience); err != nil && s.untold.Load() {
		_ = s.send(context.WithoutCancel(ctx), "", notifyPatience)
	}
}

// send notifies in a transaction of its own.
func (s *Store) send(ctx context.Context, word, patience string) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, notifyAlone, s.channel, word, patience)
	return err
}

// Listen implements webhook.Listener. It takes a connection out of the pool for
// as long as it runs, and closes it then.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	if s.every < 0 {
		<-ctx.Done()
		return nil
	}
	if !s.undeafened(ctx) {
		return nil
	}
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.listening(ctx, err)
	}
	c := pooled.Hijack()
	defer hangUp(ctx, c)
	if _, err := c.Exec(ctx, "LISTEN "+s.channel); err != nil {
		return s.listening(ctx, err)
	}
	if err := s.probe(ctx, c); err != nil {
		return s.listening(ctx, err)
	}
	return s.listening(ctx, s.hear(ctx, c, wake))
}

// listening is the result of Listen: the end of its context is no error.
func (s *Store) listening(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("pgxstore: listen: %w", err)
	}
	return nil
}

func hangUp(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
	defer cancel()
	_ = c.Close(ctx) // nothing is lost with it
}

// undeafened waits until listening is worth a try. False means that ctx ended.
func (s *Store) undeafened(ctx context.Context) bool {
	s.mu.Lock()
	wait := time.Until(s.deafUntil)
	s.mu.Unlock()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// probe sends a notification over another connection, and waits for it.
func (s *Store) probe(ctx context.Context, c *pgx.Conn) error {
	word := rand.Text()
	if err := s.send(ctx, word, probePatience); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for {
		n, err := c.WaitForNotification(waiting)
		switch {
		case err != nil && waiting.Err() != nil && ctx.Err() == nil:
			s.mu.Lock()
			s.deafUntil = time.Now().Add(deafFor)
			s.mu.Unlock()
			return ErrDeaf
		case err != nil:
			return err
		case n == nil || n.Payload == word: // nil where the host has a handler of its own
			return nil
		}
	}
}

// hear calls wake for each notification, and once more when those that came
// too soon after it to be sent are committed.
func (s *Store) hear(ctx context.Context, c *pgx.Conn, wake func()) error {
	wake() // for what came before
	again := false
	for {
		wait := pingEvery
		if again {
			wait = s.every
		}
		waiting, cancel := context.WithTimeout(ctx, wait)
		_, err := c.WaitForNotification(waiting)
		late := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			sqlcore.Expect(s.core)
			wake()
			again = true
		case !late || ctx.Err() != nil:
			return err
		case again:
			wake()
			again = false
		default:
			if err := s.ping(ctx, c); err != nil {
				return err
			}
		}
	}
}

func (s *Store) ping(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	return c.Ping(ctx)
}
