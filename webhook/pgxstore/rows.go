package pgxstore

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// rows is a result as sqlcore wants it.
type rows struct {
	pgx.Rows

	batch pgx.BatchResults // that it is the end of, or nil
}

// Scan implements sqlcore.Rows. The columns of sqlcore take whole numbers and
// texts from the wire; for all else there is pgx.
func (r rows) Scan(dest ...any) error {
	conn := r.Conn()
	if conn == nil { // as behind what wraps a host's transaction
		return r.Rows.Scan(dest...)
	}
	values, fields := r.RawValues(), r.FieldDescriptions()
	if len(values) != len(dest) {
		return fmt.Errorf("a row of %d columns for %d", len(values), len(dest))
	}
	for i, d := range dest {
		if c, ok := d.(sqlcore.Direct); ok && direct(c, &fields[i], values[i]) {
			continue
		}
		if err := conn.TypeMap().Scan(fields[i].DataTypeOID, fields[i].Format, values[i], d); err != nil {
			return fmt.Errorf("column %q: %w", fields[i].Name, err)
		}
	}
	return nil
}

// direct fills a column, if the value is of a type that it knows.
func direct(c sqlcore.Direct, f *pgconn.FieldDescription, value []byte) bool {
	if value == nil {
		c.SetNull()
		return true
	}
	switch f.DataTypeOID {
	case pgtype.TextOID:
		c.SetText(value)
		return true
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return whole(c, f.Format, value)
	}
	return false
}

func whole(c sqlcore.Direct, format int16, value []byte) bool {
	switch {
	case format == pgtype.TextFormatCode:
		c.SetText(value)
	case len(value) == 8:
		c.SetInt(int64(binary.BigEndian.Uint64(value))) //nolint:gosec // the sign is in it
	case len(value) == 4:
		c.SetInt(int64(int32(binary.BigEndian.Uint32(value)))) //nolint:gosec // the sign is in it
	case len(value) == 2:
		c.SetInt(int64(int16(binary.BigEndian.Uint16(value)))) //nolint:gosec // the sign is in it
	default:
		return false
	}
	return true
}

// Close implements sqlcore.Rows.
func (r rows) Close() error {
	r.Rows.Close()
	if r.batch == nil {
		return nil
	}
	return closeBatch(r.batch)
}
