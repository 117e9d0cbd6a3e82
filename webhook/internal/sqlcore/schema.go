package sqlcore

import (
	"strconv"
	"strings"
)

// Schema is the text that makes the tables.
func Schema(d Dialect) string {
	if !d.valid() {
		return ""
	}
	return strings.NewReplacer(
		"{seq}", d.pick("INTEGER PRIMARY KEY AUTOINCREMENT", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"),
		"{id}", d.pick("TEXT", `text COLLATE "C"`, "VARBINARY(255)"),
		"{text}", d.pick("TEXT", "text", "LONGTEXT"),
		"{blob}", d.pick("BLOB", "bytea", "LONGBLOB"),
		"{int}", d.pick("INTEGER", "bigint", "BIGINT"),
		"{small}", d.pick("INTEGER", "smallint", "SMALLINT"),
		"{nolane}", d.pick(" WHERE lane IS NOT NULL", " WHERE lane IS NOT NULL", ""),
		"{nodedup}", d.pick(" WHERE dedup IS NOT NULL", " WHERE dedup IS NOT NULL", ""),
		"{nodue}", d.pick(" WHERE due IS NOT NULL", " WHERE due IS NOT NULL", ""),
		"{nonum}", d.pick(" WHERE num IS NULL", " WHERE num IS NULL", ""),
		"{num}", d.pick(" WHERE num IS NOT NULL", " WHERE num IS NOT NULL", ""),
		"{busy}", d.pick("", " WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)", ""),
		"{end}", d.pick("", "", " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"),
		"{version}", strconv.Itoa(Version),
	).Replace(schema)
}

const schema = `CREATE TABLE outhook_schema (
  version {int} NOT NULL,
  feed {int} NOT NULL
){end};
INSERT INTO outhook_schema (version, feed) VALUES ({version}, 0);
CREATE TABLE outhook_endpoint (
  seq {seq},
  id {id} NOT NULL UNIQUE,
  scope {id} NOT NULL,
  ident {id} NOT NULL UNIQUE,
  status {small} NOT NULL,
  reason {text} NOT NULL,
  record {text} NOT NULL
){end};
CREATE INDEX outhook_endpoint_scope ON outhook_endpoint (scope);
CREATE TABLE outhook_message (
  id {id} NOT NULL PRIMARY KEY,
  type {id} NOT NULL,
  happened {int} NOT NULL,
  event_id {id} NOT NULL,
  source {id} NOT NULL,
  bodies {text} NOT NULL,
  data {blob} NOT NULL
){end};
CREATE TABLE outhook_delivery (
  seq {seq},
  id {id} NOT NULL UNIQUE,
  message_id {id} NOT NULL,
  endpoint_id {id} NOT NULL,
  body {int} NOT NULL,
  policy {id} NOT NULL,
  ordered {small} NOT NULL,
  lane_key {id} NOT NULL,
  of_id {id} NOT NULL,
  dedup {id},
  inline {text},
  created {int} NOT NULL
){end};
CREATE INDEX outhook_delivery_created ON outhook_delivery (created, seq);
CREATE INDEX outhook_delivery_endpoint ON outhook_delivery (endpoint_id, created, seq);
CREATE INDEX outhook_delivery_message ON outhook_delivery (message_id, created, seq);
CREATE UNIQUE INDEX outhook_delivery_dedup ON outhook_delivery (endpoint_id, dedup){nodedup};
CREATE TABLE outhook_queue (
  seq {int} NOT NULL PRIMARY KEY,
  endpoint_id {id} NOT NULL,
  lane {id},
  state {small} NOT NULL,
  unsure {small} NOT NULL,
  attempts {int} NOT NULL,
  due {int} NOT NULL,
  ready {int},
  token {int},
  size {int} NOT NULL
){busy}{end};
CREATE INDEX outhook_queue_ready ON outhook_queue (endpoint_id, ready, seq);
CREATE INDEX outhook_queue_lane ON outhook_queue (endpoint_id, lane, seq){nolane};
CREATE TABLE outhook_lane (
  endpoint_id {id} NOT NULL PRIMARY KEY,
  due {int},
  park_until {int} NOT NULL,
  hold {small} NOT NULL,
  probe {small} NOT NULL,
  probe_seq {int},
  failures {int} NOT NULL,
  failing_since {int} NOT NULL,
  failed_at {int} NOT NULL
){busy}{end};
CREATE INDEX outhook_lane_due ON outhook_lane (due){nodue};
CREATE TABLE outhook_mark (
  seq {seq},
  endpoint_id {id} NOT NULL,
  lane {id},
  due {int} NOT NULL,
  level {small} NOT NULL,
  horizon {int} NOT NULL
){busy}{end};
CREATE INDEX outhook_mark_due ON outhook_mark (due, seq);
CREATE INDEX outhook_mark_endpoint ON outhook_mark (endpoint_id, level);
CREATE TABLE outhook_final (
  id {seq},
  seq {int} NOT NULL UNIQUE,
  state {small} NOT NULL,
  reason {text} NOT NULL,
  attempts {int} NOT NULL,
  ended {int} NOT NULL,
  num {int}
){end};
CREATE INDEX outhook_final_new ON outhook_final (num, id){nonum};
CREATE INDEX outhook_final_num ON outhook_final (num, seq){num};
CREATE TABLE outhook_attempt (
  id {seq},
  seq {int} NOT NULL,
  record {text} NOT NULL
){end};
CREATE INDEX outhook_attempt_delivery ON outhook_attempt (seq, id);
CREATE TABLE outhook_rate (
  endpoint_id {id} NOT NULL PRIMARY KEY,
  grants {text} NOT NULL
){end};
`
