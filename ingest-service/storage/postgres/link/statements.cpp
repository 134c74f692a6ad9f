#include "storage/postgres/link/statements.hpp"

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
       " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
       " RETURNING current_setting('synchronous_commit')"},
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
      // Without measured_at, so that the same sequence with another tick is found too: on whichever day of its
      // stream's.
      {"find_sets",
       "SELECT m.device_id, m.boot_id, m.stream, m.sequence, m.tick_ms, m.sign_ids, m.sign_values"
       " FROM stored_sets($1, $2, $3, $4) m"},
      // Rows that are there and older. Without the lock that ON CONFLICT takes first it costs half as much.
      {"move_latest",
       "UPDATE latest l SET value = k.amount, quality = k.quality, measured_at = instant(k.measured),"
       "   received_at = instant(k.received), boot_id = k.boot_id, sequence = k.sequence"
       " FROM unnest($1::bigint[], $2::smallint[], $3::float8[], $4::smallint[], $5::bigint[], $6::bigint[], "
       "$7::bigint[],"
       "   $8::bigint[]) k(device_id, sign, amount, quality, measured, received, boot_id, sequence)"
       " WHERE l.device_id = k.device_id AND l.sign_id = k.sign AND (instant(k.measured) > l.measured_at"
       "   OR (instant(k.measured) = l.measured_at AND k.boot_id = l.boot_id AND k.sequence > l.sequence))"},
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
       "SELECT m.device_id, m.boot_id, m.stream, m.sequence, m.tick_ms, m.rate_samples, m.rate_seconds, m.scale,"
       " m.sample_offset, m.samples FROM stored_runs($1, $2, $3, $4) m"},
      {"quarantine",
       "INSERT INTO quarantine AS q (device_id, boot_id, stream, sequence, digest, reason, resource, payload, "
       "received_at,"
       " seen)"
       " SELECT k.device_id, k.boot_id, k.stream, k.sequence, sha256(k.payload || convert_to(k.reason, 'UTF8')),"
       " k.reason, k.resource, k.payload, instant(k.received), k.times"
       " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::bytea[],"
       "   $8::bigint[], $9::bigint[])"
       "   k(device_id, boot_id, stream, sequence, reason, resource, payload, received, times)"
       " ORDER BY 1, 2, 3, 4, 5"
       " ON CONFLICT (device_id, boot_id, stream, sequence, digest) DO UPDATE SET seen = q.seen + excluded.seen"},
      // One open condition a boot says it all; more would only tire who has to look.
      {"without_quarantine_alarm",
       "SELECT k.device_id, k.boot_id FROM unnest($1::bigint[], $2::bigint[]) k(device_id, boot_id)"
       " WHERE NOT EXISTS (SELECT FROM alarm_event a WHERE a.device_id = k.device_id AND a.boot_id = k.boot_id"
       "   AND a.stream = 4 AND a.code = 'quarantine')"},
      {"lock_storage_streams",
       "INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence)"
       " SELECT k.device_id, k.boot_id, 4, 0 FROM unnest($1::bigint[], $2::bigint[]) k(device_id, boot_id)"
       " ORDER BY 1, 2"
       " ON CONFLICT (device_id, boot_id, stream) DO UPDATE SET high_sequence = s.high_sequence"
       " RETURNING device_id, boot_id, high_sequence"},
      {"raise_quarantine_alarms",
       "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms, "
       "measured_at,"
       " received_at, source)"
       " SELECT k.device_id, k.boot_id, 4, k.sequence, 1, 2, 1, 'quarantine', k.tick, instant(k.received),"
       " instant(k.received), 'storage'"
       " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])"
       "   k(device_id, boot_id, sequence, tick, received)"},
      {"advance_storage_streams",
       "UPDATE stream_state s SET high_sequence = k.sequence"
       " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(device_id, boot_id, sequence)"
       " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, 4)"},
      {"audit",
       "INSERT INTO audit (subject, method, outcome, resources, reason, address, count)"
       " SELECT k.subject, k.method, k.outcome, k.resources::text[], k.reason, k.address, k.times"
       " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])"
       "   WITH ORDINALITY k(subject, method, outcome, resources, reason, address, times, place)"
       " ORDER BY k.place"},
      // The last correction beside each start's anchor; NULL for what is not there.
      {"find_starts",
       "SELECT k.place - 1, d.device_id, micros(b.anchor), c.offset_micros"
       " FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY k(urn, boot_id, place)"
       " LEFT JOIN device d ON d.urn = k.urn"
       " LEFT JOIN device_boot b ON b.device_id = d.device_id AND b.boot_id = k.boot_id"
       " LEFT JOIN LATERAL (SELECT x.offset_micros FROM clock_correction x"
       "   WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id ORDER BY x.recorded_at DESC LIMIT 1) c ON true"},
      // In order, so that two writers never wait for each other in a circle; likewise the next.
      {"take_devices_in",
       "INSERT INTO device (urn) SELECT DISTINCT urn FROM unnest($1::text[]) k(urn) ORDER BY 1 ON CONFLICT DO NOTHING"},
      {"begin_starts",
       "INSERT INTO device_boot (device_id, boot_id, anchor)"
       " SELECT DISTINCT ON (k.device_id, k.boot_id) k.device_id, k.boot_id, instant(k.anchor)"
       " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY k(device_id, boot_id, anchor, place)"
       " ORDER BY k.device_id, k.boot_id, k.place ON CONFLICT DO NOTHING"},
      // The same offset again (a session that is named anew on another stream) is no news.
      {"correct_clocks",
       "INSERT INTO clock_correction (device_id, boot_id, offset_micros)"
       " SELECT k.device_id, k.boot_id, k.amount"
       " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(device_id, boot_id, amount)"
       " WHERE k.amount IS DISTINCT FROM coalesce((SELECT c.offset_micros FROM clock_correction c"
       "   WHERE c.device_id = k.device_id AND c.boot_id = k.boot_id ORDER BY c.recorded_at DESC LIMIT 1), 0)"
       " ORDER BY 1, 2 ON CONFLICT DO NOTHING"},
      {"watermarks",
       "SELECT k.place - 1, s.stream, s.high_sequence"
       " FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY k(device_id, boot_id, place)"
       " JOIN stream_state s ON s.device_id = k.device_id AND s.boot_id = k.boot_id"
       " WHERE s.high_sequence > 0"},
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
