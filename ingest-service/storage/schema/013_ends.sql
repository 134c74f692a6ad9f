-- How alarms end that their device does not end. On an upgrade this reads what is open.

-- Starts of devices that registered, in their order: the highest ordinal is the newest. One that was told of when a newer one
-- was there already is late, and has no place in that order. A start that only debts tell of is not among them.
CREATE TABLE registered_start (
  device_id     bigint NOT NULL,
  boot_id       bigint NOT NULL,
  ordinal       bigint GENERATED ALWAYS AS IDENTITY,
  registered_at timestamptz NOT NULL,
  recorded_at   timestamptz NOT NULL DEFAULT calendar(),
  late          boolean NOT NULL DEFAULT false,
  PRIMARY KEY (device_id, boot_id),
  FOREIGN KEY (device_id, boot_id) REFERENCES device_boot
);
CREATE INDEX registered_start_order ON registered_start (device_id, ordinal) WHERE NOT late;
CREATE TRIGGER registered_start_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registered_start
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- None of before: device_boot does not say which of them are devices' starts and no debts or posts by hand, nor their order.
-- Each live one registers when its session is named to the new storage; that ends what earlier ones left open.

-- A patient has gone home: whatever the patient wore was released then.
CREATE TABLE discharge (
  patient_id    uuid NOT NULL REFERENCES patient,
  discharged_at timestamptz NOT NULL,
  recorded_at   timestamptz NOT NULL DEFAULT calendar(),
  discharged_by text NOT NULL,
  PRIMARY KEY (patient_id, discharged_at)
);
CREATE TRIGGER discharge_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discharge
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An onset of stream 4 that has an origin was raised anew, for who wears the device now: the device raised it, under the
-- origin's stream and sequence of the same start, and has not ended it.
ALTER TABLE alarm_event ADD COLUMN origin_stream smallint, ADD COLUMN origin_sequence bigint;
CREATE INDEX alarm_event_origin ON alarm_event (device_id, boot_id, origin_stream, origin_sequence)
  WHERE origin_sequence IS NOT NULL;

-- Ends of onsets, under the onset's key, that no record of the onset's stream tells. cause: 1 the device ended the origin,
-- 2 a newer start of the device, 3 release, 4 discharge, 5 a person. ended_by: whose word it was; empty = nobody's.
CREATE TABLE alarm_end (
  device_id   bigint NOT NULL,
  boot_id     bigint NOT NULL,
  stream      smallint NOT NULL,
  sequence    bigint NOT NULL,
  cause       smallint NOT NULL CHECK (cause BETWEEN 1 AND 5),
  ended_at    timestamptz NOT NULL,
  ended_by    text NOT NULL DEFAULT '',
  reason      text NOT NULL DEFAULT '',
  recorded_at timestamptz NOT NULL DEFAULT calendar(),
  xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (device_id, boot_id, stream, sequence, cause),
  FOREIGN KEY (device_id, boot_id, stream, sequence) REFERENCES alarm_event
);
-- Storage ends an onset once.
CREATE UNIQUE INDEX alarm_end_once ON alarm_end (device_id, boot_id, stream, sequence) WHERE cause <> 1;
CREATE INDEX alarm_end_live ON alarm_end (xid);
CREATE TRIGGER alarm_end_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarm_end
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION note_ended_alarms() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$ BEGIN
  DELETE FROM open_alarm o USING added e
  WHERE o.device_id = e.device_id AND o.boot_id = e.boot_id AND o.stream = e.stream AND o.sequence = e.sequence;
  RETURN NULL;
END $$;
CREATE TRIGGER alarm_end_closes AFTER INSERT ON alarm_end
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_ended_alarms();

-- Storage's own onsets, with the rights of who made the schema: who may write what people say, and no records, raises anew
-- by these what a device asserts. Locks the storage streams of these starts until COMMIT, and says their last sequences.
CREATE FUNCTION lock_storage_streams(devices bigint[], boots bigint[])
RETURNS TABLE (device bigint, boot bigint, high bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence)
   SELECT DISTINCT k.device_id, k.boot_id, 4, 0 FROM unnest(devices, boots) k(device_id, boot_id) ORDER BY 1, 2
   ON CONFLICT (device_id, boot_id, stream) DO UPDATE SET high_sequence = s.high_sequence
   RETURNING s.device_id, s.boot_id, s.high_sequence $$;

-- Instants are microseconds.
CREATE FUNCTION raise_storage_alarms(
  devices bigint[], boots bigint[], sequences bigint[], kinds smallint[], priorities smallint[], codes text[],
  signs smallint[], onset_values float8[], limits float8[], ticks bigint[], measured bigint[], received bigint[],
  origin_streams smallint[], origin_sequences bigint[])
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, sign_id, value, limit_value,
                            tick_ms, measured_at, received_at, origin_stream, origin_sequence, source)
   SELECT k.d, k.b, 4, k.s, 1, k.kind, k.priority, k.code, k.sign, k.value, k.lim, k.tick, instant(k.measured),
          instant(k.received), k.os, k.oq, 'storage'
   FROM unnest(devices, boots, sequences, kinds, priorities, codes, signs, onset_values, limits, ticks, measured,
               received, origin_streams, origin_sequences)
        k(d, b, s, kind, priority, code, sign, value, lim, tick, measured, received, os, oq);
   UPDATE stream_state s SET high_sequence = k.high
   FROM (SELECT u.d, u.b, max(u.s) AS high FROM unnest(devices, boots, sequences) u(d, b, s) GROUP BY 1, 2) k
   WHERE s.device_id = k.d AND s.boot_id = k.b AND s.stream = 4 $$;

-- As before, but first it shares the devices of what devices raise and end, until COMMIT: whoever ends their alarms (an
-- attach of a newer start, a release) locks them FOR UPDATE, so that it sees these rows or they see what it did.
CREATE OR REPLACE FUNCTION note_open_alarms() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ BEGIN
  PERFORM FROM device d WHERE d.device_id IN (SELECT a.device_id FROM added a WHERE a.stream <> 4)
  ORDER BY d.device_id FOR KEY SHARE;
  DELETE FROM open_alarm o USING added e
  WHERE e.event = 2 AND o.device_id = e.device_id AND o.boot_id = e.boot_id AND o.stream = e.stream
    AND o.sequence = e.onset_sequence;
  -- An end may be there before its onset.
  INSERT INTO open_alarm
  SELECT r.device_id, r.boot_id, r.stream, r.sequence, r.measured_at, r.priority FROM added r
  WHERE r.event = 1 AND NOT EXISTS (
    SELECT FROM alarm_event e
    WHERE e.device_id = r.device_id AND e.boot_id = r.boot_id AND e.stream = r.stream AND e.event = 2
      AND e.onset_sequence = r.sequence)
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

-- As before, with storage's ends: one that a record tells wins, whenever it came.
CREATE OR REPLACE VIEW alarm_condition AS
SELECT c.device_id, c.boot_id, c.stream, c.sequence, c.kind, c.priority, c.code, c.sign_id, c.limit_value, c.value,
       c.at, c.start_at, coalesce(c.end_at, z.ended_at) AS end_at, c.start_tick_ms, c.end_tick_ms, c.received_at,
       coalesce(f.acknowledged_at, k.acknowledged_at) AS acknowledged_at,
       coalesce(f.acknowledged_by, k.acknowledged_by) AS acknowledged_by,
       CASE WHEN c.end_at IS NULL THEN z.cause ELSE 1::smallint END AS end_cause, z.ended_by, z.reason AS end_reason,
       c.origin_stream, c.origin_sequence
FROM (
  SELECT r.device_id, r.boot_id, r.stream, r.sequence, r.kind, r.priority, r.code, r.sign_id, r.limit_value, r.value,
         r.measured_at AS at, r.measured_at AS start_at, e.measured_at AS end_at,
         r.tick_ms AS start_tick_ms, e.tick_ms AS end_tick_ms, r.received_at, e.sequence AS end_sequence,
         r.origin_stream, r.origin_sequence
  FROM alarm_event r
  LEFT JOIN LATERAL (
    SELECT x.sequence, x.measured_at, x.tick_ms FROM alarm_event x
    WHERE x.device_id = r.device_id AND x.boot_id = r.boot_id AND x.stream = r.stream AND x.event = 2
      AND x.onset_sequence = r.sequence
    ORDER BY x.sequence LIMIT 1) e ON true
  WHERE r.event = 1
  UNION ALL
  SELECT e.device_id, e.boot_id, e.stream, e.sequence, e.kind, e.priority, e.code, e.sign_id, e.limit_value, NULL,
         e.measured_at, NULL, e.measured_at, NULL, e.tick_ms, e.received_at, NULL, NULL, NULL
  FROM alarm_event e
  WHERE e.event = 2 AND NOT EXISTS (
    SELECT FROM alarm_event r
    WHERE r.device_id = e.device_id AND r.boot_id = e.boot_id AND r.stream = e.stream AND r.event = 1
      AND r.sequence = e.onset_sequence)) c
LEFT JOIN LATERAL (
  SELECT x.cause, x.ended_at, x.ended_by, x.reason FROM alarm_end x
  WHERE x.device_id = c.device_id AND x.boot_id = c.boot_id AND x.stream = c.stream AND x.sequence = c.sequence
  ORDER BY x.cause <> 1 LIMIT 1) z ON c.end_at IS NULL
LEFT JOIN alarm_acknowledgement k
  ON (k.device_id, k.boot_id, k.stream, k.sequence) = (c.device_id, c.boot_id, c.stream, c.sequence)
LEFT JOIN alarm_acknowledgement f
  ON (f.device_id, f.boot_id, f.stream, f.sequence) = (c.device_id, c.boot_id, c.stream, c.end_sequence);

-- What stood open when this was not known yet, of who was released. Where somebody wears the device now, it may assert it
-- still, for that wearer: then it stays until the device's start registers.
INSERT INTO alarm_end (device_id, boot_id, stream, sequence, cause, ended_at, ended_by)
SELECT o.device_id, o.boot_id, o.stream, o.sequence, 3, upper(a.held), a.recorded_by
FROM open_alarm o
JOIN assignment a ON a.device_id = o.device_id AND upper_inf(a.recorded) AND a.held @> o.measured_at
WHERE NOT upper_inf(a.held) AND NOT EXISTS (
  SELECT FROM assignment w WHERE w.device_id = o.device_id AND upper_inf(w.recorded) AND upper_inf(w.held));

-- As before, with alarm_end.
CREATE OR REPLACE FUNCTION begin_live_epoch() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['measurement_set', 'alarm_event', 'alarm_acknowledgement', 'alarm_end',
                              'assignment_change', 'waveform_run', 'stream_state'] LOOP
    CONTINUE WHEN to_regclass(name) IS NULL;
    EXECUTE format('ALTER TABLE %I DROP COLUMN IF EXISTS xid', name);
    EXECUTE format('ALTER TABLE %I ADD COLUMN xid xid8 NOT NULL DEFAULT ''0''', name);
    CONTINUE WHEN name = 'stream_state';
    EXECUTE format('ALTER TABLE %I ALTER COLUMN xid SET DEFAULT pg_current_xact_id()', name);
    EXECUTE format('CREATE INDEX %I ON %I (xid)', name || '_live', name);
  END LOOP;
  DELETE FROM live_day;
  DELETE FROM live_epoch;
  INSERT INTO live_epoch (home) VALUES (live_home());
END $$;
