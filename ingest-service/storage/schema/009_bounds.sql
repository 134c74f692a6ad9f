-- What a call needs in order to cost what it returns, whatever is stored. On an upgrade this reads the edges of indexes,
-- not the rows: about 10 us for each (device, boot, stream) of each day's partition, and 5 s for a million alarms.

-- Which days hold records of a stream, and which sequences lie there: low to high, where high is rounded up, so that a
-- day's row changes once in 4,096 records. A record with the key (device, boot, stream, sequence) lies in one of the days
-- whose range holds its sequence, in no other.
CREATE TABLE stream_day (
  device_id bigint NOT NULL,
  boot_id   bigint NOT NULL,
  stream    smallint NOT NULL,
  day       date NOT NULL,  -- UTC
  low       bigint NOT NULL,
  high      bigint NOT NULL,
  PRIMARY KEY (device_id, boot_id, stream, day)
) WITH (fillfactor = 90);
CREATE INDEX stream_day_of_device ON stream_day (device_id, stream, day);

-- Which days transactions wrote to: every one with an id of low to high that wrote measurement sets (or waveform runs) of a
-- day is covered by a row. Live streams look into these days only. The same may be said twice.
CREATE TABLE live_day (
  waveforms boolean NOT NULL,
  day       date NOT NULL,
  low       bigint NOT NULL,
  high      bigint NOT NULL
);
CREATE INDEX live_day_of_ids ON live_day (high, low);
CREATE INDEX live_day_of_day ON live_day (waveforms, day, high);

CREATE FUNCTION day_of(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (at AT TIME ZONE 'UTC')::date $$;
CREATE FUNCTION start_of(day date) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT day::timestamp AT TIME ZONE 'UTC' $$;

-- Whoever inserts, the days are noted. Waits for nobody but a writer of the same stream, whom its row of stream_state holds
-- off before.
CREATE FUNCTION note_days() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ DECLARE
  own   bigint := pg_current_xact_id()::text::bigint;
  block bigint := own - own % 16384;
BEGIN
  INSERT INTO stream_day AS s
  SELECT k.* FROM (
    SELECT a.device_id, a.boot_id, a.stream, day_of(a.measured_at) AS day, min(a.sequence) AS low,
           max(a.sequence) | 4095 AS high
    FROM added a GROUP BY 1, 2, 3, 4) k
  WHERE NOT EXISTS (
    SELECT FROM stream_day d
    WHERE d.device_id = k.device_id AND d.boot_id = k.boot_id AND d.stream = k.stream AND d.day = k.day
      AND d.low <= k.low AND d.high >= k.high)
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (device_id, boot_id, stream, day)
    DO UPDATE SET low = least(s.low, excluded.low), high = greatest(s.high, excluded.high);
  INSERT INTO live_day
  SELECT k.waveforms, k.day, block, block + 16383
  FROM (SELECT DISTINCT a.stream > 16 AS waveforms, day_of(a.measured_at) AS day FROM added a) k
  WHERE NOT EXISTS (
    SELECT FROM live_day l
    WHERE l.waveforms = k.waveforms AND l.day = k.day AND l.high >= own AND l.low <= own);
  RETURN NULL;
END $$;
CREATE TRIGGER measurement_set_days AFTER INSERT ON measurement_set
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_days();
CREATE TRIGGER waveform_run_days AFTER INSERT ON waveform_run
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_days();

-- What was there before, partition by partition: from one (device, boot, stream) to the next along the primary key.
CREATE FUNCTION note_stored_days(partition regclass, day date) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN
  EXECUTE format(
    'INSERT INTO stream_day AS s'
    ' WITH RECURSIVE k AS ('
    '  (SELECT device_id, boot_id, stream, sequence AS low FROM %1$s ORDER BY 1, 2, 3, 4 LIMIT 1)'
    '  UNION ALL SELECT n.* FROM k CROSS JOIN LATERAL ('
    '   SELECT x.device_id, x.boot_id, x.stream, x.sequence FROM %1$s x'
    '   WHERE (x.device_id, x.boot_id, x.stream, x.sequence) > (k.device_id, k.boot_id, k.stream, 9223372036854775807)'
    '   ORDER BY 1, 2, 3, 4 LIMIT 1) n)'
    ' SELECT k.device_id, k.boot_id, k.stream, $1, k.low, h.sequence | 4095 FROM k CROSS JOIN LATERAL ('
    '  SELECT x.sequence FROM %1$s x WHERE x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.stream = k.stream'
    '  ORDER BY x.sequence DESC LIMIT 1) h', partition) USING day;
  EXECUTE format(
    'INSERT INTO live_day SELECT $2, $1, l.low, h.high'
    ' FROM (SELECT xid::text::bigint AS low FROM %1$s ORDER BY xid LIMIT 1) l,'
    '      (SELECT xid::text::bigint AS high FROM %1$s ORDER BY xid DESC LIMIT 1) h', partition)
    USING day, partition::text LIKE '%waveform_run%';
END $$;
SELECT count(note_stored_days(i.inhrelid::regclass, to_date(right(i.inhrelid::regclass::text, 8), 'YYYYMMDD')))
FROM pg_inherits i
WHERE i.inhparent IN ('measurement_set'::regclass, 'waveform_run'::regclass)
  AND i.inhrelid::regclass::text ~ '_[0-9]{8}$';
DROP FUNCTION note_stored_days(regclass, date);
-- The default partitions hold what is out of every order, and little of it: all of it is read.
INSERT INTO stream_day
SELECT device_id, boot_id, stream, day_of(measured_at), min(sequence), max(sequence) | 4095
FROM (SELECT device_id, boot_id, stream, sequence, measured_at FROM measurement_set_default
      UNION ALL SELECT device_id, boot_id, stream, sequence, measured_at FROM waveform_run_default) x
GROUP BY 1, 2, 3, 4
ON CONFLICT (device_id, boot_id, stream, day)
  DO UPDATE SET low = least(stream_day.low, excluded.low), high = greatest(stream_day.high, excluded.high);
INSERT INTO live_day
SELECT x.waveforms, x.day, min(x.id), max(x.id)
FROM (SELECT false AS waveforms, day_of(measured_at) AS day, xid::text::bigint AS id FROM measurement_set_default
      UNION ALL SELECT true, day_of(measured_at), xid::text::bigint FROM waveform_run_default) x
GROUP BY 1, 2;

-- The rows that are stored under these keys, wherever. Day by day, so that no more partitions are opened than may hold
-- one: a statement for all of them would open every partition that there is.
CREATE FUNCTION stored_keys(devices bigint[], boots bigint[], streams smallint[], sequences bigint[])
RETURNS TABLE (day date, device_ids bigint[], boot_ids bigint[], stream_ids smallint[], sequence_ids bigint[])
LANGUAGE sql STABLE SET search_path FROM CURRENT AS
$$ SELECT d.day, array_agg(k.device_id), array_agg(k.boot_id), array_agg(k.stream), array_agg(k.sequence)
   FROM unnest(devices, boots, streams, sequences) k(device_id, boot_id, stream, sequence)
   JOIN stream_day d ON d.device_id = k.device_id AND d.boot_id = k.boot_id AND d.stream = k.stream
     AND d.low <= k.sequence AND d.high >= k.sequence
   GROUP BY d.day $$;

CREATE FUNCTION stored_sets(devices bigint[], boots bigint[], streams smallint[], sequences bigint[])
RETURNS SETOF measurement_set LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS
$$ DECLARE k record;
BEGIN
  FOR k IN SELECT * FROM stored_keys(devices, boots, streams, sequences) LOOP
    RETURN QUERY EXECUTE
      'SELECT x.* FROM unnest($1, $2, $3, $4) k(device_id, boot_id, stream, sequence)'
      ' JOIN measurement_set x ON x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.stream = k.stream'
      '  AND x.sequence = k.sequence AND x.measured_at >= $5 AND x.measured_at < $6'
      USING k.device_ids, k.boot_ids, k.stream_ids, k.sequence_ids, start_of(k.day), start_of(k.day + 1);
  END LOOP;
END $$;

CREATE FUNCTION stored_runs(devices bigint[], boots bigint[], streams smallint[], sequences bigint[])
RETURNS SETOF waveform_run LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS
$$ DECLARE k record;
BEGIN
  FOR k IN SELECT * FROM stored_keys(devices, boots, streams, sequences) LOOP
    RETURN QUERY EXECUTE
      'SELECT x.* FROM unnest($1, $2, $3, $4) k(device_id, boot_id, stream, sequence)'
      ' JOIN waveform_run x ON x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.stream = k.stream'
      '  AND x.sequence = k.sequence AND x.measured_at >= $5 AND x.measured_at < $6'
      USING k.device_ids, k.boot_ids, k.stream_ids, k.sequence_ids, start_of(k.day), start_of(k.day + 1);
  END LOOP;
END $$;

-- Alarms in the order of pages, so that a page is a stretch of an index.
CREATE INDEX alarm_event_order ON alarm_event (measured_at, device_id, boot_id, stream, sequence);
CREATE INDEX alarm_event_device_order ON alarm_event (device_id, measured_at, boot_id, stream, sequence);
DROP INDEX alarm_event_time;
DROP INDEX alarm_event_device_time;

-- The same for what may be open, and a device's by priority.
ALTER TABLE open_alarm ADD COLUMN measured_at timestamptz, ADD COLUMN priority smallint;
UPDATE open_alarm o SET measured_at = e.measured_at, priority = e.priority FROM alarm_event e
WHERE e.device_id = o.device_id AND e.boot_id = o.boot_id AND e.stream = o.stream AND e.sequence = o.sequence;
ALTER TABLE open_alarm ALTER COLUMN measured_at SET NOT NULL, ALTER COLUMN priority SET NOT NULL;
CREATE INDEX open_alarm_order ON open_alarm (measured_at, device_id, boot_id, stream, sequence);
CREATE INDEX open_alarm_device_order ON open_alarm (device_id, measured_at, boot_id, stream, sequence);
CREATE INDEX open_alarm_priority ON open_alarm (device_id, priority, measured_at, boot_id, stream, sequence);

CREATE OR REPLACE FUNCTION note_open_alarms() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ BEGIN
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

-- A ward's patients in the order of pages; a device's starts, newest first.
CREATE INDEX patient_ward_order ON patient (ward_id, patient_id);
DROP INDEX patient_ward;
CREATE INDEX device_boot_newest ON device_boot (device_id, first_seen_at);

-- As before; the ids of another home cover no day of this one.
CREATE OR REPLACE FUNCTION begin_live_epoch() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS
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
  DELETE FROM live_day;
  DELETE FROM live_epoch;
  INSERT INTO live_epoch (home) VALUES (live_home());
END $$;
