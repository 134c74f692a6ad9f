#include "storage/postgres/clocks/clocks.hpp"

#include <set>

#include "storage/postgres/link/columns.hpp"
#include "storage/rules/doubt.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {
namespace {

using std::chrono::microseconds;

const Columns<StartKey> starts_k({column<StartKey>("device_id", [](const StartKey& key) { return key.device_id; }),
                                  column<StartKey>("boot_id", [](const StartKey& key) { return key.boot; })});

const Columns<std::int64_t> devices_k({column<std::int64_t>("device_id", [](std::int64_t id) { return id; })});

const Columns<StartExchange> exchanges_k(
    {column<StartExchange>("device_id", [](const StartExchange& row) { return row.start.device_id; }),
     column<StartExchange>("boot_id", [](const StartExchange& row) { return row.start.boot; }),
     column<StartExchange>("tick_ms", [](const StartExchange& row) { return row.exchange.tick_ms; }),
     column<StartExchange>("uncertainty_micros",
                           [](const StartExchange& row) { return std::int64_t{row.exchange.uncertainty.count()}; }),
     column<StartExchange>("anchor", [](const StartExchange& row) { return row.exchange.anchor; }),
     column<StartExchange>("from_tick", [](const StartExchange& row) { return row.exchange.from_tick; }),
     column<StartExchange>("calendar", [](const StartExchange& row) { return row.exchange.calendar; }),
     column<StartExchange>("read_at_tick", [](const StartExchange& row) { return row.exchange.read_at_tick; })});

const Columns<StartTicks> ticks_k({column<StartTicks>("device_id",
                                                      [](const StartTicks& row) { return row.start.device_id; }),
                                   column<StartTicks>("boot_id", [](const StartTicks& row) { return row.start.boot; }),
                                   column<StartTicks>("low", [](const StartTicks& row) { return row.low; }),
                                   column<StartTicks>("high", [](const StartTicks& row) { return row.high; })});

const Columns<const Record*> jumped_k(
    {column<const Record*>("device_id", [](const Record* record) { return record->session->device_id; }),
     column<const Record*>("boot_id", [](const Record* record) { return record->session->boot; }),
     column<const Record*>("tick_ms", [](const Record* record) { return record->tick_ms; }),
     column<const Record*>("measured_at", [](const Record* record) { return measured_at(*record); }),
     column<const Record*>("jump_micros", [](const Record* record) { return clock_jump(*record); })});

struct DoubtRow {
  StartKey start;
  Doubt doubt;
};

const Columns<DoubtRow> doubts_k({column<DoubtRow>("device_id",
                                                   [](const DoubtRow& row) { return row.start.device_id; }),
                                  column<DoubtRow>("boot_id", [](const DoubtRow& row) { return row.start.boot; }),
                                  column<DoubtRow>("anchor", [](const DoubtRow& row) { return row.doubt.anchor; }),
                                  column<DoubtRow>("since", [](const DoubtRow& row) { return row.doubt.since; }),
                                  column<DoubtRow>("until", [](const DoubtRow& row) { return row.doubt.until; }),
                                  {"candidates", "uuid[]", [](ArrayText& array, const DoubtRow& row) {
                                     Type<std::vector<std::string>>::put(array, row.doubt.candidates);
                                   }}});

namespace sql {
const Statement moves{"clock_moves",
                      "SELECT x.device_id, x.boot_id, x.from_tick, micros(x.anchor) FROM " + starts_k.rows() +
                          " JOIN clock_exchange x ON x.device_id = k.device_id AND x.boot_id = k.boot_id"
                          " AND " +
                          is_move("x") + " ORDER BY 1, 2, 3, x.tick_ms, coalesce(x.calendar, 0), x.uncertainty_micros"};
const std::string line_columns =
    "SELECT b.device_id, b.boot_id, micros(b.anchor), b.believed, " + exchange_columns("x") + " FROM ";
const std::string with_exchanges =
    " LEFT JOIN clock_exchange x ON x.device_id = b.device_id AND x.boot_id = b.boot_id WHERE (NOT b.believed OR"
    " EXISTS (SELECT FROM clock_exchange r WHERE r.device_id = b.device_id AND r.boot_id = b.boot_id"
    "   AND r.read_at_tick IS NULL))";
const Statement lines_of_starts{"clock_lines_of_starts",
                                line_columns + starts_k.rows() +
                                    " JOIN device_boot b ON b.device_id = k.device_id AND b.boot_id = k.boot_id" +
                                    with_exchanges};
const Statement lines_of_ticks{
    "clock_lines_of_ticks",
    line_columns + ticks_k.rows() +
        " JOIN device_boot b ON b.device_id = k.device_id AND b.boot_id = k.boot_id"
        " LEFT JOIN LATERAL (SELECT x.* FROM clock_exchange x WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id"
        "   AND x.tick_ms >= coalesce((SELECT max(y.tick_ms) FROM clock_exchange y WHERE y.device_id = b.device_id"
        "     AND y.boot_id = b.boot_id AND y.tick_ms <= k.low AND y.read_at_tick IS NULL), 0)"
        "   AND x.tick_ms <= coalesce((SELECT min(y.tick_ms) FROM clock_exchange y WHERE y.device_id = b.device_id"
        "     AND y.boot_id = b.boot_id AND y.tick_ms > k.high AND y.read_at_tick IS NULL), 9223372036854775807)) x ON "
        "true"};
const Statement steps{"calendar_steps",
                      "SELECT micros(at), jump_micros, since_micros, coalesce(uncertainty_micros,"
                      " 1000000 + since_micros / 2000) FROM calendar_step"
                      " ORDER BY step_id"};
// $2 since. A start is over when a newer one has registered; an hour is more than what was on its way may be wrong by.
const Statement lines_of_devices{
    "clock_lines_of_devices",
    line_columns + devices_k.rows() + " JOIN device_boot b ON b.device_id = k.device_id" + with_exchanges +
        " AND NOT EXISTS (SELECT FROM registered_start g JOIN registered_start n ON n.device_id = g.device_id"
        "   AND n.ordinal > g.ordinal AND NOT n.late WHERE g.device_id = b.device_id AND g.boot_id = b.boot_id"
        "   AND NOT g.late AND n.registered_at < instant($2) - interval '1 hour')"};
const Statement keep_exchanges{"keep_exchanges", "INSERT INTO clock_exchange (" + exchanges_k.names() + ") SELECT " +
                                                     exchanges_k.values() + " FROM " + exchanges_k.rows() +
                                                     " ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING"};
const Statement wears{"wears", "SELECT a.device_id, a.patient_id, micros(lower(a.held)), micros(upper(a.held)) FROM " +
                                   devices_k.rows() +
                                   " JOIN assignment a ON a.device_id = k.device_id AND upper_inf(a.recorded)"
                                   " ORDER BY 1, lower(a.held)"};
const Statement jumped{"jumped_records",
                       "SELECT x.device_id, x.boot_id, x.tick_ms, micros(x.measured_at), x.jump_micros FROM " +
                           starts_k.rows() +
                           " JOIN jumped_record x ON x.device_id = k.device_id AND x.boot_id = k.boot_id"};
const Statement keep_jumped{"keep_jumped", "INSERT INTO jumped_record (" + jumped_k.names() + ") SELECT " +
                                               jumped_k.values() + " FROM " + jumped_k.rows()};
const Statement renew_doubts{"renew_doubts", "SELECT renew_doubts($1, $2, $3, $4, $5, $6, $7, $8)"};
}  // namespace sql

using Lines = std::map<StartKey, ClockLine>;

Lines lines_of(pqxx::work& tx, const pqxx::result& rows) {
  struct Known {
    Instant first;
    bool believed = false;
    std::vector<ClockExchange> exchanges{};
  };
  std::map<StartKey, Known> all;
  for (const auto row : rows) {
    auto& known = all[{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>()}];
    known.first = read_instant(row[2].c_str());
    known.believed = row[3].as<bool>();
    if (!row[4].is_null()) known.exchanges.push_back(read_exchange(row, 4));
  }
  Lines lines;
  if (all.empty()) return lines;
  const auto steps = read_calendar_steps(tx);
  for (auto& [start, known] : all)
    lines.emplace(start, ClockLine(known.first, std::move(known.exchanges), steps, known.believed));
  return lines;
}

std::map<std::int64_t, std::vector<Wear>> read_wears(pqxx::work& tx, const Lines& lines) {
  std::vector<std::int64_t> devices;
  for (const auto& [start, line] : lines)
    if (devices.empty() || devices.back() != start.device_id) devices.push_back(start.device_id);
  std::map<std::int64_t, std::vector<Wear>> wears;
  for (const auto row : run(tx, sql::wears, devices_k.arrays(devices)))
    wears[row[0].as<std::int64_t>()].push_back({row[1].as<std::string>(),
                                                Type<std::optional<Instant>>::get(row[2]).value_or(Instant::min()),
                                                Type<std::optional<Instant>>::get(row[3])});
  return wears;
}

std::map<StartKey, std::vector<JumpedRecord>> read_jumped(pqxx::work& tx, const std::vector<StartKey>& starts) {
  std::map<StartKey, std::vector<JumpedRecord>> jumped;
  for (const auto row : run(tx, sql::jumped, starts_k.arrays(starts)))
    jumped[{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>()}].push_back(
        {row[2].as<std::uint64_t>(), read_instant(row[3].c_str()), microseconds{row[4].as<std::int64_t>()}});
  return jumped;
}

void renew(pqxx::work& tx, const Lines& lines) {
  if (lines.empty()) return;
  const auto wears = read_wears(tx, lines);
  std::vector<StartKey> starts;
  for (const auto& [start, line] : lines) starts.push_back(start);
  const auto jumped = read_jumped(tx, starts);
  std::vector<DoubtRow> doubts;
  for (const auto& [start, line] : lines) {
    const auto of = wears.find(start.device_id);
    if (of == wears.end()) continue;
    const auto records = jumped.find(start);
    const auto none = std::vector<JumpedRecord>();
    for (auto& doubt : storage::doubts_of(line, of->second, records == jumped.end() ? none : records->second))
      doubts.push_back({start, std::move(doubt)});
  }
  auto parameters = starts_k.arrays(starts);
  for (auto& array : doubts_k.arrays(doubts)) parameters.push_back(std::move(array));
  run(tx, sql::renew_doubts, parameters);
}

/// The newest settlement t of a record in doubt, with these candidates: its patient_id, and its settlement_id.
std::string settlement_of(const std::string& x, const std::string& at, const std::string& tick,
                          const std::string& candidates) {
  return "SELECT t.patient_id, t.settlement_id FROM settlement t WHERE t.device_id = " + x +
         ".device_id AND t.boot_id = " + x + ".boot_id AND t.since <= " + at + " AND t.until > " + at +
         (tick.empty() ? std::string() : " AND t.first_tick <= " + tick + " AND t.last_tick >= " + tick) +
         " AND (t.patient_id IS NULL OR t.patient_id = ANY (" + candidates + ")) ORDER BY t.settlement_id DESC LIMIT 1";
}

}  // namespace

std::string is_move(const std::string& x) {
  return x + ".from_tick IS NOT NULL AND (" + x +
         ".read_at_tick IS NULL OR NOT EXISTS (SELECT FROM clock_exchange r WHERE r.device_id = " + x +
         ".device_id AND r.boot_id = " + x + ".boot_id AND r.read_at_tick IS NULL AND r.tick_ms > " + x +
         ".read_at_tick AND r.tick_ms <= " + x + ".tick_ms))";
}

std::string exchange_columns(const std::string& x) {
  return x + ".tick_ms, " + x + ".uncertainty_micros, micros(" + x + ".anchor), " + x + ".from_tick, " + x +
         ".calendar IS NULL, coalesce(" + x +
         ".calendar, (SELECT count(*) FROM calendar_step s WHERE s.recorded_at <= " + x + ".recorded_at)), " + x +
         ".read_at_tick";
}

ClockExchange read_exchange(const pqxx::row& row, pqxx::row::size_type first) {
  return {row[first].as<std::uint64_t>(),
          read_instant(row[first + 2].c_str()),
          microseconds{row[first + 1].as<std::int64_t>()},
          Type<std::optional<std::uint64_t>>::get(row[first + 3]),
          row[first + 5].as<std::uint64_t>(),
          Type<std::optional<std::uint64_t>>::get(row[first + 6]),
          row[first + 4].as<bool>()};
}

std::vector<CalendarStep> read_calendar_steps(pqxx::work& tx) {
  std::vector<CalendarStep> steps;
  for (const auto row : run(tx, sql::steps, {})) {
    const auto shown = read_instant(row[0].c_str());
    steps.push_back({shown - microseconds{row[1].as<std::int64_t>()}, shown, microseconds{row[2].as<std::int64_t>()},
                     microseconds{row[3].as<std::int64_t>()}});
  }
  return steps;
}

Moves read_moves(pqxx::work& tx, std::span<const StartKey> starts) {
  Moves moves;
  for (const auto row : run(tx, sql::moves, starts_k.arrays(starts)))
    moves[{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>()}].emplace_back(row[2].as<std::uint64_t>(),
                                                                                read_instant(row[3].c_str()));
  return moves;
}

std::map<StartKey, ClockLine> read_lines(pqxx::work& tx, std::span<const StartTicks> ticks) {
  return lines_of(tx, run(tx, sql::lines_of_ticks, ticks_k.arrays(ticks)));
}

void keep_exchanges(pqxx::work& tx, std::span<const StartExchange> exchanges) {
  if (!exchanges.empty()) run(tx, sql::keep_exchanges, exchanges_k.arrays(exchanges));
}

void renew_doubts(pqxx::work& tx, std::span<const StartKey> starts) {
  if (!starts.empty()) renew(tx, lines_of(tx, run(tx, sql::lines_of_starts, starts_k.arrays(starts))));
}

Instant first_changed(pqxx::work& tx, Instant at) {
  const auto steps = read_calendar_steps(tx);
  auto first = at;
  for (const auto& each : disordered_by(at, steps)) {
    first = std::min(first, each.first);
    // The start that followed registered by that calendar, or by a later one.
    for (auto later = each.calendar; later < steps.size(); ++later)
      first = std::min(first, steps[later].first_of_after());
  }
  return first;
}

void renew_doubts(pqxx::work& tx, std::span<const std::int64_t> devices, Instant since) {
  if (devices.empty()) return;
  auto parameters = devices_k.arrays(devices);
  parameters.push_back(to_text(since));
  renew(tx, lines_of(tx, run(tx, sql::lines_of_devices, parameters)));
}

void keep_jumped(pqxx::work& tx, std::span<const Record* const> records) {
  if (records.empty()) return;
  std::set<StartKey> starts;
  for (const auto* record : records) starts.insert({record->session->device_id, record->session->boot});
  run(tx, sql::keep_jumped, jumped_k.arrays(records));
  renew_doubts(tx, std::vector(starts.begin(), starts.end()));
}

std::string doubts_about(const std::string& x, const std::string& at, const std::string& tick) {
  return "q.device_id = " + x + ".device_id AND q.boot_id = " + x + ".boot_id AND q.since <= " + at +
         " AND q.until > " + at +
         (tick.empty() ? std::string()
                       : " AND " + x + ".stream <> 4 AND (q.anchor IS NULL OR (" + tick +
                             " <= " + std::to_string(highest_counted) + " AND q.anchor + " + tick +
                             " * interval '1 millisecond' = " + at + "))");
}

std::string in_doubt(const std::string& x, const std::string& at, const std::string& tick) {
  return "EXISTS (SELECT FROM doubt q WHERE " + doubts_about(x, at, tick) + ")";
}

std::string settled_patient(const std::string& x, const std::string& at, const std::string& tick) {
  return "(SELECT s.patient_id FROM (" +
         settlement_of(
             x, at, tick,
             "ARRAY(SELECT z FROM doubt q CROSS JOIN unnest(q.candidates) z WHERE " + doubts_about(x, at, tick) + ")") +
         ") s)";
}

std::string doubt_of(const std::string& x, const std::string& at, const std::string& tick) {
  return " LEFT JOIN LATERAL (SELECT s.settlement_id IS NULL AS stands, s.patient_id,"
         " CASE WHEN s.settlement_id IS NULL THEN wards_of_doubt(" +
         x +
         ".device_id, h.candidates) END AS wards"
         " FROM (SELECT array_agg(z) AS candidates FROM doubt q CROSS JOIN unnest(q.candidates) z WHERE " +
         doubts_about(x, at, tick) + " HAVING count(*) > 0) h LEFT JOIN LATERAL (" +
         settlement_of(x, at, tick, "h.candidates") + ") s ON true) q ON true";
}

std::string wearer_of(const std::string& x, const std::string& at) {
  return " LEFT JOIN assignment a ON a.device_id = " + x + ".device_id AND upper_inf(a.recorded) AND a.held @> " + at +
         " AND q.stands IS NULL LEFT JOIN patient p ON p.patient_id = coalesce(a.patient_id, q.patient_id)";
}

std::string seen_by(const std::string& scope) {
  const auto wards = " (NULLIF(" + scope + ", '')::text[])";
  return "(" + scope + " = '' OR p.ward_id = ANY" + wards + " OR (q.stands AND (q.wards IS NULL OR q.wards && " +
         wards + ")))";
}

}  // namespace wardlink::storage::postgres
