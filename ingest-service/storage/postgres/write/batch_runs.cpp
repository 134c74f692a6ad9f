// Runs of samples in a batch.

#include <algorithm>

#include "storage/postgres/link/statements.hpp"
#include "storage/postgres/write/batch.hpp"
#include "storage/postgres/write/key_columns.hpp"

namespace wardlink::storage::postgres {

void Batch::compare_runs(const Indices& doubtful) {
  Stored stored;
  for (const auto row : find_stored("find_runs", doubtful)) {
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
      run(tx_, "insert_runs", keys.devices.text(), keys.boots.text(), keys.streams.text(), keys.sequences.text(),
          keys.ticks.text(), keys.measured.text(), keys.received.text(), rate_samples.text(), rate_seconds.text(),
          scales.text(), offsets.text(), samples.text(), late.text());
  const auto left = without_result(fresh_runs_, inserted);
  if (left.empty()) return;
  std::erase_if(fresh_runs_, [&](std::size_t index) { return std::ranges::find(left, index) != left.end(); });
  compare_runs(left);
  require_rows(fresh_runs_, left);
}

}  // namespace wardlink::storage::postgres
