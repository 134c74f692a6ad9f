#include "storage/postgres/write/starts.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/columns.hpp"

namespace wardlink::storage::postgres {
namespace {

struct Start {
  std::optional<std::int64_t> device_id;
  std::optional<Instant> anchor;
  std::vector<ClockExchange> exchanges;  // when the clock was read last, and all that says what is news since
  std::uint64_t steps = 0;               // how often the calendar is known to have been set
  bool begun = false;                    // now
  bool registered = false;
  bool believed = false;      // as it was before exchanges were kept
  std::uint64_t ordinal = 0;  // as Session's
};

/// A request and what is known of its start.
struct Row {
  const AttachRequest* request;
  Start start;

  StartKey key() const { return {start.device_id.value(), request->boot}; }
  /// What the request says of the start's clock, where that is news.
  std::optional<ClockExchange> news() const {
    return ClockLine(start.anchor.value_or(request->anchor), start.exchanges, {}, start.believed)
        .taken_in(exchange_of(*request, start.steps));
  }
};

const Columns<Row> names({column<Row>("urn", [](const Row& row) { return row.request->device; }),
                          column<Row>("boot_id", [](const Row& row) { return row.request->boot; })});

const Columns<Row> devices({column<Row>("urn", [](const Row& row) { return row.request->device; })});

const Columns<Row> anchors({column<Row>("device_id", [](const Row& row) { return row.start.device_id.value(); }),
                            column<Row>("boot_id", [](const Row& row) { return row.request->boot; }),
                            column<Row>("anchor", [](const Row& row) { return row.request->anchor; })});

const Columns<Row> registrations({column<Row>("device_id", [](const Row& row) { return row.start.device_id.value(); }),
                                  column<Row>("boot_id", [](const Row& row) { return row.request->boot; }),
                                  column<Row>("registered_at",
                                              [](const Row& row) { return row.request->registered_at; })});

const Columns<Attached> sessions({column<Attached>("device_id",
                                                   [](const Attached& row) { return row.session->device_id; }),
                                  column<Attached>("boot_id", [](const Attached& row) { return row.session->boot; })});

namespace sql {
// The last exchange at which the clock was read, those of higher ticks, and what moved the start last before; NULL for
// what is not there.
const Statement find_starts{
    "find_starts",
    "SELECT k.place - 1, d.device_id, micros(b.anchor), g.late, g.ordinal, b.believed,"
    " (SELECT coalesce(max(step_id), 0) FROM calendar_step), " +
        exchange_columns("x") + " FROM " + names.rows_with_place() +
        " LEFT JOIN device d ON d.urn = k.urn"
        " LEFT JOIN device_boot b ON b.device_id = d.device_id AND b.boot_id = k.boot_id"
        " LEFT JOIN registered_start g ON g.device_id = b.device_id AND g.boot_id = b.boot_id"
        " LEFT JOIN LATERAL (SELECT x.tick_ms FROM clock_exchange x WHERE x.device_id = b.device_id"
        "   AND x.boot_id = b.boot_id AND x.read_at_tick IS NULL ORDER BY x.tick_ms DESC LIMIT 1) l ON true"
        " LEFT JOIN LATERAL (SELECT x.* FROM clock_exchange x WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id"
        "   AND x.tick_ms >= coalesce(l.tick_ms, 0)"
        "   UNION ALL (SELECT x.* FROM clock_exchange x WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id"
        "     AND x.tick_ms < l.tick_ms AND " +
        is_move("x") +
        " ORDER BY x.from_tick DESC, x.tick_ms DESC, coalesce(x.calendar, 0) DESC,"
        " x.uncertainty_micros DESC LIMIT 1)) x ON true ORDER BY 1"};
// In order, so that two writers never wait for each other in a circle; likewise the next.
const Statement take_devices_in{"take_devices_in", "INSERT INTO device (urn) SELECT DISTINCT k.urn FROM " +
                                                       devices.rows() + " ORDER BY 1 ON CONFLICT DO NOTHING"};
const Statement begin_starts{"begin_starts", "INSERT INTO device_boot (" + anchors.names() +
                                                 ") SELECT DISTINCT ON (k.device_id, k.boot_id) " + anchors.values() +
                                                 " FROM " + anchors.rows_with_place() +
                                                 " ORDER BY k.device_id, k.boot_id, k.place ON CONFLICT DO NOTHING"};
// By device, then as they registered: the last one of a device is its newest, unless a newer one is there already.
// Where that was recorded later than now, the calendar was set back meanwhile: then the one that comes now is the
// newest.
const Statement register_starts{
    "register_starts",
    "INSERT INTO registered_start (device_id, boot_id, registered_at, late)"
    " SELECT x.device_id, x.boot_id, y.at, coalesce(y.at < n.registered_at AND n.recorded_at <= c.now, false)"
    " FROM (SELECT DISTINCT ON (k.device_id, k.boot_id) k.* FROM " +
        registrations.rows_with_place() +
        " ORDER BY k.device_id, k.boot_id, k.place) x"
        " CROSS JOIN (SELECT calendar() AS now) c"
        " CROSS JOIN LATERAL (SELECT least(instant(x.registered_at), c.now) AS at) y"
        " LEFT JOIN LATERAL (SELECT s.registered_at, s.recorded_at FROM registered_start s"
        "   WHERE s.device_id = x.device_id AND NOT s.late ORDER BY s.ordinal DESC LIMIT 1) n ON true"
        " ORDER BY x.device_id, y.at, x.place ON CONFLICT DO NOTHING RETURNING device_id, boot_id, late, ordinal"};
const Statement watermarks{"watermarks", "SELECT k.place - 1, s.stream, s.high_sequence FROM " +
                                             sessions.rows_with_place() +
                                             " JOIN stream_state s ON s.device_id = k.device_id"
                                             " AND s.boot_id = k.boot_id WHERE s.high_sequence > 0"};
}  // namespace sql

class Starts {
 public:
  Starts(pqxx::work& tx, std::span<const AttachRequest> requests) : tx_(tx) {
    for (const auto& request : requests) rows_.push_back({&request, {}});
  }

  /// What another transaction has begun meanwhile is there once the statement that finds it so has returned. The
  /// devices of starts that begin are locked before: what is nobody's of them hangs on who wears them. Those that begin
  /// are never dated until they attach themselves.
  std::vector<Row> open() {
    look_up();
    const auto unknown = those([](const Row& row) { return !row.start.anchor; });
    lock_devices(tx_, ids_of(unknown));
    auto rows = begun();
    renew_doubts(tx_, keys_of(unknown));
    return rows;
  }

  /// The same, of starts that register, or of whose clocks there is news.
  std::vector<Row> open_to_attach() {
    look_up();
    const auto changing = those([](const Row& row) { return !row.start.registered || row.news(); });
    lock_devices(tx_, ids_of(changing));
    return begun(!changing.empty());
  }

  static std::vector<StartKey> keys_of(const std::vector<Row>& rows) {
    std::set<StartKey> keys;
    for (const auto& row : rows) keys.insert(row.key());
    return {keys.begin(), keys.end()};
  }

 private:
  void find() {
    for (auto& row : rows_) row.start.exchanges.clear();
    for (const auto row : run(tx_, sql::find_starts, names.arrays(rows_))) {
      Start& start = rows_.at(row[0].as<std::size_t>()).start;
      start.device_id = Type<std::optional<std::int64_t>>::get(row[1]);
      start.anchor = Type<std::optional<Instant>>::get(row[2]);
      start.registered = !row[3].is_null();
      start.ordinal = row[3].as<bool>(true) ? 0 : row[4].as<std::uint64_t>();
      start.believed = row[5].as<bool>(false);
      start.steps = row[6].as<std::uint64_t>();
      if (!row[7].is_null()) start.exchanges.push_back(read_exchange(row, 7));
    }
  }

  template <typename Is>
  std::vector<Row> those(Is&& is) const {
    std::vector<Row> found;
    std::ranges::copy_if(rows_, std::back_inserter(found), is);
    return found;
  }

  void look_up() {
    find();
    if (take_devices_in()) find();
  }

  /// `waited`: for a lock, so that another transaction may have changed a start meanwhile.
  std::vector<Row> begun(bool waited = false) {
    if (begin() || waited) find();
    return std::move(rows_);
  }

  static std::vector<std::int64_t> ids_of(const std::vector<Row>& rows) {
    std::set<std::int64_t> ids;
    for (const auto& row : rows) ids.insert(row.start.device_id.value());
    return {ids.begin(), ids.end()};
  }

  bool take_devices_in() {
    const auto unknown = those([](const Row& row) { return !row.start.device_id; });
    if (unknown.empty()) return false;
    run(tx_, sql::take_devices_in, devices.arrays(unknown));
    return true;
  }

  bool begin() {
    const auto unknown = those([](const Row& row) { return !row.start.anchor; });
    if (unknown.empty()) return false;
    run(tx_, sql::begin_starts, anchors.arrays(unknown));
    for (auto& row : rows_) row.start.begun = !row.start.anchor;
    return true;
  }

  pqxx::work& tx_;
  std::vector<Row> rows_;
};

bool was_read(const ClockExchange& exchange) { return !exchange.read_at_tick; }

/// `attached`: its clock has been told of now.
std::shared_ptr<const Session> session_of(const Row& row, bool attached) {
  return std::make_shared<const Session>(Session{.device_id = row.start.device_id.value(),
                                                 .device = row.request->device,
                                                 .boot = row.request->boot,
                                                 .anchor = row.start.anchor.value(),
                                                 .uncertainty = row.request->uncertainty,
                                                 .ordinal = row.start.ordinal,
                                                 .dated = attached ||
                                                          std::ranges::any_of(row.start.exchanges, was_read) ||
                                                          row.start.believed || row.start.anchor == Instant{}});
}

/// Where a start is asked for twice, the later request says its clock. What begins may be in doubt without a reading:
/// its ticks may be the calendar's. Returns the devices of which there was news.
std::set<std::int64_t> take_exchanges_in(pqxx::work& tx, const std::vector<Row>& rows) {
  std::map<StartKey, const Row*> last;
  for (const auto& row : rows) last.insert_or_assign(row.key(), &row);
  std::vector<StartExchange> news;
  std::vector<StartKey> starts;
  std::set<std::int64_t> changed;
  for (const auto& [key, row] : last) {
    const auto exchange = row->news();
    if (exchange || row->start.begun) starts.push_back(key);
    if (!exchange) continue;
    news.push_back({key, *exchange});
    changed.insert(key.device_id);
  }
  keep_exchanges(tx, news);
  renew_doubts(tx, starts);
  return changed;
}

bool is_to_register(const Row& row) { return !row.start.registered && !row.request->by_hand; }

/// What registers for the first time is mostly its device's newest start: what earlier ones assert ends. Returns the
/// devices of those that did.
std::set<std::int64_t> register_starts(pqxx::work& tx, std::vector<Row>& rows) {
  std::vector<Row> fresh;
  std::ranges::copy_if(rows, std::back_inserter(fresh), is_to_register);
  std::set<std::int64_t> registered;
  if (fresh.empty()) return registered;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::uint64_t> ordinals;
  for (const auto row : run(tx, sql::register_starts, registrations.arrays(fresh))) {
    const auto device_id = row[0].as<std::int64_t>();
    registered.insert(device_id);
    if (!row[2].as<bool>())
      ordinals.emplace(std::pair(device_id, row[1].as<std::uint64_t>()), row[3].as<std::uint64_t>());
  }
  for (auto& row : rows)
    if (const auto at = ordinals.find({row.start.device_id.value(), row.request->boot}); at != ordinals.end())
      row.start.ordinal = at->second;
  return registered;
}

/// A stream that only a newer version knows has none.
void read_watermarks(pqxx::work& tx, std::vector<Attached>& attached) {
  for (const auto row : run(tx, sql::watermarks, sessions.arrays(attached)))
    if (const auto stream = numbered<Stream>(row[1].as<std::int64_t>()))
      attached.at(row[0].as<std::size_t>()).watermarks.emplace(*stream, row[2].as<std::uint64_t>());
}

}  // namespace

std::vector<std::shared_ptr<const Session>> open_starts(pqxx::work& tx, std::span<const AttachRequest> requests) {
  std::vector<std::shared_ptr<const Session>> opened;
  for (const auto& row : Starts(tx, requests).open()) opened.push_back(session_of(row, false));
  return opened;
}

std::vector<Attached> attach_starts(pqxx::work& tx, std::span<const AttachRequest> requests) {
  auto rows = Starts(tx, requests).open_to_attach();
  auto changed = take_exchanges_in(tx, rows);
  const auto registered = register_starts(tx, rows);
  changed.insert(registered.begin(), registered.end());
  settle_devices(tx, std::vector(changed.begin(), changed.end()));
  raise_restarting(tx, std::vector(registered.begin(), registered.end()));
  std::vector<Attached> attached;
  for (const auto& row : rows) attached.push_back({session_of(row, true), {}});
  read_watermarks(tx, attached);
  return attached;
}

}  // namespace wardlink::storage::postgres
