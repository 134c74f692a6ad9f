// What is nobody's, as periods, and what people say of it.

#include <algorithm>
#include <limits>
#include <set>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/columns.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/doubt.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

constexpr int starts_a_call = 64;

/// A start's doubts, or those of it that a question is about.
struct StartDoubts {
  std::int64_t device_id = 0;
  std::string device;
  std::uint64_t boot = 0;
  std::vector<Doubt> doubts;
};

// $1 scope, $2 patient, $3 device, $4 and $5 the start before, $6 how many starts.
const std::string doubts_of_starts =
    "SELECT q.device_id, d.urn, q.boot_id, micros(q.anchor), micros(q.since), micros(q.until),"
    " array_to_string(q.candidates, ',') FROM ("
    "SELECT DISTINCT q.device_id, q.boot_id FROM doubt q WHERE (q.device_id, q.boot_id) > ($4::bigint, $5::bigint)"
    " AND ($3 = '' OR q.device_id = (SELECT d.device_id FROM device d WHERE d.urn = $3))"
    " ORDER BY q.device_id, q.boot_id LIMIT $6) s"
    " JOIN doubt q ON q.device_id = s.device_id AND q.boot_id = s.boot_id JOIN device d ON d.device_id = q.device_id"
    " WHERE ($2 = '' OR NULLIF($2, '')::uuid = ANY (q.candidates)) AND ($1 = '' OR coalesce("
    "wards_of_doubt(q.device_id, q.candidates) && NULLIF($1, '')::text[], true))"
    " ORDER BY q.device_id, q.boot_id, q.since";

// $4 and $5 as above: where the next call goes on, where there is more.
const std::string last_start =
    "SELECT q.device_id, q.boot_id FROM (SELECT DISTINCT q.device_id, q.boot_id FROM doubt q"
    " WHERE (q.device_id, q.boot_id) > ($2::bigint, $3::bigint)"
    " AND ($1 = '' OR q.device_id = (SELECT d.device_id FROM device d WHERE d.urn = $1))) q"
    " ORDER BY q.device_id, q.boot_id OFFSET $4::bigint - 1 LIMIT 1";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from < text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

std::vector<StartDoubts> read_doubts(const pqxx::result& rows) {
  std::vector<StartDoubts> starts;
  for (const auto row : rows) {
    const auto device = row[0].as<std::int64_t>();
    const auto boot = row[2].as<std::uint64_t>();
    if (starts.empty() || starts.back().device_id != device || starts.back().boot != boot)
      starts.push_back({device, row[1].as<std::string>(), boot, {}});
    starts.back().doubts.push_back({Type<std::optional<Instant>>::get(row[3]), read_instant(row[4].c_str()),
                                    read_instant(row[5].c_str()), split(row[6].as<std::string>())});
  }
  return starts;
}

/// Of the candidates those whom the scope lets see.
std::map<std::string, std::string> names_of(pqxx::work& tx, const Scope& scope,
                                            const std::vector<StartDoubts>& starts) {
  ArrayText candidates;
  for (const auto& start : starts)
    for (const auto& doubt : start.doubts)
      for (const auto& patient : doubt.candidates) candidates.add(patient);
  std::map<std::string, std::string> names;
  for (const auto row : tx.exec_params("SELECT p.patient_id, p.display_name FROM patient p"
                                       " WHERE p.patient_id = ANY ($2::uuid[])"
                                       " AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))",
                                       scope_text(scope), candidates.text()))
    names.emplace(row[0].as<std::string>(), row[1].as<std::string>());
  return names;
}

/// Of a period: where to look for its records.
struct Stretch {
  std::size_t period = 0;  // its place in a list
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  std::uint64_t first_tick = 0, last_tick = 0;
  Instant since, until;
};

const Columns<Stretch> stretches_k(
    {column<Stretch>("period", [](const Stretch& row) { return static_cast<std::int64_t>(row.period); }),
     column<Stretch>("device_id", [](const Stretch& row) { return row.device_id; }),
     column<Stretch>("boot_id", [](const Stretch& row) { return row.boot; }),
     column<Stretch>("first_tick", [](const Stretch& row) { return row.first_tick; }),
     column<Stretch>("last_tick", [](const Stretch& row) { return row.last_tick; }),
     column<Stretch>("since", [](const Stretch& row) { return row.since; }),
     column<Stretch>("until", [](const Stretch& row) { return row.until; })});

/// Whose records are counted.
enum class Counted {
  unsettled,    // what is nobody's
  of_candidate  // what may be that patient's, settled or not; of an empty one, all that is in doubt
};

// $1 to $7 the stretches; $8 and $9 a window, or $8 the patient. A record is in one period, but may be in several
// stretches of it.
std::string count_statement(const std::string& table, bool in_days, Counted counted) {
  const std::string patient = in_days ? "$10" : "$8";
  return "SELECT k.period, count(DISTINCT (x.stream, x.sequence)), min(x.tick_ms), max(x.tick_ms),"
         " micros(min(x.measured_at)), micros(max(x.measured_at)) FROM " +
         stretches_k.rows() + " JOIN " + table +
         " x ON x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.measured_at >= instant(k.since)"
         " AND x.measured_at < instant(k.until) AND x.tick_ms BETWEEN k.first_tick AND k.last_tick" +
         (in_days ? " AND x.measured_at >= $8::timestamptz AND x.measured_at < $9::timestamptz"
                  : " AND (x.event = 1 OR NOT EXISTS (SELECT FROM alarm_event o WHERE o.device_id = x.device_id"
                    "   AND o.boot_id = x.boot_id AND o.stream = x.stream AND o.sequence = x.onset_sequence AND "
                    "o.event = 1))") +
         doubt_of("x", "x.measured_at", "x.tick_ms") +
         (counted == Counted::unsettled
              ? " WHERE q.stands AND " + patient + " = ''"
              : " WHERE q.stands IS NOT NULL AND (" + patient + " = '' OR EXISTS (SELECT FROM doubt q WHERE " +
                    doubts_about("x", "x.measured_at", "x.tick_ms") + " AND NULLIF(" + patient +
                    ", '')::uuid = ANY (q.candidates)))") +
         " GROUP BY k.period";
}

void add_counts(const pqxx::result& rows, std::vector<UnattributedPeriod>& periods,
                std::uint64_t UnattributedPeriod::*of) {
  for (const auto row : rows) {
    auto& period = periods[row[0].as<std::size_t>()];
    const bool is_first = period.sets + period.runs + period.alarms == 0;
    const auto first = row[2].as<std::uint64_t>(), last = row[3].as<std::uint64_t>();
    const auto from = read_instant(row[4].c_str()), to = read_instant(row[5].c_str());
    auto& key = period.key;
    key.first_tick_ms = is_first ? first : std::min(key.first_tick_ms, first);
    key.last_tick_ms = is_first ? last : std::max(key.last_tick_ms, last);
    period.from = is_first ? from : std::min(period.from, from);
    period.to = is_first ? to : std::max(period.to, to);
    period.*of += row[1].as<std::uint64_t>();
  }
}

/// Of which waveforms there is anything of these devices.
std::string waveform_streams(pqxx::work& tx, const Spans& of) {
  return tx
      .exec_params1(
          "SELECT coalesce(array_agg(DISTINCT s.stream), '{}') FROM stream_day s"
          " WHERE s.device_id = ANY ($1::bigint[]) AND s.stream > 16",
          of.devices())[0]
      .as<std::string>();
}

/// Puts in how much of each period there is, and where. A transaction each window: it holds the locks of one only.
void count(Pool& pool, const std::vector<Stretch>& stretches, Counted counted, const std::string& patient,
           std::vector<UnattributedPeriod>& periods) {
  if (stretches.empty()) return;
  const auto arrays = stretches_k.arrays(stretches);
  std::vector<Spans::Span> spans;
  for (const auto& each : stretches)
    spans.push_back({each.device_id, std::max(each.since, earliest), std::min(each.until, newest)});
  const Spans all(spans);
  const auto ask = [&](pqxx::work& tx, const char* table, bool in_days, std::initializer_list<std::string> more) {
    auto parameters = arrays;
    parameters.insert(parameters.end(), more);
    return tx.exec_params(count_statement(table, in_days, counted), pqxx::prepare::make_dynamic_params(parameters));
  };
  std::string waveforms;
  add_counts(pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    waveforms = waveform_streams(tx, all);
    return ask(tx, "alarm_event", false, {patient});
  }),
             periods, &UnattributedPeriod::alarms);
  struct Table {
    const char* name;
    std::string streams;
    std::uint64_t UnattributedPeriod::*of;
  };
  for (const auto& [table, streams, of] : {Table{"measurement_set", "{1,3}", &UnattributedPeriod::sets},
                                           Table{"waveform_run", waveforms, &UnattributedPeriod::runs}}) {
    for (std::optional<Window> window{{earliest, earliest}}; window;) {
      const auto found = pool.transact([&, table = table, &streams = streams](pqxx::work& tx) {
        begin_reading(tx);
        window = all.next_window(tx, streams, {window->until, newest});
        if (!window) return pqxx::result();
        return ask(tx, table, true, {stamp_text(window->from), stamp_text(window->until), patient});
      });
      add_counts(found, periods, of);
    }
  }
}

/// Of a start's doubts those that touch these ticks, as stretches of that period.
void add_stretches(const StartDoubts& start, const std::vector<Doubt>& doubts, std::size_t period,
                   std::uint64_t first_tick, std::uint64_t last_tick, std::vector<Stretch>& stretches) {
  for (const auto& doubt : doubts)
    stretches.push_back({period, start.device_id, start.boot, first_tick, last_tick, doubt.since, doubt.until});
}

bool is_empty(const UnattributedPeriod& period) { return period.sets + period.runs + period.alarms == 0; }

/// `name` is not there, or not to be seen.
StoreError unknown(const PeriodKey& key) {
  return {StoreError::Kind::not_found,
          "devices/" + key.device + " has nothing in doubt at the ticks " + std::to_string(key.first_tick_ms) + " to " +
              std::to_string(key.last_tick_ms) + " of its start " + std::to_string(key.boot)};
}

// $1 scope, $2 device, $3 boot.
const std::string doubts_of_start =
    "SELECT q.device_id, $2::text, q.boot_id, micros(q.anchor), micros(q.since), micros(q.until),"
    " array_to_string(q.candidates, ',') FROM doubt q WHERE q.device_id ="
    " (SELECT d.device_id FROM device d WHERE d.urn = $2) AND q.boot_id = $3 AND ($1 = '' OR coalesce("
    "wards_of_doubt(q.device_id, q.candidates) && NULLIF($1, '')::text[], true)) ORDER BY q.since";

/// What of these ticks may be that patient's. Throws where nothing is.
UnattributedPeriod doubtful_at(Pool& pool, const Scope& scope, const PeriodKey& key, const std::string& patient) {
  const auto starts = pool.transact([&](pqxx::work& tx) {
    return read_doubts(tx.exec_params(doubts_of_start, scope_text(scope), key.device, key.boot));
  });
  if (starts.empty()) throw unknown(key);
  std::vector<Stretch> stretches;
  add_stretches(starts.front(), starts.front().doubts, 0, key.first_tick_ms, key.last_tick_ms, stretches);
  std::vector<UnattributedPeriod> found(1);
  count(pool, stretches, Counted::of_candidate, patient, found);
  if (!is_empty(found.front())) {
    found.front().key.device = key.device;
    found.front().key.boot = key.boot;
    found.front().device_id = starts.front().device_id;
    return std::move(found.front());
  }
  if (patient.empty()) throw unknown(key);
  count(pool, stretches, Counted::of_candidate, "", found);
  if (is_empty(found.front())) throw unknown(key);
  throw StoreError(StoreError::Kind::precondition,
                   "patients/" + patient + " did not wear devices/" + key.device +
                       " about then: assign the device from when it was worn; nothing was settled");
}

// $1 scope, $2 patient.
constexpr const char* patient_in_scope =
    "SELECT FROM patient p WHERE p.patient_id = $2::uuid AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))";

// What was said already is not said again.
constexpr const char* insert_settlement =
    "INSERT INTO settlement (device_id, boot_id, first_tick, last_tick, since, until, patient_id, recorded_by)"
    " SELECT $1, $2, $3, $4, instant($5), instant($6) + interval '1 microsecond', NULLIF($7, '')::uuid, $8"
    " WHERE NOT EXISTS (SELECT FROM (SELECT t.* FROM settlement t WHERE t.device_id = $1 AND t.boot_id = $2"
    "   AND t.first_tick <= $4 AND t.last_tick >= $3 ORDER BY t.settlement_id DESC LIMIT 1) t"
    "   WHERE t.first_tick <= $3 AND t.last_tick >= $4 AND t.since <= instant($5) AND t.until > instant($6)"
    "   AND t.patient_id IS NOT DISTINCT FROM NULLIF($7, '')::uuid)";

}  // namespace

Page<UnattributedPeriod> PostgresStore::unattributed(const UnattributedQuery& query) {
  const auto device = text_of(query.subject, Subject::Kind::device);
  const auto after = query.after.value_or(Position{});
  // A start in whose midst the page before ended is looked at again.
  const auto boot_before = static_cast<std::int64_t>(after.boot) - (query.after ? 1 : 0);
  std::map<std::string, std::string> names;
  std::optional<Position> rest;
  const auto starts = impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    auto found = read_doubts(tx.exec_params(doubts_of_starts, scope_text(query.scope),
                                            text_of(query.subject, Subject::Kind::patient), device, after.device_id,
                                            boot_before, starts_a_call));
    names = names_of(tx, query.scope, found);
    for (const auto row : tx.exec_params(last_start, device, after.device_id, boot_before, starts_a_call))
      rest = {.at = {},
              .device_id = row[0].as<std::int64_t>(),
              .boot = row[1].as<std::uint64_t>(),
              .sequence = std::numeric_limits<std::int64_t>::max()};
    return found;
  });
  std::vector<UnattributedPeriod> periods;
  std::vector<Stretch> stretches;
  for (const auto& start : starts) {
    for (const auto& ticks : doubtful_ticks(start.doubts)) {
      add_stretches(start, ticks.doubts, periods.size(), ticks.first_ms, ticks.last_ms, stretches);
      periods.push_back({.key = {start.device, start.boot}, .device_id = start.device_id});
      for (const auto& patient : ticks.candidates)
        if (const auto name = names.find(patient); name != names.end()) periods.back().candidates.insert(*name);
    }
  }
  count(impl_->pool, stretches, Counted::unsettled, "", periods);
  Page<UnattributedPeriod> page;
  page.next = rest;
  for (auto& period : periods) {
    const bool was_before = query.after && period.device_id == after.device_id && period.key.boot == after.boot &&
                            period.key.first_tick_ms <= after.sequence;
    if (is_empty(period) || was_before) continue;
    if (page.size() == query.limit) {
      const auto& last = page.back();
      page.next = {.at = {}, .device_id = last.device_id, .boot = last.key.boot, .sequence = last.key.first_tick_ms};
      break;
    }
    page.push_back(std::move(period));
  }
  return page;
}

/// What there is is counted before the devices are locked: appends of their alarms wait from then on.
std::vector<UnattributedPeriod> PostgresStore::settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                                      const std::string& patient, const std::string& by) {
  impl_->pool.transact([&](pqxx::work& tx) {
    if (!patient.empty() && tx.exec_params(patient_in_scope, scope_text(scope), patient).empty())
      throw StoreError(StoreError::Kind::not_found, "patients/" + patient + " does not exist");
    return 0;
  });
  std::vector<UnattributedPeriod> found;
  std::set<std::int64_t> devices;
  for (const auto& key : periods) {
    found.push_back(doubtful_at(impl_->pool, scope, key, patient));
    devices.insert(found.back().device_id);
  }
  const std::vector<std::int64_t> ids(devices.begin(), devices.end());
  impl_->pool.change([&](pqxx::work& tx) {
    lock_devices(tx, ids);
    for (std::size_t i = 0; i < periods.size(); ++i)
      tx.exec_params0(insert_settlement, found[i].device_id, periods[i].boot, periods[i].first_tick_ms,
                      periods[i].last_tick_ms, to_text(found[i].from), to_text(found[i].to), patient, by);
    settle_devices(tx, ids);
    return 0;
  });
  impl_->bell.ring();
  return found;
}

}  // namespace wardlink::storage
