-- Live streams send an alarm again when it becomes known, or people say, that it is somebody else's, or nobody's.

-- The condition under that key has changed hands: an onset, or an end without one.
CREATE TABLE alarm_reattribution (
  device_id   bigint NOT NULL,
  boot_id     bigint NOT NULL,
  stream      smallint NOT NULL,
  sequence    bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT calendar(),
  xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  FOREIGN KEY (device_id, boot_id, stream, sequence) REFERENCES alarm_event
);
CREATE INDEX alarm_reattribution_live ON alarm_reattribution (xid);
CREATE TRIGGER alarm_reattribution_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarm_reattribution
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TYPE doubted_alarm AS (device_id bigint, boot_id bigint, stream smallint, sequence bigint, candidates uuid[]);

-- The conditions of these starts that are in doubt, and between whom.
CREATE FUNCTION doubted_alarms(devices bigint[], boots bigint[]) RETURNS SETOF doubted_alarm LANGUAGE sql STABLE AS
$$ SELECT x.device_id, x.boot_id, x.stream, x.sequence, array_agg(DISTINCT z ORDER BY z)
   FROM unnest(devices, boots) k(device, boot)
   JOIN doubt q ON q.device_id = k.device AND q.boot_id = k.boot CROSS JOIN LATERAL unnest(q.candidates) z
   JOIN alarm_event x ON x.device_id = q.device_id AND x.boot_id = q.boot_id AND x.stream <> 4
     AND x.measured_at >= q.since AND x.measured_at < q.until
     AND (q.anchor IS NULL OR x.tick_ms <= 3162240000000000
          AND q.anchor + x.tick_ms * interval '1 millisecond' = x.measured_at)
   WHERE x.event = 1 OR NOT EXISTS (
     SELECT FROM alarm_event o WHERE o.device_id = x.device_id AND o.boot_id = x.boot_id AND o.stream = x.stream
       AND o.sequence = x.onset_sequence AND o.event = 1)
   GROUP BY x.device_id, x.boot_id, x.stream, x.sequence $$;

-- As before, and notes which alarms have changed hands with it.
CREATE OR REPLACE FUNCTION renew_doubts(of_devices bigint[], of_boots bigint[], devices bigint[], boots bigint[],
                                        anchors bigint[], sinces bigint[], untils bigint[], all_candidates text[])
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ DECLARE before doubted_alarm[]; after doubted_alarm[];
BEGIN
  SELECT array_agg(x) INTO before FROM doubted_alarms(of_devices, of_boots) x;
  DELETE FROM doubt q USING unnest(of_devices, of_boots) k(d, b) WHERE q.device_id = k.d AND q.boot_id = k.b;
  INSERT INTO doubt (device_id, boot_id, anchor, since, until, candidates)
  SELECT k.d, k.b, instant(k.a), instant(k.s), instant(k.u), k.c::uuid[]
  FROM unnest(devices, boots, anchors, sinces, untils, all_candidates) k(d, b, a, s, u, c);
  SELECT array_agg(x) INTO after FROM doubted_alarms(of_devices, of_boots) x;
  INSERT INTO alarm_reattribution (device_id, boot_id, stream, sequence)
  SELECT DISTINCT x.device_id, x.boot_id, x.stream, x.sequence
  FROM ((SELECT * FROM unnest(before) EXCEPT SELECT * FROM unnest(after))
        UNION ALL (SELECT * FROM unnest(after) EXCEPT SELECT * FROM unnest(before))) x;
END $$;

CREATE FUNCTION note_settled_alarms() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$ BEGIN
  INSERT INTO alarm_reattribution (device_id, boot_id, stream, sequence)
  SELECT x.device_id, x.boot_id, x.stream, x.sequence
  FROM doubted_alarms(ARRAY[NEW.device_id], ARRAY[NEW.boot_id]) x
  JOIN alarm_event e USING (device_id, boot_id, stream, sequence)
  WHERE e.tick_ms BETWEEN NEW.first_tick AND NEW.last_tick AND e.measured_at >= NEW.since AND e.measured_at < NEW.until;
  RETURN NULL;
END $$;
CREATE TRIGGER settlement_noted AFTER INSERT ON settlement
  FOR EACH ROW EXECUTE FUNCTION note_settled_alarms();

-- Its ids too are of one home.
CREATE OR REPLACE FUNCTION begin_live_epoch() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['measurement_set', 'alarm_event', 'alarm_acknowledgement', 'alarm_end',
                              'alarm_reattribution', 'assignment_change', 'waveform_run', 'stream_state'] LOOP
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

-- Roles that may read what is nobody's, or end alarms, may read and say whose it is.
DO $$ DECLARE given record;
BEGIN
  FOR given IN
    SELECT a.privilege_type AS may, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE (c.oid = 'doubt'::regclass AND a.privilege_type = 'SELECT')
       OR (c.oid = 'alarm_end'::regclass AND a.privilege_type = 'INSERT') LOOP
    IF given.may = 'SELECT' THEN
      EXECUTE format('GRANT SELECT ON settlement, alarm_reattribution TO %s', given.who);
    ELSE
      EXECUTE format('GRANT INSERT ON settlement TO %s', given.who);
    END IF;
  END LOOP;
END $$;
