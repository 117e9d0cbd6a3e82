package sqlcore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// readEndpoints reads the rows of a query; versions, unless it is nil, gets what
// comes after the columns of an endpoint. One row that does not decode is an error.
func (s *Store) readEndpoints(ctx context.Context, q Querier, versions *[]string, query string, args ...any) ([]*webhook.Endpoint, error) {
	var out []*webhook.Endpoint
	err := each(ctx, q, query, args, func(r Rows) error {
		var id, reason, record, version text
		var status number
		dest := []any{&id, &status, &reason, &record}
		if versions != nil {
			dest = append(dest, &version)
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		e, err := decodeEndpoint(string(record))
		if err != nil {
			return &webhook.EndpointError{ID: string(id), Err: err}
		}
		e.ID, e.Status, e.StatusReason = string(id), webhook.Status(status.v), string(reason) //nolint:gosec // as it was stored
		out = append(out, e)
		if versions != nil {
			*versions = append(*versions, string(version))
		}
		return nil
	})
	return out, err
}

// Match implements webhook.EndpointStore.
func (s *Store) Match(ctx context.Context, query webhook.Query) ([]*webhook.Endpoint, error) {
	found, versions, err := s.inScopes(ctx, s.db, query.Scopes)
	if err != nil {
		return nil, s.wrap("match", err)
	}
	if s.d == PostgreSQL {
		s.remember(query.Scopes, found, versions)
	}
	return matching(found, query), nil
}

// inScopes reads the endpoints of scopes and of Everywhere, and on PostgreSQL what
// tells their rows from later ones.
func (s *Store) inScopes(ctx context.Context, q Querier, scopes []webhook.Scope) (found []*webhook.Endpoint, versions []string, err error) {
	list := make([]string, 0, len(scopes)+1)
	for _, scope := range scopes {
		list = append(list, string(scope))
	}
	more := &versions
	if s.d != PostgreSQL {
		more = nil
	}
	found, err = s.readEndpoints(ctx, q, more, s.st.match, names(append(list, string(webhook.Everywhere))))
	return found, versions, err
}

// matching returns those of found that want the event. It leaves found as it is.
func matching(found []*webhook.Endpoint, query webhook.Query) []*webhook.Endpoint {
	out := make([]*webhook.Endpoint, 0, len(found))
	for _, e := range found {
		if e.Matches(query) {
			out = append(out, e)
		}
	}
	return out
}

// Endpoints implements webhook.EndpointStore.
func (s *Store) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	if len(ids) == 0 {
		return nil, ctx.Err()
	}
	found, err := s.readEndpoints(ctx, s.db, nil, s.st.endpoints, names(ids))
	return found, s.wrap("endpoints", err)
}

// Disable implements webhook.EndpointStore.
func (s *Store) Disable(ctx context.Context, id, reason string) error {
	return s.wrap("disable", s.update(ctx, func(q Querier) error { return q.Exec(ctx, s.st.disable, plain(reason), id) }))
}

// List implements webhook.EndpointAdmin.
func (s *Store) List(ctx context.Context, scope webhook.Scope) ([]*webhook.Endpoint, error) {
	found, err := s.readEndpoints(ctx, s.db, nil, s.st.list, string(scope))
	return found, s.wrap("list", err)
}

// identity is what makes two endpoints the same without an id.
func identity(e *webhook.Endpoint) string {
	types := slices.Clone(e.Types)
	slices.Sort(types)
	types = slices.Compact(types)
	sum := sha256.Sum256([]byte(string(e.Scope) + "\x00" + e.Name + "\x00" + strings.Join(types, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Set implements webhook.EndpointAdmin.
func (s *Store) Set(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
	if e == nil {
		return nil, s.wrap("set", errors.New("the endpoint is nil"))
	}
	if err := e.Scope.Validate(); err != nil {
		return nil, &webhook.EndpointError{ID: e.ID, Err: err}
	}
	record, err := encodeEndpoint(e)
	if err != nil {
		return nil, &webhook.EndpointError{ID: e.ID, Err: err}
	}
	stored, err := decodeEndpoint(record) // a copy that shares nothing
	if err != nil {
		return nil, &webhook.EndpointError{ID: e.ID, Err: err}
	}
	stored.StatusReason = plain(stored.StatusReason)
	err = s.update(ctx, func(q Querier) error {
		stored.ID = e.ID
		return s.set(ctx, q, stored, record)
	})
	if err != nil {
		if isEndpointError(err) {
			return nil, err
		}
		return nil, s.wrap("set", err)
	}
	return stored, nil
}

func isEndpointError(err error) bool {
	var target *webhook.EndpointError
	return errors.As(err, &target)
}

// set replaces an endpoint, or adds it and looks again: another caller may
// have been earlier.
func (s *Store) set(ctx context.Context, q Querier, e *webhook.Endpoint, record string) error {
	for range 3 {
		id, err := s.replaced(ctx, q, e)
		if err != nil {
			return err
		}
		if id != "" {
			e.ID = id
			return q.Exec(ctx, s.st.replaceEndpoint, identity(e), int64(e.Status), e.StatusReason, record, id)
		}
		if e.ID == "" {
			return &webhook.EndpointError{Err: errors.New("a new endpoint needs an ID")}
		}
		if err := q.Exec(ctx, s.st.insertEndpoint, e.ID, string(e.Scope), identity(e), int64(e.Status), e.StatusReason, record); err != nil {
			return err
		}
	}
	return &webhook.EndpointError{ID: e.ID, Err: errors.New("others change the same endpoint all the time")}
}

// replaced finds the id of the endpoint whose place e takes.
func (s *Store) replaced(ctx context.Context, q Querier, e *webhook.Endpoint) (string, error) {
	ident := identity(e)
	byID, same := "", ""
	var scope webhook.Scope
	err := each(ctx, q, s.st.byID, []any{e.ID, ident}, func(r Rows) error {
		var id, of, is text
		err := r.Scan(&id, &of, &is)
		if string(id) == e.ID {
			byID, scope = string(id), webhook.Scope(of)
		}
		if string(is) == ident {
			same = string(id)
		}
		return err
	})
	switch {
	case err != nil:
		return "", err
	case byID == "":
		return same, nil
	case scope != e.Scope:
		return "", &webhook.EndpointError{ID: e.ID, Err: fmt.Errorf("%w, of another scope", webhook.ErrConflict)}
	case same != "" && same != byID:
		return "", &webhook.EndpointError{ID: e.ID, Err: fmt.Errorf("its scope, types and name are those of %q: %w", same, webhook.ErrConflict)}
	}
	return byID, nil
}

// SetStatus implements webhook.EndpointAdmin.
func (s *Store) SetStatus(ctx context.Context, id string, status webhook.Status, reason string) error {
	return s.change(ctx, "set status", id, func(q Querier) error {
		return q.Exec(ctx, s.st.setStatus, int64(status), plain(reason), id)
	})
}

// Remove implements webhook.EndpointAdmin.
func (s *Store) Remove(ctx context.Context, id string) error {
	return s.change(ctx, "remove", id, func(q Querier) error { return q.Exec(ctx, s.st.removeEndpoint, id) })
}

// change does something to an endpoint that must be there.
func (s *Store) change(ctx context.Context, op, id string, f func(q Querier) error) error {
	err := s.update(ctx, func(q Querier) error {
		found := false
		err := each(ctx, q, s.st.byID, []any{id, ""}, func(Rows) error {
			found = true
			return nil
		})
		if err == nil && !found {
			return &webhook.EndpointError{ID: id, Err: webhook.ErrNotFound}
		}
		if err != nil {
			return err
		}
		return f(q)
	})
	if err != nil && !isEndpointError(err) {
		return s.wrap(op, err)
	}
	return err
}
