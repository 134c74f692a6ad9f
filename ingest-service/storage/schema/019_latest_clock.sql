-- How well the instant of what is shown as current is known. tick_ms: NULL where the set was gone before this was kept.
-- clock_jump_micros: as measurement_set's.
ALTER TABLE latest ADD COLUMN tick_ms bigint, ADD COLUMN clock_jump_micros bigint;

UPDATE latest l SET (tick_ms, clock_jump_micros) = (
  SELECT m.tick_ms, m.clock_jump_micros FROM measurement_set m
  WHERE m.device_id = l.device_id AND m.boot_id = l.boot_id AND m.stream = CASE WHEN l.manual THEN 3 ELSE 1 END
    AND m.sequence = l.sequence AND m.measured_at = l.measured_at);
