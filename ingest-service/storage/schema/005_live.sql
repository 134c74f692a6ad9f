-- Live streams. A row is final, and may be sent, once the transaction that wrote it is older than every one that still
-- runs: pg_snapshot_xmin. So rows carry their transaction's id, and a cursor is a place in the order of these ids; an order
-- by serial number or time would pass over what a slower transaction commits later.

-- A record is late when one with a higher sequence of its device, boot and stream was there before it.
ALTER TABLE measurement_set ADD COLUMN late boolean NOT NULL DEFAULT false;
ALTER TABLE alarm_event ADD COLUMN late boolean NOT NULL DEFAULT false;

-- Somebody has seen the condition; the first to say so stands.
CREATE TABLE alarm_acknowledgement (
  device_id       bigint NOT NULL,
  boot_id         bigint NOT NULL,
  stream          smallint NOT NULL,
  sequence        bigint NOT NULL,
  acknowledged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  acknowledged_by text NOT NULL,
  PRIMARY KEY (device_id, boot_id, stream, sequence),
  FOREIGN KEY (device_id, boot_id, stream, sequence) REFERENCES alarm_event
);
CREATE TRIGGER alarm_acknowledgement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarm_acknowledgement
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE VIEW alarm_condition AS
SELECT c.*, k.acknowledged_at, k.acknowledged_by
FROM (
  SELECT r.device_id, r.boot_id, r.stream, r.sequence, r.kind, r.priority, r.code, r.sign_id, r.limit_value, r.value,
         r.measured_at AS at, r.measured_at AS start_at, e.measured_at AS end_at,
         r.tick_ms AS start_tick_ms, e.tick_ms AS end_tick_ms, r.received_at
  FROM alarm_event r
  LEFT JOIN LATERAL (
    SELECT x.measured_at, x.tick_ms FROM alarm_event x
    WHERE x.device_id = r.device_id AND x.boot_id = r.boot_id AND x.stream = r.stream AND x.event = 2
      AND x.onset_sequence = r.sequence
    ORDER BY x.sequence LIMIT 1) e ON true
  WHERE r.event = 1
  UNION ALL
  SELECT e.device_id, e.boot_id, e.stream, e.sequence, e.kind, e.priority, e.code, e.sign_id, e.limit_value, NULL,
         e.measured_at, NULL, e.measured_at, NULL, e.tick_ms, e.received_at
  FROM alarm_event e
  WHERE e.event = 2 AND NOT EXISTS (
    SELECT FROM alarm_event r
    WHERE r.device_id = e.device_id AND r.boot_id = e.boot_id AND r.stream = e.stream AND r.event = 1
      AND r.sequence = e.onset_sequence)) c
LEFT JOIN alarm_acknowledgement k
  ON (k.device_id, k.boot_id, k.stream, k.sequence) = (c.device_id, c.boot_id, c.stream, c.sequence);

-- What became believed of who wore what, and what ceased to be.
CREATE TABLE assignment_change (
  change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device_id   bigint NOT NULL,
  patient_id  uuid NOT NULL,
  held        tstzrange NOT NULL,
  believed    boolean NOT NULL,
  recorded_at timestamptz NOT NULL,
  recorded_by text NOT NULL
);
CREATE FUNCTION note_assignment_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  INSERT INTO assignment_change (device_id, patient_id, held, believed, recorded_at, recorded_by)
  VALUES (NEW.device_id, NEW.patient_id, NEW.held, upper_inf(NEW.recorded),
          coalesce(upper(NEW.recorded), lower(NEW.recorded)), NEW.recorded_by);
  RETURN NULL;
END $$;
CREATE TRIGGER assignment_noted AFTER INSERT OR UPDATE ON assignment
  FOR EACH ROW EXECUTE FUNCTION note_assignment_change();

-- Which course of transaction ids the rows belong to. They survive no restore: another cluster, another database, or these
-- tables made anew are another home, and begin an epoch.
CREATE TABLE live_epoch (
  epoch    uuid NOT NULL DEFAULT gen_random_uuid(),
  home     text NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION live_home() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT c.system_identifier || '/' || d.oid || '/' || 'live_epoch'::regclass::oid
   FROM pg_control_system() c, pg_database d WHERE d.datname = current_database() $$;

-- Forgets the ids of another home: rows that are there already have 0, and belong to no stream. (A column added with a
-- constant rewrites no table.) stream_state keeps the id of a stream's last writer.
CREATE FUNCTION begin_live_epoch() RETURNS void LANGUAGE plpgsql AS
$$ DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['measurement_set', 'alarm_event', 'alarm_acknowledgement', 'assignment_change',
                              'waveform_run', 'stream_state'] LOOP
    CONTINUE WHEN to_regclass(name) IS NULL;
    EXECUTE format('ALTER TABLE %I DROP COLUMN IF EXISTS xid', name);
    EXECUTE format('ALTER TABLE %I ADD COLUMN xid xid8 NOT NULL DEFAULT ''0''', name);
    CONTINUE WHEN name = 'stream_state';
    EXECUTE format('ALTER TABLE %I ALTER COLUMN xid SET DEFAULT pg_current_xact_id()', name);
    EXECUTE format('CREATE INDEX %I ON %I (xid)', name || '_live', name);
  END LOOP;
  DELETE FROM live_epoch;
  INSERT INTO live_epoch (home) VALUES (live_home());
END $$;

SELECT begin_live_epoch();
