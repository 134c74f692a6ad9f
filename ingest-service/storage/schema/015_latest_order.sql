-- The latest value of a sign is what the device said last: of its newest start, under the highest sequence, whatever its clock
-- says. ordinal: the start's in registered_start; 0 where it has no place there. What is posted by hand is a row of its own.
ALTER TABLE latest ADD COLUMN manual boolean NOT NULL DEFAULT false;
ALTER TABLE latest ADD COLUMN ordinal bigint NOT NULL DEFAULT 0;
ALTER TABLE latest DROP CONSTRAINT latest_pkey;
ALTER TABLE latest ADD PRIMARY KEY (device_id, sign_id, manual);

-- What is there is carried over; of one start the same sequence may be of both streams, then it is the device's.
UPDATE latest l SET ordinal = s.ordinal
FROM registered_start s WHERE s.device_id = l.device_id AND s.boot_id = l.boot_id AND NOT s.late;
UPDATE latest l SET manual = true
WHERE 3 = (
  SELECT min(m.stream) FROM measurement_set m
  WHERE m.device_id = l.device_id AND m.boot_id = l.boot_id AND m.stream IN (1, 3) AND m.sequence = l.sequence
    AND m.measured_at = l.measured_at);

-- What claims to be measured after it was received is measured when it was received; this is how far it was ahead, in
-- microseconds. NULL: it was not.
ALTER TABLE measurement_set ADD COLUMN clock_jump_micros bigint;
ALTER TABLE alarm_event ADD COLUMN clock_jump_micros bigint;
ALTER TABLE waveform_run ADD COLUMN clock_jump_micros bigint;
-- The same records once more, by their starts: whose they are hangs on how far wrong they may be.
CREATE TABLE jumped_record (
  device_id   bigint NOT NULL,
  boot_id     bigint NOT NULL,
  tick_ms     bigint NOT NULL,
  measured_at timestamptz NOT NULL,
  jump_micros bigint NOT NULL
);
CREATE INDEX jumped_record_of_start ON jumped_record (device_id, boot_id);
