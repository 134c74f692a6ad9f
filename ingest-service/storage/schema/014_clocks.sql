-- What is known of the clocks of starts, and what is nobody's because of it.

-- At tick_ms of the start's clock the calendar showed anchor + tick_ms, give or take the uncertainty. One that moves the
-- start says so: ticks from from_tick on count from its anchor; before, and where none moves it, from device_boot's. A start
-- without any was never dated: only its debts tell of it; unless it is believed. One of ticks that are the calendar's (anchor 1970) needs none.
CREATE TABLE clock_exchange (
  device_id          bigint NOT NULL,
  boot_id            bigint NOT NULL,
  tick_ms            bigint NOT NULL,
  uncertainty_micros bigint NOT NULL,
  anchor             timestamptz NOT NULL,
  from_tick          bigint,
  recorded_at        timestamptz NOT NULL DEFAULT calendar(),
  PRIMARY KEY (device_id, boot_id, tick_ms, uncertainty_micros),
  FOREIGN KEY (device_id, boot_id) REFERENCES device_boot
);
CREATE INDEX clock_exchange_moves ON clock_exchange (device_id, boot_id, from_tick) WHERE from_tick IS NOT NULL;
CREATE TRIGGER clock_exchange_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON clock_exchange
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Starts of before are believed as they were: of how well their clocks are known nothing was kept, and whose their records are
-- stays. What is exchanged with one that runs on counts from then on.
ALTER TABLE device_boot ADD COLUMN believed boolean NOT NULL DEFAULT true;
ALTER TABLE device_boot ALTER COLUMN believed SET DEFAULT false;
DROP TABLE clock_correction;

-- Records of a start that are nobody's: measured from since until before until, by ticks that count from that anchor
-- (NULL: from any), they may be of any of the candidates. Made anew from clock_exchange and assignment whenever one of these changes.
CREATE TABLE doubt (
  device_id  bigint NOT NULL,
  boot_id    bigint NOT NULL,
  anchor     timestamptz,
  since      timestamptz NOT NULL,
  until      timestamptz NOT NULL,
  candidates uuid[] NOT NULL
);
CREATE INDEX doubt_of_start ON doubt (device_id, boot_id, until);

-- Says anew what of these starts is in doubt, with the rights of who made the schema: who may write who wears what, and no
-- records, does so. Instants are microseconds.
CREATE FUNCTION renew_doubts(of_devices bigint[], of_boots bigint[], devices bigint[], boots bigint[], anchors bigint[],
                             sinces bigint[], untils bigint[], all_candidates text[])
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ DELETE FROM doubt q USING unnest(of_devices, of_boots) k(d, b) WHERE q.device_id = k.d AND q.boot_id = k.b;
   INSERT INTO doubt (device_id, boot_id, anchor, since, until, candidates)
   SELECT k.d, k.b, instant(k.a), instant(k.s), instant(k.u), k.c::uuid[]
   FROM unnest(devices, boots, anchors, sinces, untils, all_candidates) k(d, b, a, s, u, c) $$;

-- Which wards see what is nobody's: those of the candidates and of who wears the device now. NULL: all, as nobody wears it.
CREATE FUNCTION wards_of_doubt(device bigint, candidates uuid[]) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT coalesce(array_agg(DISTINCT p.ward_id) FILTER (WHERE p.ward_id IS NOT NULL), '{}')
   FROM assignment w CROSS JOIN LATERAL unnest(candidates || w.patient_id) c(patient_id)
   JOIN patient p ON p.patient_id = c.patient_id
   WHERE w.device_id = device AND upper_inf(w.recorded) AND w.held @> (SELECT calendar())
   HAVING count(*) > 0 $$;
