-- Alarms of the system itself, and functions that do not depend on their caller's settings.

-- One condition: what is wrong (code), with what (subject; empty where the code says it all), in one sentence that holds
-- nothing of a patient. priority: 1 low, 2 medium, 3 high. source: the program and host that saw it first. At most one
-- is open of each code and subject, whoever sees it.
CREATE TABLE system_alarm (
  system_alarm_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code      text NOT NULL CHECK (octet_length(code) BETWEEN 1 AND 63),
  subject   text NOT NULL DEFAULT '',
  priority  smallint NOT NULL CHECK (priority IN (1, 2, 3)),
  detail    text NOT NULL,
  source    text NOT NULL,
  raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at  timestamptz
);
CREATE UNIQUE INDEX system_alarm_open ON system_alarm (code, subject) WHERE ended_at IS NULL;
CREATE INDEX system_alarm_time ON system_alarm (raised_at);

-- A row changes once: it ends.
CREATE FUNCTION keep_system_alarm() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$ BEGIN
  IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL THEN
    OLD.ended_at := NEW.ended_at;
    IF OLD IS NOT DISTINCT FROM NEW THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION '% on % is refused: its rows are added, and end, and nothing else', TG_OP, TG_TABLE_NAME;
END $$;
CREATE TRIGGER system_alarm_kept BEFORE UPDATE OR DELETE ON system_alarm
  FOR EACH ROW EXECUTE FUNCTION keep_system_alarm();
CREATE TRIGGER system_alarm_not_emptied BEFORE TRUNCATE ON system_alarm
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Functions that name tables find those of their own schema, whatever the caller's search_path is: pg_restore's is empty,
-- an administrator's may be another. instant(), micros() and run_end() name nothing but PostgreSQL's own, and stay free of
-- settings, which would keep them from being inlined. storage pins again when the schema gets another name.
ALTER FUNCTION refuse_change() SET search_path FROM CURRENT;
ALTER FUNCTION note_assignment_change() SET search_path FROM CURRENT;
ALTER FUNCTION note_open_alarms() SET search_path FROM CURRENT;
ALTER FUNCTION live_home() SET search_path FROM CURRENT;
ALTER FUNCTION begin_live_epoch() SET search_path FROM CURRENT;
ALTER FUNCTION make_measurement_partition(date) SET search_path FROM CURRENT;
ALTER FUNCTION make_waveform_partition(date) SET search_path FROM CURRENT;
-- They make names and bounds of dates.
ALTER FUNCTION make_measurement_partition(date) SET DateStyle = 'ISO';
ALTER FUNCTION make_waveform_partition(date) SET DateStyle = 'ISO';
ALTER FUNCTION make_measurement_partition(date) SET TimeZone = 'UTC';
ALTER FUNCTION make_waveform_partition(date) SET TimeZone = 'UTC';
