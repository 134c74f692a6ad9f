-- Runs of samples: one row is one record of at most 10 s. `samples` are int16, big-endian, 0x8000 = missing; a sample's
-- value is sample_offset + scale * sample. Streams: 16 + the waveform's id of the catalogue.
CREATE TABLE waveform_run (
  device_id     bigint NOT NULL,
  boot_id       bigint NOT NULL,
  stream        smallint NOT NULL,
  sequence      bigint NOT NULL,
  tick_ms       bigint NOT NULL,
  measured_at   timestamptz NOT NULL,
  received_at   timestamptz NOT NULL,
  rate_samples  integer NOT NULL CHECK (rate_samples > 0),
  rate_seconds  integer NOT NULL CHECK (rate_seconds > 0),
  scale         float8 NOT NULL,
  sample_offset float8 NOT NULL,
  samples       bytea NOT NULL CHECK (octet_length(samples) >= 2 AND octet_length(samples) % 2 = 0),
  late          boolean NOT NULL DEFAULT false,
  xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CHECK (octet_length(samples) / 2 * rate_seconds::bigint <= 10 * rate_samples::bigint),
  PRIMARY KEY (device_id, boot_id, stream, sequence, measured_at)
) PARTITION BY RANGE (measured_at);
CREATE INDEX waveform_run_time ON waveform_run (device_id, stream, measured_at);
CREATE INDEX waveform_run_live ON waveform_run (xid);
-- Takes what no daily partition covers, so that nothing is ever refused.
CREATE TABLE waveform_run_default PARTITION OF waveform_run DEFAULT;

-- As make_measurement_partition.
CREATE FUNCTION make_waveform_partition(day date) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF waveform_run FOR VALUES FROM (%L) TO (%L)',
                 'waveform_run_' || to_char(day, 'YYYYMMDD'),
                 day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
  RETURN true;
EXCEPTION WHEN check_violation THEN
  RETURN false;
END $$;

-- Behind the last sample.
CREATE FUNCTION run_end(run waveform_run) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT run.measured_at
     + (octet_length(run.samples) / 2 * run.rate_seconds::float8 / run.rate_samples) * interval '1 second' $$;
