-- PostgreSQL inlines a function in SQL only where it promises no more than its body: what adds an interval to a
-- timestamptz, or takes its epoch, is STABLE. Called row by row they take a third of the time of storing a set.
ALTER FUNCTION instant(bigint) STABLE;
ALTER FUNCTION micros(timestamptz) STABLE;
ALTER FUNCTION run_end(waveform_run) STABLE;
