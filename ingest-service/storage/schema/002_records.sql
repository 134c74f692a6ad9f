-- What devices sent. The record key is (device, boot, stream, sequence); every key starts with the device.

-- One anchor for each start of a device: measured_at = anchor + tick. Immutable, so that measured_at may partition.
CREATE TABLE device_boot (
  device_id     bigint NOT NULL REFERENCES device,
  boot_id       bigint NOT NULL,
  anchor        timestamptz NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (device_id, boot_id)
);
CREATE TRIGGER device_boot_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON device_boot
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a later session said of the same boot's clock: add the offset to measured_at to order by it.
CREATE TABLE clock_correction (
  device_id          bigint NOT NULL,
  boot_id            bigint NOT NULL,
  recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  offset_micros      bigint NOT NULL,
  uncertainty_micros bigint,
  PRIMARY KEY (device_id, boot_id, recorded_at),
  FOREIGN KEY (device_id, boot_id) REFERENCES device_boot
);

-- One row is one measurement set: parallel arrays. Streams: 1 vitals, 2 alarms, 3 manual, 4 storage.
CREATE TABLE measurement_set (
  device_id   bigint NOT NULL,
  boot_id     bigint NOT NULL,
  stream      smallint NOT NULL,
  sequence    bigint NOT NULL,
  tick_ms     bigint NOT NULL,
  measured_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  sign_ids    smallint[] NOT NULL,
  sign_values float8[] NOT NULL,
  qualities   smallint[] NOT NULL,
  PRIMARY KEY (device_id, boot_id, stream, sequence, measured_at)
) PARTITION BY RANGE (measured_at);
CREATE INDEX measurement_set_time ON measurement_set (device_id, measured_at);
-- Takes what no daily partition covers, so that nothing is ever refused.
CREATE TABLE measurement_set_default PARTITION OF measurement_set DEFAULT;

-- Makes the UTC day's partition; false when it cannot, because the default partition holds rows of that day already.
CREATE FUNCTION make_measurement_partition(day date) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF measurement_set FOR VALUES FROM (%L) TO (%L)',
                 'measurement_set_' || to_char(day, 'YYYYMMDD'),
                 day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
  RETURN true;
EXCEPTION WHEN check_violation THEN
  RETURN false;
END $$;

-- The highest sequence stored: what lies above it is new for certain; what lies below is looked up.
CREATE TABLE stream_state (
  device_id        bigint NOT NULL,
  boot_id          bigint NOT NULL,
  stream           smallint NOT NULL,
  high_sequence    bigint NOT NULL,
  last_received_at timestamptz,
  PRIMARY KEY (device_id, boot_id, stream)
) WITH (fillfactor = 70);

-- The newest value of each sign. Moves forwards only, by measured_at.
CREATE TABLE latest (
  device_id   bigint NOT NULL,
  sign_id     smallint NOT NULL,
  value       float8 NOT NULL,
  quality     smallint NOT NULL,
  measured_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  boot_id     bigint NOT NULL,
  sequence    bigint NOT NULL,
  PRIMARY KEY (device_id, sign_id)
) WITH (fillfactor = 70);

-- event: 1 raised, 2 ended. kind: 1 physiological, 2 technical. priority: 1 low, 2 medium, 3 high.
CREATE TABLE alarm_event (
  device_id      bigint NOT NULL,
  boot_id        bigint NOT NULL,
  stream         smallint NOT NULL,
  sequence       bigint NOT NULL,
  event          smallint NOT NULL CHECK (event IN (1, 2)),
  kind           smallint NOT NULL CHECK (kind IN (1, 2)),
  priority       smallint NOT NULL CHECK (priority IN (1, 2, 3)),
  code           text NOT NULL,
  sign_id        smallint,
  value          float8,
  limit_value    float8,
  onset_sequence bigint,
  tick_ms        bigint NOT NULL,
  measured_at    timestamptz NOT NULL,
  received_at    timestamptz NOT NULL,
  source         text NOT NULL CHECK (source IN ('device', 'storage')),
  PRIMARY KEY (device_id, boot_id, stream, sequence)
);
CREATE INDEX alarm_event_time ON alarm_event (measured_at);
CREATE INDEX alarm_event_device_time ON alarm_event (device_id, measured_at);
CREATE INDEX alarm_event_onset ON alarm_event (device_id, boot_id, stream, onset_sequence) WHERE event = 2;
CREATE TRIGGER alarm_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarm_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Onset and end as one condition. An end whose onset was never heard of is one too. `at` orders them.
CREATE VIEW alarm_condition AS
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
    AND r.sequence = e.onset_sequence);

-- What could not be taken, raw. The same again is the same row, seen once more.
CREATE TABLE quarantine (
  device_id   bigint NOT NULL,
  boot_id     bigint NOT NULL,
  stream      smallint NOT NULL,
  sequence    bigint NOT NULL,
  digest      bytea NOT NULL,
  reason      text NOT NULL,
  resource    text NOT NULL,
  payload     bytea NOT NULL,
  received_at timestamptz NOT NULL,
  seen        bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (device_id, boot_id, stream, sequence, digest)
);
