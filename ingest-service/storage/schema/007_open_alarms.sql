-- What may be open: every onset that no end is known to. A condition is looked up here, then asked itself whether it is
-- open, so that a row too many costs a look and no more. Onset and end of a stream are written one after the other: their
-- writers hold its row of stream_state.
CREATE TABLE open_alarm (
  device_id bigint NOT NULL,
  boot_id   bigint NOT NULL,
  stream    smallint NOT NULL,
  sequence  bigint NOT NULL,
  PRIMARY KEY (device_id, boot_id, stream, sequence)
);

CREATE FUNCTION note_open_alarms() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  DELETE FROM open_alarm o USING added e
  WHERE e.event = 2 AND o.device_id = e.device_id AND o.boot_id = e.boot_id AND o.stream = e.stream
    AND o.sequence = e.onset_sequence;
  -- An end may be there before its onset.
  INSERT INTO open_alarm
  SELECT r.device_id, r.boot_id, r.stream, r.sequence FROM added r
  WHERE r.event = 1 AND NOT EXISTS (
    SELECT FROM alarm_event e
    WHERE e.device_id = r.device_id AND e.boot_id = r.boot_id AND e.stream = r.stream AND e.event = 2
      AND e.onset_sequence = r.sequence)
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
-- Before what is there is read: it keeps other writers off until COMMIT.
CREATE TRIGGER alarm_event_open AFTER INSERT ON alarm_event
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_open_alarms();

INSERT INTO open_alarm
SELECT r.device_id, r.boot_id, r.stream, r.sequence FROM alarm_event r
WHERE r.event = 1 AND NOT EXISTS (
  SELECT FROM alarm_event e
  WHERE e.device_id = r.device_id AND e.boot_id = r.boot_id AND e.stream = r.stream AND e.event = 2
    AND e.onset_sequence = r.sequence);

-- As before, but for an end that was acknowledged before its onset was there: the condition then had the end's key, so
-- that acknowledgement is the first.
CREATE OR REPLACE VIEW alarm_condition AS
SELECT c.device_id, c.boot_id, c.stream, c.sequence, c.kind, c.priority, c.code, c.sign_id, c.limit_value, c.value,
       c.at, c.start_at, c.end_at, c.start_tick_ms, c.end_tick_ms, c.received_at,
       coalesce(f.acknowledged_at, k.acknowledged_at) AS acknowledged_at,
       coalesce(f.acknowledged_by, k.acknowledged_by) AS acknowledged_by
FROM (
  SELECT r.device_id, r.boot_id, r.stream, r.sequence, r.kind, r.priority, r.code, r.sign_id, r.limit_value, r.value,
         r.measured_at AS at, r.measured_at AS start_at, e.measured_at AS end_at,
         r.tick_ms AS start_tick_ms, e.tick_ms AS end_tick_ms, r.received_at, e.sequence AS end_sequence
  FROM alarm_event r
  LEFT JOIN LATERAL (
    SELECT x.sequence, x.measured_at, x.tick_ms FROM alarm_event x
    WHERE x.device_id = r.device_id AND x.boot_id = r.boot_id AND x.stream = r.stream AND x.event = 2
      AND x.onset_sequence = r.sequence
    ORDER BY x.sequence LIMIT 1) e ON true
  WHERE r.event = 1
  UNION ALL
  SELECT e.device_id, e.boot_id, e.stream, e.sequence, e.kind, e.priority, e.code, e.sign_id, e.limit_value, NULL,
         e.measured_at, NULL, e.measured_at, NULL, e.tick_ms, e.received_at, NULL
  FROM alarm_event e
  WHERE e.event = 2 AND NOT EXISTS (
    SELECT FROM alarm_event r
    WHERE r.device_id = e.device_id AND r.boot_id = e.boot_id AND r.stream = e.stream AND r.event = 1
      AND r.sequence = e.onset_sequence)) c
LEFT JOIN alarm_acknowledgement k
  ON (k.device_id, k.boot_id, k.stream, k.sequence) = (c.device_id, c.boot_id, c.stream, c.sequence)
LEFT JOIN alarm_acknowledgement f
  ON (f.device_id, f.boot_id, f.stream, f.sequence) = (c.device_id, c.boot_id, c.stream, c.end_sequence);
