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
