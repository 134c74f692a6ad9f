// What clinicians ask about measurements and waveforms. A record is a patient's when the patient wore the device as it
// was measured.

#include <algorithm>
#include <limits>
#include <tuple>

#include "storage/memory/answers.hpp"
#include "storage/memory/attribution.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/page.hpp"
#include "storage/rules/run.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;

auto order_of(const Row& row) {
  const auto key = key_of(row.record);
  return std::tuple(row.measured_at, key.device_id, key.boot, key.stream, key.sequence);
}

auto order_of(const Position& place) {
  return std::tuple(place.at, place.device_id, place.boot, place.stream, place.sequence);
}

/// The rows of these that the question concerns, oldest first.
template <typename Wanted>
std::vector<const Row*> rows_for(const Tables& tables, const Rows& rows, const Scope& scope, const Subject& subject,
                                 Wanted&& wanted) {
  std::vector<const Row*> found;
  for (const auto device : devices_of(tables, subject))
    for (auto row = rows.lower_bound({device, 0, Stream{}, 0}); row != rows.end() && row->first.device_id == device;
         ++row)
      if (wanted(row->second) && concerns(tables, scope, subject, device, wearer_of(tables, row->second)))
        found.push_back(&row->second);
  std::ranges::sort(found, {}, [](const Row* row) { return order_of(*row); });
  return found;
}

/// What all records have.
template <typename Answer>
Answer answer_of(const Tables& tables, const Row& row) {
  Answer answer;
  const auto& record = row.record;
  answer.device_id = record.session->device_id;
  answer.device = record.session->device;
  answer.boot = record.session->boot;
  answer.stream = record.stream;
  answer.sequence = record.sequence;
  answer.tick_ms = record.tick_ms;
  answer.measured_at = row.measured_at;
  answer.received_at = record.received_at;
  answer.uncertainty = uncertainty_in(tables, row);
  answer.clock_jump = row.clock_jump;
  return answer;
}

Position place_of(const ReadingRow& row) {
  return {row.measured_at, row.device_id, row.boot, row.stream, row.sequence};
}

bool within(const std::optional<Instant>& start, const std::optional<Instant>& end, Instant at) {
  return (!start || at >= *start) && (!end || at < *end);
}

bool has_sign_of(const MeasurementSet& set, const std::vector<std::uint16_t>& signs) {
  return signs.empty() || std::ranges::find_first_of(set.signs, signs) != set.signs.end();
}

struct Sums {
  double min = std::numeric_limits<double>::infinity(), sum = 0, max = -std::numeric_limits<double>::infinity();
  std::uint64_t count = 0;
  std::set<std::int64_t> seconds;  // of the bucket

  void add(double value, std::int64_t second) {
    min = std::min(min, value);
    max = std::max(max, value);
    sum += value;
    ++count;
    seconds.insert(second);
  }
  double mean() const { return sum / static_cast<double>(count); }
};

struct SumsOfSign {
  Sums plausible, all;
};

AggregateRow aggregate_of(std::uint64_t bucket, std::uint16_t sign, const SumsOfSign& sums) {
  const auto& [plausible, all] = sums;
  AggregateRow row;
  row.bucket = bucket;
  row.sign = sign;
  row.count = plausible.count;
  row.implausible = all.count - plausible.count;
  row.seconds = plausible.seconds.size();
  row.all_min = all.min;
  row.all_mean = all.mean();
  row.all_max = all.max;
  row.all_seconds = all.seconds.size();
  if (plausible.count == 0) return row;
  row.min = plausible.min;
  row.mean = plausible.mean();
  row.max = plausible.max;
  return row;
}

}  // namespace

ReadingRow memory::reading_of(const Tables& tables, const Row& row) {
  auto reading = answer_of<ReadingRow>(tables, row);
  reading.set = std::get<MeasurementSet>(row.record.body);
  return reading;
}

RunRow memory::run_of(const Tables& tables, const Row& row) {
  auto run = answer_of<RunRow>(tables, row);
  run.run = std::get<WaveformRun>(row.record.body);
  return run;
}

Page<ReadingRow> MemoryStore::readings(const ReadingsQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  const auto found = rows_for(*tables_, tables_->sets, query.scope, query.subject, [&](const Row& row) {
    return within(query.start, query.end, row.measured_at) &&
           (!query.after || order_of(row) > order_of(*query.after)) &&
           has_sign_of(std::get<MeasurementSet>(row.record.body), query.signs);
  });
  std::vector<ReadingRow> rows;
  for (const auto* row : found) {
    if (rows.size() > query.limit) break;
    rows.push_back(reading_of(*tables_, *row));
  }
  return first_page<ReadingRow, Position>(std::move(rows), query.limit, place_of);
}

Page<AggregateRow, std::uint64_t> MemoryStore::aggregates(const AggregatesQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  const auto from = query.start + query.bucket * static_cast<std::int64_t>(query.first_bucket);
  std::map<std::pair<std::uint64_t, std::uint16_t>, SumsOfSign> buckets;
  for (const auto* row : rows_for(*tables_, tables_->sets, query.scope, query.subject,
                                  [&](const Row& each) { return within(from, query.end, each.measured_at); })) {
    const auto since = row->measured_at - query.start;
    const auto& set = std::get<MeasurementSet>(row->record.body);
    for (std::size_t i = 0; i < set.signs.size(); ++i) {
      if (!query.signs.empty() && std::ranges::find(query.signs, set.signs[i]) == query.signs.end()) continue;
      auto& sums = buckets[{static_cast<std::uint64_t>(since / query.bucket), set.signs[i]}];
      const auto second = since % query.bucket / std::chrono::seconds{1};
      sums.all.add(set.values[i], second);
      if ((set.qualities[i] & 1) == 0) sums.plausible.add(set.values[i], second);
    }
  }
  Page<AggregateRow, std::uint64_t> page;
  for (const auto& [key, sums] : buckets) {
    if (page.size() >= query.limit && page.back().bucket != key.first) {
      page.next = key.first;
      break;
    }
    page.push_back(aggregate_of(key.first, key.second, sums));
  }
  return page;
}

std::vector<RunRow> MemoryStore::runs(const RunsQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  const auto start = query.start.value(), end = query.end.value();
  std::vector<RunRow> rows;
  for (const auto* row : rows_for(*tables_, tables_->runs, query.scope, query.subject, [&](const Row& each) {
         return each.record.stream == query.stream && each.measured_at < end &&
                run_end(each.measured_at, std::get<WaveformRun>(each.record.body)) > start &&
                (!query.after || order_of(each) > order_of(*query.after));
       })) {
    if (rows.size() == query.limit) break;
    rows.push_back(run_of(*tables_, *row));
  }
  return rows;
}

std::optional<Instant> MemoryStore::end_of_runs(const RunsQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  const auto found = rows_for(*tables_, tables_->runs, query.scope, query.subject, [&](const Row& each) {
    return each.record.stream == query.stream && within(std::nullopt, query.end, each.measured_at);
  });
  if (found.empty()) return std::nullopt;
  return run_end(found.back()->measured_at, std::get<WaveformRun>(found.back()->record.body));
}

}  // namespace wardlink::storage
