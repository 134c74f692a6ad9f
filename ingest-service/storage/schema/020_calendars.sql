-- Which calendar an exchange's anchor is an instant of, so that what was measured before the calendar was set, between that and
-- the next exchange, and after it, is told apart.

-- What its jump may be wrong by, either way. NULL, of steps of before: a second, and 500 ppm of since_micros.
ALTER TABLE calendar_step ADD COLUMN uncertainty_micros bigint;

DROP FUNCTION note_calendar_step(bigint, text, bigint, bigint, bigint, text, text);
CREATE FUNCTION note_calendar_step(step bigint, host text, shown bigint, jump bigint, since bigint, uncertainty bigint,
                                   detail text, source text)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO calendar_step (step_id, at, jump_micros, since_micros, uncertainty_micros, host_boot_id)
   VALUES (step, instant(shown), jump, since, uncertainty, host);
   INSERT INTO system_alarm (code, subject, priority, detail, source)
   VALUES ('calendar_stepped', step::text, 3, detail, source) $$;

-- calendar: the last step (step_id) that the calendar had taken in; 0 = none. NULL, of exchanges of before: as many as were
-- recorded when it was.
ALTER TABLE clock_exchange ADD COLUMN calendar bigint;

-- read_at_tick: the clock was not read at tick_ms; that is what it says if it went on from, or to, where it was read. Such a one
-- moves its start, and tells nothing of how well its clock is known.
ALTER TABLE clock_exchange ADD COLUMN read_at_tick bigint;

-- Whose what is has been said anew since the step.
CREATE TABLE calendar_step_settled (
  step_id     bigint PRIMARY KEY REFERENCES calendar_step,
  recorded_at timestamptz NOT NULL DEFAULT calendar()
);
INSERT INTO calendar_step_settled (step_id) SELECT step_id FROM calendar_step;
CREATE TRIGGER calendar_step_settled_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON calendar_step_settled
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- With the rights of who made the schema, as note_calendar_step(). NULL: all are.
CREATE FUNCTION unsettled_calendar_step() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ SELECT min(s.step_id) FROM calendar_step s
   WHERE NOT EXISTS (SELECT FROM calendar_step_settled d WHERE d.step_id = s.step_id) $$;
CREATE FUNCTION settle_calendar_step(step bigint) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT AS
$$ INSERT INTO calendar_step_settled (step_id) VALUES (step) ON CONFLICT DO NOTHING $$;
