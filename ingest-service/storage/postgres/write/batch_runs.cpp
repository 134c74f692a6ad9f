// Runs of samples in a batch.

#include <algorithm>

#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/write/batch.hpp"
#include "storage/postgres/write/key_columns.hpp"

namespace wardlink::storage::postgres {
namespace {

namespace sql {
const Statement insert_runs{
    "insert_runs",
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
    " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"};
// Without measured_at, as find_sets.
const Statement find_runs{
    "find_runs",
    "SELECT m.device_id, m.boot_id, m.stream, m.sequence, m.tick_ms, m.rate_samples, m.rate_seconds, m.scale,"
    " m.sample_offset, m.samples FROM stored_runs($1, $2, $3, $4) m"};
}  // namespace sql

}  // namespace

void Batch::compare_runs(const Indices& doubtful) {
  Stored stored;
  for (const auto row : find_stored(sql::find_runs, doubtful)) {
    Record record;
    record.tick_ms = row[4].as<std::uint64_t>();
    record.body = WaveformRun{row[5].as<std::uint32_t>(), row[6].as<std::uint32_t>(), read_double(row[7].c_str()),
                              read_double(row[8].c_str()), read_bytes(row[9].c_str())};
    stored.emplace(key_of(row), std::move(record));
  }
  compare(stored, doubtful, fresh_runs_);
}

void Batch::insert_runs() {
  if (fresh_runs_.empty()) return;
  KeyColumns keys;
  ArrayText rate_samples, rate_seconds, scales, offsets, samples, late;
  for (const auto index : fresh_runs_) {
    const auto& record = *records_[index];
    const auto& run = std::get<WaveformRun>(record.body);
    keys.add(record);
    rate_samples.add(std::int64_t{run.rate_samples});
    rate_seconds.add(std::int64_t{run.rate_seconds});
    scales.add(to_text(run.scale));
    offsets.add(to_text(run.offset));
    samples.add_quoted(to_text_of_bytes(run.samples));
    late.add(is_late(record) ? "t" : "f");
  }
  const auto inserted =
      run(tx_, sql::insert_runs, keys.devices.text(), keys.boots.text(), keys.streams.text(), keys.sequences.text(),
          keys.ticks.text(), keys.measured.text(), keys.received.text(), rate_samples.text(), rate_seconds.text(),
          scales.text(), offsets.text(), samples.text(), late.text());
  const auto left = without_result(fresh_runs_, inserted);
  if (left.empty()) return;
  std::erase_if(fresh_runs_, [&](std::size_t index) { return std::ranges::find(left, index) != left.end(); });
  compare_runs(left);
  require_rows(fresh_runs_, left);
}

}  // namespace wardlink::storage::postgres
