-- The only calendar: every statement and every process that stores or compares an instant reads it. Once a statement:
-- (SELECT calendar()). A test's schema may put another in its place.
CREATE FUNCTION calendar() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$ SELECT clock_timestamp() $$;

ALTER TABLE device ALTER COLUMN created_at SET DEFAULT calendar();
ALTER TABLE patient ALTER COLUMN created_at SET DEFAULT calendar();
ALTER TABLE grants ALTER COLUMN created_at SET DEFAULT calendar();
ALTER TABLE audit ALTER COLUMN at SET DEFAULT calendar();
ALTER TABLE device_boot ALTER COLUMN first_seen_at SET DEFAULT calendar();
ALTER TABLE clock_correction ALTER COLUMN recorded_at SET DEFAULT calendar();
ALTER TABLE alarm_acknowledgement ALTER COLUMN acknowledged_at SET DEFAULT calendar();
ALTER TABLE live_epoch ALTER COLUMN begun_at SET DEFAULT calendar();
ALTER TABLE system_alarm ALTER COLUMN raised_at SET DEFAULT calendar();
