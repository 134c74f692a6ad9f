#include "faults.hpp"

#include <algorithm>
#include <sstream>

#include "clock.hpp"

namespace wardlink::simulation {
namespace {

struct Row {
  FaultKind kind;
  const char* name;
  std::uint64_t weight;              // how often, among the others
  coap::Duration shortest, longest;  // how long it lasts
  std::uint64_t most;                // of its amount, from 1
};

constexpr std::array table{
    Row{FaultKind::loss, "loss", 6, 5s, 120s, 50},
    Row{FaultKind::doubling, "doubling", 3, 5s, 120s, 50},
    Row{FaultKind::delay, "delay", 6, 5s, 120s, 5000},
    Row{FaultKind::cut, "cut", 4, 1s, 300s, 1},
    Row{FaultKind::cut_up, "cut_up", 2, 1s, 120s, 1},
    Row{FaultKind::cut_down, "cut_down", 2, 1s, 120s, 1},
    Row{FaultKind::rebind, "rebind", 3, 0s, 0s, 1},
    Row{FaultKind::swap, "swap", 1, 0s, 0s, 7},
    Row{FaultKind::forge, "forge", 2, 0s, 0s, 20},
    Row{FaultKind::stop_device, "stop_device", 2, 1s, 300s, 1},
    Row{FaultKind::kill_device, "kill_device", 2, 1s, 60s, 1},
    Row{FaultKind::cut_power, "cut_power", 2, 1s, 120s, 1},
    Row{FaultKind::cut_power_writing, "cut_power_writing", 3, 30s, 120s, 1},
    Row{FaultKind::fail_disk, "fail_disk", 2, 0s, 0s, 8},
    Row{FaultKind::burst, "burst", 6, 0s, 0s, 100},
    Row{FaultKind::sleep, "sleep", 2, 1s, 300s, 1},
    Row{FaultKind::suspend, "suspend", 4, 1s, 300s, 1},
    Row{FaultKind::step_clock, "step_clock", 3, 0s, 0s, 300},
    Row{FaultKind::hand_over, "hand_over", 6, 0s, 0s, 1},
    Row{FaultKind::hand_over_late, "hand_over_late", 3, 0s, 0s, 300},
    Row{FaultKind::unworn, "unworn", 4, 1s, 120s, 1},
    Row{FaultKind::kill_ingest, "kill_ingest", 2, 1s, 60s, 1},
    Row{FaultKind::stop_ingest, "stop_ingest", 1, 2s, 20s, 1},
    Row{FaultKind::kill_storage, "kill_storage", 2, 1s, 120s, 1},
    Row{FaultKind::break_streams, "break_streams", 3, 0s, 0s, 8},
    Row{FaultKind::database_away, "database_away", 4, 1s, 300s, 1},
    Row{FaultKind::database_refuses, "database_refuses", 2, 10s, 120s, 50},
    Row{FaultKind::database_unknown, "database_unknown", 3, 10s, 120s, 50},
    Row{FaultKind::database_slow, "database_slow", 4, 10s, 120s, 2000},
    Row{FaultKind::step_calendar, "step_calendar", 3, 0s, 0s, 3600},
};
static_assert(table.size() == fault_kind_count);

/// Storage does not answer, or late.
bool holds_up(FaultKind kind) { return kind == FaultKind::database_away || kind == FaultKind::database_slow; }

const Row& row_of(FaultKind kind) { return *std::ranges::find(table, kind, &Row::kind); }

const Row& draw_row(Chance& chance) {
  std::uint64_t sum = 0;
  for (const Row& row : table) sum += row.weight;
  auto left = chance.below(sum);
  for (const Row& row : table) {
    if (left < row.weight) return row;
    left -= row.weight;
  }
  return table.front();
}

std::int64_t milliseconds(coap::Duration duration) { return duration / std::chrono::milliseconds{1}; }

}  // namespace

const char* to_string(FaultKind kind) { return row_of(kind).name; }

coap::Duration calendar_step(std::uint64_t amount) {
  const coap::Duration by = 2s * static_cast<std::int64_t>((amount + 1) / 2);
  return amount % 2 == 0 ? by : -by;
}

Schedule draw_schedule(Chance chance, coap::Duration length, std::size_t devices) {
  const auto count = chance.between(5, 10 + length / std::chrono::seconds{45});
  Schedule schedule;
  const auto add = [&](FaultKind kind, coap::Duration from, coap::Duration until, std::optional<std::size_t> device) {
    const Row& row = row_of(kind);
    until = std::min(until, length);
    const auto drawn = chance.below(devices);
    Fault fault{coap::Duration{chance.between(from.count(), until.count() - 1)}, kind, device.value_or(drawn),
                chance.between(row.shortest, row.longest), 1 + chance.below(row.most)};
    fault.at = std::chrono::milliseconds{milliseconds(fault.at)};
    fault.lasts = std::chrono::milliseconds{milliseconds(std::min(fault.lasts, length - fault.at))};
    // As often by seconds as by an hour.
    if (kind == FaultKind::step_calendar) fault.amount = 1 + (fault.amount - 1) / (1ULL << chance.below(12));
    schedule.push_back(fault);
    return fault;
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const auto fault = add(draw_row(chance).kind, {}, length, {});
    // Alarms that find no way on: what becomes of them is what this is about.
    if (holds_up(fault.kind) && fault.lasts > coap::Duration{0})
      for (auto bursts = chance.below(3); bursts > 0; --bursts)
        add(FaultKind::burst, fault.at, fault.at + fault.lasts, {});
    // What a disk that failed was given shows when the power goes.
    if (fault.kind == FaultKind::fail_disk) {
      add(FaultKind::burst, fault.at, fault.at + 5s, fault.device);
      add(FaultKind::cut_power, fault.at, fault.at + 20s, fault.device);
    }
    // A wrong clock shows where the wearer changes; a suspended one is found out by two heartbeats, or a new
    // session.
    if (fault.kind == FaultKind::suspend || fault.kind == FaultKind::step_clock)
      add(FaultKind::hand_over, fault.at, fault.at + fault.lasts + 120s, fault.device);
    if (fault.kind == FaultKind::step_calendar)
      for (auto handovers = chance.below(4); handovers > 0; --handovers)
        add(FaultKind::hand_over, std::max(fault.at - 60s, coap::Duration{}), fault.at + 120s, {});
    if (fault.kind == FaultKind::suspend) add(FaultKind::cut, fault.at, fault.at + fault.lasts + 120s, fault.device);
  }
  std::ranges::stable_sort(schedule, {}, &Fault::at);
  return schedule;
}

std::string to_text(const Schedule& schedule) {
  std::ostringstream text;
  for (const Fault& fault : schedule) {
    if (text.tellp() > 0) text << ',';
    text << milliseconds(fault.at) << ' ' << to_string(fault.kind) << ' ' << fault.device << ' '
         << milliseconds(fault.lasts) << ' ' << fault.amount;
  }
  return text.str();
}

std::optional<Schedule> read_schedule(std::string_view text) {
  Schedule schedule;
  std::istringstream all{std::string(text)};
  for (std::string part; std::getline(all, part, ',');) {
    std::istringstream words(part);
    std::int64_t at = 0, lasts = 0;
    std::string name;
    Fault fault;
    std::string more;
    if (!(words >> at >> name >> fault.device >> lasts >> fault.amount) || words >> more || at < 0 || lasts < 0)
      return std::nullopt;
    const auto row = std::ranges::find_if(table, [&](const Row& one) { return one.name == name; });
    if (row == table.end()) return std::nullopt;
    fault.at = std::chrono::milliseconds{at};
    fault.kind = row->kind;
    fault.lasts = std::chrono::milliseconds{lasts};
    schedule.push_back(fault);
  }
  return schedule;
}

}  // namespace wardlink::simulation
