// What is known of a device's clock.

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/link/types.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/start_clock.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;
using std::chrono::microseconds;

constexpr std::size_t most_noted_steps = 100;

// Of starts b that are registered as g.
const std::string start_columns =
    "SELECT b.boot_id, CASE WHEN g.late THEN 0 ELSE coalesce(g.ordinal, 0) END, micros(g.registered_at), b.believed,"
    " (SELECT count(*) FROM (SELECT FROM clock_exchange x WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id"
    "   AND x.read_at_tick IS NULL LIMIT " +
    std::to_string(most_counted_readings) + ") c), micros(b.anchor) FROM ";

// $1 device, $2 how many.
const std::string placed_starts =
    start_columns +
    "registered_start g JOIN device_boot b ON b.device_id = g.device_id AND b.boot_id = g.boot_id"
    " WHERE g.device_id = $1 AND NOT g.late ORDER BY g.ordinal DESC LIMIT $2";
// Of those that were heard of last. What is posted by hand is of no start: it has ticks of the calendar, or a clock
// that was read though nothing registered.
const std::string unplaced_starts =
    start_columns +
    "(SELECT * FROM device_boot WHERE device_id = $1 ORDER BY first_seen_at DESC LIMIT 1000) b"
    " LEFT JOIN registered_start g ON g.device_id = b.device_id AND g.boot_id = b.boot_id"
    " WHERE g.late OR (g.boot_id IS NULL AND b.anchor <> instant(0) AND NOT EXISTS (SELECT FROM clock_exchange x"
    "   WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id AND x.read_at_tick IS NULL))"
    " ORDER BY b.first_seen_at DESC, b.boot_id DESC LIMIT $2";
// $1 device, $2 boots, $3 how many moves of each.
const std::string exchanges_of =
    "SELECT k.boot_id, " + exchange_columns("e") +
    " FROM unnest($2::bigint[]) k(boot_id) CROSS JOIN LATERAL"
    " ((SELECT x.* FROM clock_exchange x WHERE x.device_id = $1 AND x.boot_id = k.boot_id AND " +
    is_move("x") +
    "   ORDER BY x.from_tick DESC, x.tick_ms DESC, coalesce(x.calendar, 0) DESC,"
    "   x.uncertainty_micros DESC LIMIT $3)"
    "  UNION (SELECT x.* FROM clock_exchange x WHERE x.device_id = $1 AND x.boot_id = k.boot_id"
    "   AND x.read_at_tick IS NULL ORDER BY x.tick_ms DESC, x.uncertainty_micros DESC LIMIT 1)) e";

std::vector<KnownStart> read_starts(pqxx::work& tx, std::int64_t device_id, const std::string& statement) {
  struct Read {
    KnownStart start;
    Instant anchor;
    std::vector<ClockExchange> exchanges{};
  };
  std::vector<Read> all;
  std::map<std::uint64_t, std::size_t> places;
  ArrayText boots;
  for (const auto row : tx.exec_params(statement, device_id, most_told_starts + 1)) {
    const auto boot = row[0].as<std::uint64_t>();
    boots.add(row[0].as<std::int64_t>());
    places.emplace(boot, all.size());
    all.push_back({{.boot = boot,
                    .ordinal = row[1].as<std::uint64_t>(),
                    .registered_at = optional_instant(row[2]),
                    .believed = row[3].as<bool>(),
                    .readings = row[4].as<std::uint64_t>()},
                   read_instant(row[5].c_str())});
  }
  for (const auto row : tx.exec_params(exchanges_of, device_id, boots.text(), most_told_steps + 1))
    all[places.at(row[0].as<std::uint64_t>())].exchanges.push_back(read_exchange(row, 1));
  const auto steps = read_calendar_steps(tx);
  std::vector<KnownStart> starts;
  for (auto& [start, anchor, exchanges] : all) {
    start.line = {anchor, std::move(exchanges), steps, start.believed};
    starts.push_back(std::move(start));
  }
  return starts;
}

std::vector<NotedStep> read_steps(pqxx::work& tx) {
  std::vector<NotedStep> steps;
  for (const auto row : tx.exec_params(
           "SELECT micros(at), jump_micros FROM calendar_step ORDER BY step_id DESC LIMIT $1", most_noted_steps))
    steps.push_back({read_instant(row[0].c_str()), microseconds{row[1].as<std::int64_t>()}});
  return steps;
}

std::vector<Instant> read_day(pqxx::work& tx, std::int64_t device_id, Instant now) {
  std::vector<Instant> times;
  for (const auto row : tx.exec_params(
           "SELECT micros(s.registered_at) FROM (SELECT * FROM registered_start WHERE device_id = $1 AND NOT late"
           "   ORDER BY ordinal DESC LIMIT $3) s"
           " WHERE s.registered_at > instant($2) - interval '1 day' ORDER BY s.ordinal DESC",
           device_id, to_text(now), most_counted_of_day))
    times.push_back(read_instant(row[0].c_str()));
  return times;
}

}  // namespace

DeviceClock PostgresStore::device_clock(const Scope& scope, const std::string& urn) {
  device(scope, urn);  // or it is not the caller's to see
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    DeviceClock clock{.urn = urn, .read_at = read_calendar(tx)};
    const auto device_id = tx.exec_params1("SELECT device_id FROM device WHERE urn = $1", urn)[0].as<std::int64_t>();
    tell_starts(clock, read_starts(tx, device_id, placed_starts), read_starts(tx, device_id, unplaced_starts),
                read_steps(tx));
    tell_day(clock, read_day(tx, device_id, clock.read_at));
    return clock;
  });
}

}  // namespace wardlink::storage
