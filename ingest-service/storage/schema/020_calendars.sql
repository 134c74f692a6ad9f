-- Which calendar an exchange's anchor is an instant of, so that what was measured before the calendar was set, between that and
-- the next exchange, and after it, is told apart.

-- What its jump may be wrong by, either way.
ALTER TABLE calendar_step ADD COLUMN uncertainty_micros bigint NOT NULL DEFAULT 1000000;
ALTER TABLE calendar_step ALTER COLUMN uncertainty_micros DROP DEFAULT;

DROP FUNCTION note_calendar_step(bigint, text, bigint, bigint, bigint, text, text);
CREATE FUNCTION note_calendar_step(step bigint, host text, shown bigint, jump bigint, since bigint, uncertainty bigint,
                                   detail text, source text)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO calendar_step (step_id, at, jump_micros, since_micros, uncertainty_micros, host_boot_id)
   VALUES (step, instant(shown), jump, since, uncertainty, host);
   INSERT INTO system_alarm (code, subject, priority, detail, source)
   VALUES ('calendar_stepped', step::text, 3, detail, source) $$;

-- calendar: the last step (step_id) that the calendar had taken in; 0 = none. Of what is there already nothing was kept: its
-- instants are taken as the present calendar's, as they were until now.
DO $$ BEGIN
  EXECUTE format('ALTER TABLE clock_exchange ADD COLUMN calendar bigint NOT NULL DEFAULT %s',
                 (SELECT coalesce(max(step_id), 0) FROM calendar_step));
END $$;
ALTER TABLE clock_exchange ALTER COLUMN calendar DROP DEFAULT;

-- read_at_tick: the clock was not read at tick_ms; that is what it says if it went on from, or to, where it was read. Such a one
-- moves its start, and tells nothing of how well its clock is known.
ALTER TABLE clock_exchange ADD COLUMN read_at_tick bigint;
