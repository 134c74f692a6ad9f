#include "storage/postgres/live/rows.hpp"

#include <limits>

#include "storage/postgres/live/statements.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/record_rows.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {
namespace {

/// Where the rows of one kind begin, as their own columns tell it: a row of another kind is no key of theirs.
LivePosition start_of(LiveKind kind, LivePosition after) {
  if (after.kind == kind) return after;
  const bool all = after.kind < kind;  // of that transaction; else none
  after.device_id = all ? -1 : std::numeric_limits<std::int64_t>::max();
  return after;
}

std::vector<std::string> read_texts(const pqxx::field& array) {
  std::vector<std::string> texts;
  auto parser = array.as_array();
  for (auto next = parser.get_next(); next.first != pqxx::array_parser::juncture::done; next = parser.get_next())
    if (next.first == pqxx::array_parser::juncture::string_value) texts.push_back(next.second);
  return texts;
}

/// What each statement's rows begin with.
LiveEvent read_head(const pqxx::row& row, LiveKind kind) {
  LiveEvent event;
  event.at = {row[0].as<std::uint64_t>(),
              kind,
              row[1].as<std::int64_t>(),
              row[2].as<std::uint64_t>(),
              static_cast<std::uint8_t>(row[3].as<int>()),
              row[4].as<std::uint64_t>()};
  event.device = row[5].as<std::string>();
  event.patient = row[6].as<std::string>("");
  event.patient_name = row[7].as<std::string>("");
  event.ward = row[8].as<std::string>("");
  event.unattributed = row[9].as<bool>(false);
  if (!row[10].is_null()) event.wards = read_texts(row[10]);
  event.late = row[11].as<bool>();
  return event;
}

constexpr pqxx::row::size_type head = 12;

/// 0 of an event that only a newer version knows.
AlarmChange::Kind change_of(AlarmEvent event) {
  switch (event) {
    case AlarmEvent::raised:
      return AlarmChange::Kind::raised;
    case AlarmEvent::ended:
      return AlarmChange::Kind::ended;
  }
  return {};
}

AlarmChange read_change(const pqxx::row& row, LiveKind kind) {
  const auto change = [&] {
    if (kind == LiveKind::acknowledgement) return AlarmChange::Kind::acknowledged;
    if (kind == LiveKind::reattribution) return AlarmChange::Kind::reattributed;
    return change_of(read_enum<AlarmEvent>(row[head]));
  };
  return {change(), alarm_fields().read(row, head + 2), read_instant(row[head + 1].c_str())};
}

AttributionChange read_attribution(const pqxx::row& row, const LiveEvent& event) {
  return {{event.device, event.patient, read_instant(row[head].c_str()), optional_instant(row[head + 1]),
           read_instant(row[head + 2].c_str()), row[head + 3].as<std::string>()},
          row[head + 4].as<bool>()};
}

LiveEvent read_event(const pqxx::row& row, LiveKind kind) {
  auto event = read_head(row, kind);
  switch (kind) {
    case LiveKind::set:
      event.body = read_set(row, head);
      break;
    case LiveKind::alarm:
    case LiveKind::acknowledgement:
    case LiveKind::end:
    case LiveKind::reattribution:
      event.body = read_change(row, kind);
      break;
    case LiveKind::attribution:
      event.body = read_attribution(row, event);
      break;
    case LiveKind::waveform:
      event.body = read_run(row, head);
      break;
    case LiveKind::none:
      break;
  }
  return event;
}

template <typename Row>
Row* row_of(LiveEvent& event) {
  return std::get_if<Row>(&event.body);
}
template <>
AlarmCondition* row_of(LiveEvent& event) {
  auto* change = std::get_if<AlarmChange>(&event.body);
  return change ? &change->alarm : nullptr;
}

template <typename Row>
void state_uncertainty_of(pqxx::work& tx, std::vector<LiveEvent>& events) {
  std::vector<Row> rows;
  for (auto& event : events)
    if (const auto* row = row_of<Row>(event)) rows.push_back(*row);
  postgres::state_uncertainty(tx, rows);
  auto stated = rows.begin();
  for (auto& event : events)
    if (auto* row = row_of<Row>(event)) row->uncertainty = stated++->uncertainty;
}

void state_uncertainty(pqxx::work& tx, std::vector<LiveEvent>& events) {
  state_uncertainty_of<ReadingRow>(tx, events);
  state_uncertainty_of<RunRow>(tx, events);
  state_uncertainty_of<AlarmCondition>(tx, events);
}

}  // namespace

bool in_days(LiveKind kind) { return kind == LiveKind::set || kind == LiveKind::waveform; }

std::vector<Window> live_windows(pqxx::work& tx, LiveKind kind, std::uint64_t from, std::uint64_t until) {
  std::vector<Window> windows;
  for (const auto row : run(tx, live_days(), kind == LiveKind::waveform, from, until)) {
    const Instant day{std::chrono::days{row[0].as<int>()}};
    if (windows.empty() || day - windows.back().from >= longest_window) windows.push_back({day, day});
    windows.back().until = day + std::chrono::days{1};
  }
  return windows;
}

std::vector<LiveEvent> read_live(pqxx::work& tx, LiveKind kind, const std::optional<Window>& window,
                                 const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
                                 std::size_t limit) {
  std::vector<LiveEvent> events;
  const auto start = start_of(kind, after);
  const auto ask = [&](const auto&... more) {
    return run(tx, live_rows(kind), scope_text(filter.scope), text_of(filter.subject, Subject::Kind::patient),
               text_of(filter.subject, Subject::Kind::device), start.transaction, start.device_id, start.boot,
               static_cast<int>(start.stream), start.sequence, until, limit, more...);
  };
  for (const auto row : window ? ask(stamp_text(window->from), stamp_text(window->until)) : ask()) {
    events.push_back(read_event(row, kind));
  }
  state_uncertainty(tx, events);
  return events;
}

}  // namespace wardlink::storage::postgres
