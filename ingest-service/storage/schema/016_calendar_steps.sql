-- That the calendar was set, and what says so.

-- What the calendar showed when a host's clock (CLOCK_BOOTTIME, which nobody sets) stood where: one row a host, as long as
-- its kernel runs. step_id: the last step that it has taken in; 0 = none.
CREATE TABLE calendar_pair (
  host_boot_id       text PRIMARY KEY CHECK (octet_length(host_boot_id) <= 63),
  boottime_micros    bigint NOT NULL,
  calendar           timestamptz NOT NULL,
  uncertainty_micros bigint NOT NULL,
  step_id            bigint NOT NULL,
  recorded_at        timestamptz NOT NULL DEFAULT calendar()
);

-- The calendar was set, by jump_micros (below 0: back), at most since_micros before it showed `at`; host_boot_id saw it
-- first.
CREATE TABLE calendar_step (
  step_id      bigint PRIMARY KEY,
  at           timestamptz NOT NULL,
  jump_micros  bigint NOT NULL,
  since_micros bigint NOT NULL,
  host_boot_id text NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT calendar()
);
CREATE TRIGGER calendar_step_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON calendar_step
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- With the rights of who made the schema: whoever writes what people say dates it, too. The caller holds the lock of looks
-- at the calendar. Instants are microseconds.
CREATE FUNCTION note_calendar_step(step bigint, host text, shown bigint, jump bigint, since bigint, detail text, source text)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO calendar_step (step_id, at, jump_micros, since_micros, host_boot_id)
   VALUES (step, instant(shown), jump, since, host);
   INSERT INTO system_alarm (code, subject, priority, detail, source)
   VALUES ('calendar_stepped', step::text, 3, detail, source) $$;

CREATE FUNCTION keep_calendar_pair(host text, boottime bigint, shown bigint, uncertainty bigint, step bigint)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ INSERT INTO calendar_pair AS p (host_boot_id, boottime_micros, calendar, uncertainty_micros, step_id)
   VALUES (host, boottime, instant(shown), uncertainty, step)
   ON CONFLICT (host_boot_id) DO UPDATE SET boottime_micros = excluded.boottime_micros, calendar = excluded.calendar,
     uncertainty_micros = excluded.uncertainty_micros, step_id = excluded.step_id, recorded_at = excluded.recorded_at;
   UPDATE system_alarm SET ended_at = instant(shown)
   WHERE code = 'calendar_stepped' AND ended_at IS NULL AND raised_at < instant(shown) - interval '1 day' $$;
