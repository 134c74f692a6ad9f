#include "storage/postgres/statements.hpp"

namespace wardlink::storage::postgres {

namespace {

std::map<std::string, std::string> writing_statements() {
  return {
      // In key order, so that two streams never wait for each other in a circle.
      {"lock_streams",
       "SELECT s.device_id, s.boot_id, s.stream, s.high_sequence, s.xid, pg_current_xact_id() FROM stream_state s"
       " JOIN unnest($1::bigint[], $2::bigint[], $3::smallint[]) k(device_id, boot_id, stream)"
       "   ON (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
       " ORDER BY s.device_id, s.boot_id, s.stream FOR UPDATE OF s"},
      {"begin_streams",
       "INSERT INTO stream_state (device_id, boot_id, stream, high_sequence)"
       " SELECT k.*, 0 FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) k(device_id, boot_id, stream)"
       " ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING"},
      {"advance_streams",
       "UPDATE stream_state s SET high_sequence = greatest(s.high_sequence, k.high),"
       " last_received_at = greatest(s.last_received_at, instant(k.received)), xid = pg_current_xact_id()"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[])"
       "   k(device_id, boot_id, stream, high, received)"
       " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"},
      {"insert_sets",
       "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids,"
       " sign_values, qualities, late)"
       " SELECT k.device_id, k.boot_id, k.stream, k.sequence, k.tick, instant(k.measured), instant(k.received),"
       " k.signs::smallint[], k.amounts::float8[], k.qualities::smallint[], k.late"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], "
       "$7::bigint[],"
       "   $8::text[], $9::text[], $10::text[], $11::boolean[])"
       "   k(device_id, boot_id, stream, sequence, tick, measured, received, signs, amounts, qualities, late)"
       " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"},
      // Without measured_at, so that the same sequence with another tick is found too: in whichever partition.
      {"find_sets",
       "SELECT k.device_id, k.boot_id, k.stream, k.sequence, m.tick_ms, m.sign_ids, m.sign_values"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[]) k(device_id, boot_id, stream, sequence)"
       " CROSS JOIN LATERAL (SELECT x.tick_ms, x.sign_ids, x.sign_values FROM measurement_set x"
       "   WHERE x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.stream = k.stream"
       "   AND x.sequence = k.sequence LIMIT 1) m"},
      {"advance_latest",
       "INSERT INTO latest AS l (device_id, sign_id, value, quality, measured_at, received_at, boot_id, sequence)"
       " SELECT k.device_id, k.sign, k.amount, k.quality, instant(k.measured), instant(k.received), k.boot_id, "
       "k.sequence"
       " FROM unnest($1::bigint[], $2::smallint[], $3::float8[], $4::smallint[], $5::bigint[], $6::bigint[], "
       "$7::bigint[],"
       "   $8::bigint[]) k(device_id, sign, amount, quality, measured, received, boot_id, sequence)"
       " ORDER BY 1, 2"
       " ON CONFLICT (device_id, sign_id) DO UPDATE SET value = excluded.value, quality = excluded.quality,"
       "   measured_at = excluded.measured_at, received_at = excluded.received_at, boot_id = excluded.boot_id,"
       "   sequence = excluded.sequence"
       " WHERE excluded.measured_at > l.measured_at OR (excluded.measured_at = l.measured_at"
       "   AND excluded.boot_id = l.boot_id AND excluded.sequence > l.sequence)"},
      {"insert_alarms",
       "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, sign_id, value,"
       " limit_value, onset_sequence, tick_ms, measured_at, received_at, source, late)"
       " SELECT k.device_id, k.boot_id, k.stream, k.sequence, k.event, k.kind, k.priority, k.code, k.sign, k.amount,"
       " k.bound, k.onset, k.tick, instant(k.measured), instant(k.received), 'device', k.late"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::smallint[],"
       "   $7::smallint[], $8::text[], $9::smallint[], $10::float8[], $11::float8[], $12::bigint[], $13::bigint[],"
       "   $14::bigint[], $15::bigint[], $16::boolean[])"
       "   k(device_id, boot_id, stream, sequence, event, kind, priority, code, sign, amount, bound, onset, tick,"
       "     measured, received, late)"
       " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"},
      {"find_alarms",
       "SELECT a.device_id, a.boot_id, a.stream, a.sequence, a.tick_ms, a.event, a.kind, a.priority, a.code,"
       " coalesce(a.sign_id, 0), a.value, a.limit_value, coalesce(a.onset_sequence, 0)"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[]) k(device_id, boot_id, stream, sequence)"
       " JOIN alarm_event a ON (a.device_id, a.boot_id, a.stream, a.sequence)"
       "   = (k.device_id, k.boot_id, k.stream, k.sequence)"},
      {"insert_runs",
       "INSERT INTO waveform_run (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, "
       "rate_samples,"
       " rate_seconds, scale, sample_offset, samples, late)"
       " SELECT k.device_id, k.boot_id, k.stream, k.sequence, k.tick, instant(k.measured), instant(k.received),"
       " k.rate_samples, k.rate_seconds, k.scale, k.origin, k.samples, k.late"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], "
       "$7::bigint[],"
       "   $8::int[], $9::int[], $10::float8[], $11::float8[], $12::bytea[], $13::boolean[])"
       "   k(device_id, boot_id, stream, sequence, tick, measured, received, rate_samples, rate_seconds, scale, origin,"
       "     samples, late)"
       " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"},
      // Without measured_at, as find_sets.
      {"find_runs",
       "SELECT k.device_id, k.boot_id, k.stream, k.sequence, m.tick_ms, m.rate_samples, m.rate_seconds, m.scale,"
       " m.sample_offset, m.samples"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[]) k(device_id, boot_id, stream, sequence)"
       " CROSS JOIN LATERAL (SELECT x.* FROM waveform_run x"
       "   WHERE x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.stream = k.stream"
       "   AND x.sequence = k.sequence LIMIT 1) m"},
      {"quarantine",
       "INSERT INTO quarantine AS q (device_id, boot_id, stream, sequence, digest, reason, resource, payload, "
       "received_at)"
       " VALUES ($1, $2, $3, $4, sha256($5 || convert_to($6, 'UTF8')), $6, $7, $5, instant($8))"
       " ON CONFLICT (device_id, boot_id, stream, sequence, digest) DO UPDATE SET seen = q.seen + 1"},
      // One open condition a boot says it all; more would only tire who has to look.
      {"has_quarantine_alarm",
       "SELECT EXISTS (SELECT FROM alarm_event WHERE device_id = $1 AND boot_id = $2 AND stream = 4"
       " AND code = 'quarantine')"},
      {"lock_storage_stream",
       "INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence) VALUES ($1, $2, 4, 0)"
       " ON CONFLICT (device_id, boot_id, stream) DO UPDATE SET high_sequence = s.high_sequence"
       " RETURNING high_sequence"},
      {"raise_quarantine_alarm",
       "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms, "
       "measured_at,"
       " received_at, source)"
       " VALUES ($1, $2, 4, $3, 1, 2, 1, 'quarantine', $4, instant($5), instant($5), 'storage')"},
      {"advance_storage_stream",
       "UPDATE stream_state SET high_sequence = $3 WHERE device_id = $1 AND boot_id = $2 AND stream = 4"},
      {"audit",
       "INSERT INTO audit (subject, method, outcome, resources, reason, address, count)"
       " VALUES ($1, $2, $3, $4::text[], $5, $6, $7)"},
      {"find_device", "SELECT device_id FROM device WHERE urn = $1"},
      {"take_device_in", "INSERT INTO device (urn) VALUES ($1) ON CONFLICT DO NOTHING"},
      {"begin_boot",
       "INSERT INTO device_boot (device_id, boot_id, anchor) VALUES ($1, $2, instant($3)) ON CONFLICT DO NOTHING"},
      {"find_boot", "SELECT micros(anchor) FROM device_boot WHERE device_id = $1 AND boot_id = $2"},
      // The same offset again (a session that is named anew on another stream) is no news.
      {"correct_clock",
       "INSERT INTO clock_correction (device_id, boot_id, offset_micros) SELECT $1, $2, $3::bigint"
       " WHERE $3::bigint IS DISTINCT FROM coalesce((SELECT c.offset_micros FROM clock_correction c"
       "   WHERE c.device_id = $1 AND c.boot_id = $2 ORDER BY c.recorded_at DESC LIMIT 1), 0)"
       " ON CONFLICT DO NOTHING"},
      {"watermarks",
       "SELECT stream, high_sequence FROM stream_state WHERE device_id = $1 AND boot_id = $2 AND high_sequence > 0"},
  };
}

}  // namespace

const std::map<std::string, std::string>& statements() {
  static const auto all = [] {
    auto texts = writing_statements();
    texts.merge(live_statements());
    return texts;
  }();
  return all;
}

}  // namespace wardlink::storage::postgres
