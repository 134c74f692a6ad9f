#include "contract/postgres_rows.hpp"

#include <charconv>
#include <sstream>
#include <stdexcept>

#include "cluster.hpp"

namespace wardlink::storage::test {
namespace {

/// The columns of one row, from left to right.
class Columns {
 public:
  explicit Columns(std::vector<std::optional<std::string>> values) : values_(std::move(values)) {}

  std::optional<std::string> next() { return values_.at(next_++); }
  std::string text() { return next().value(); }
  template <typename Number>
  std::optional<Number> optional_number() {
    const auto text = next();
    return text ? std::optional(read<Number>(*text)) : std::nullopt;
  }
  template <typename Number>
  Number number() {
    return optional_number<Number>().value();
  }
  template <typename Enum>
  Enum named() {
    return static_cast<Enum>(number<int>());
  }
  std::optional<Instant> optional_instant() {
    const auto micros = optional_number<std::int64_t>();
    return micros ? std::optional(Instant{std::chrono::microseconds{*micros}}) : std::nullopt;
  }
  Instant instant() { return optional_instant().value(); }
  bool truth() { return text() == "t"; }
  /// Of "{1,2}".
  template <typename Number>
  std::vector<Number> numbers() {
    std::vector<Number> all;
    const auto array = text();
    std::istringstream items(array.substr(1, array.size() - 2));
    for (std::string item; std::getline(items, item, ',');) all.push_back(read<Number>(item));
    return all;
  }
  /// Of hex.
  std::string bytes() {
    const auto hex = text();
    std::string all;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      all += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return all;
  }

 private:
  template <typename Number>
  static Number read(const std::string& text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) throw std::runtime_error("no number: " + text);
    return value;
  }

  std::vector<std::optional<std::string>> values_;
  std::size_t next_ = 0;
};

/// Of a table x; the order is that of StoredRows.
template <typename Row, typename Read>
std::vector<Row> read_all(Sql& sql, const std::string& columns, const std::string& table, const std::string& order,
                          Read&& read) {
  std::vector<Row> rows;
  for (auto& values : sql.rows("SELECT d.urn, " + columns + " FROM " + table +
                               " x JOIN device d USING (device_id) ORDER BY d.urn COLLATE \"C\", " + order)) {
    Columns next(std::move(values));
    rows.push_back(read(next));
  }
  return rows;
}

const std::string record_columns =
    "x.boot_id, x.stream, x.sequence, x.tick_ms, micros(x.measured_at), micros(x.received_at), x.late,"
    " x.clock_jump_micros, ";
const std::string record_order = "x.boot_id, x.stream, x.sequence";

template <typename Stored>
Stored read_record(Columns& next) {
  Stored stored;
  stored.device = next.text();
  stored.boot = next.number<std::uint64_t>();
  stored.stream = next.named<Stream>();
  stored.sequence = next.number<std::uint64_t>();
  stored.tick_ms = next.number<std::uint64_t>();
  stored.measured_at = next.instant();
  stored.received_at = next.instant();
  stored.late = next.truth();
  if (const auto jump = next.optional_number<std::int64_t>()) stored.clock_jump = std::chrono::microseconds{*jump};
  return stored;
}

StoredSet read_set(Columns& next) {
  auto set = read_record<StoredSet>(next);
  set.signs = next.numbers<std::uint16_t>();
  set.values = next.numbers<double>();
  set.qualities = next.numbers<std::uint16_t>();
  return set;
}

StoredAlarm read_alarm(Columns& next) {
  auto alarm = read_record<StoredAlarm>(next);
  auto& fact = alarm.fact;
  fact.event = next.named<AlarmEvent>();
  fact.kind = next.named<AlarmKind>();
  fact.priority = next.named<AlarmPriority>();
  fact.code = next.text();
  fact.sign = next.optional_number<std::uint16_t>().value_or(0);
  fact.value = next.optional_number<double>();
  fact.limit = next.optional_number<double>();
  fact.onset_sequence = next.optional_number<std::uint64_t>().value_or(0);
  return alarm;
}

StoredRun read_run(Columns& next) {
  auto stored = read_record<StoredRun>(next);
  auto& run = stored.run;
  run.rate_samples = next.number<std::uint32_t>();
  run.rate_seconds = next.number<std::uint32_t>();
  run.scale = next.number<double>();
  run.offset = next.number<double>();
  run.samples = next.bytes();
  return stored;
}

StoredStart read_start(Columns& next) {
  StoredStart start{next.text(), next.number<std::uint64_t>(), next.instant(), {}};
  const auto parts = next.numbers<std::int64_t>();  // eight of each exchange
  for (std::size_t i = 0; i + 7 < parts.size(); i += 8) {
    auto& exchange = start.exchanges.emplace_back();
    exchange.tick_ms = static_cast<std::uint64_t>(parts[i]);
    exchange.anchor = Instant{std::chrono::microseconds{parts[i + 1]}};
    exchange.uncertainty = std::chrono::microseconds{parts[i + 2]};
    if (parts[i + 3] != 0) exchange.from_tick = static_cast<std::uint64_t>(parts[i + 4]);
    exchange.calendar = static_cast<std::uint64_t>(parts[i + 5]);
    if (parts[i + 6] != 0) exchange.read_at_tick = static_cast<std::uint64_t>(parts[i + 7]);
  }
  return start;
}

StoredStream read_stream(Columns& next) {
  StoredStream stream{next.text(), next.number<std::uint64_t>(), next.named<Stream>(), 0, {}};
  stream.high_sequence = next.number<std::uint64_t>();
  stream.last_received_at = next.optional_instant();
  return stream;
}

QuarantinedRecord read_quarantined(Columns& next) {
  QuarantinedRecord record;
  record.device = next.text();
  record.boot = next.number<std::uint64_t>();
  record.stream = next.named<Stream>();
  record.sequence = next.number<std::uint64_t>();
  record.reason = next.text();
  record.payload = next.bytes();
  record.resource = next.text();
  record.received_at = next.instant();
  record.seen = next.number<std::uint64_t>();
  return record;
}

StoredLatest read_latest(Columns& next) {
  StoredLatest latest;
  latest.device = next.text();
  latest.sign = next.number<std::uint16_t>();
  latest.manual = next.truth();
  latest.value = next.number<double>();
  latest.quality = next.number<std::uint16_t>();
  latest.measured_at = next.instant();
  latest.received_at = next.instant();
  latest.boot = next.number<std::uint64_t>();
  latest.sequence = next.number<std::uint64_t>();
  return latest;
}

std::string key_of(const StoredRecord& row) {
  std::ostringstream key;
  key << row.device << " boot " << row.boot << " stream " << static_cast<int>(row.stream) << " sequence "
      << row.sequence << " tick " << row.tick_ms << " measured " << row.measured_at.time_since_epoch().count()
      << " received " << row.received_at.time_since_epoch().count() << (row.late ? " late" : "");
  return key.str();
}

std::string key_of(const StoredStart& row) {
  std::ostringstream key;
  key << row.device << " boot " << row.boot << " anchor " << row.anchor.time_since_epoch().count() << ", "
      << row.exchanges.size() << " exchanges";
  return key.str();
}

std::string key_of(const StoredStream& row) {
  std::ostringstream key;
  key << row.device << " boot " << row.boot << " stream " << static_cast<int>(row.stream) << " up to "
      << row.high_sequence;
  return key.str();
}

std::string key_of(const QuarantinedRecord& row) {
  std::ostringstream key;
  key << row.device << " boot " << row.boot << " stream " << static_cast<int>(row.stream) << " sequence "
      << row.sequence << " " << row.reason << " seen " << row.seen << " " << row.payload;
  return key.str();
}

std::string key_of(const StoredLatest& row) {
  std::ostringstream key;
  key << row.device << " sign " << row.sign << (row.manual ? " by hand = " : " = ") << row.value << " of boot "
      << row.boot << " sequence " << row.sequence;
  return key.str();
}

template <typename Row>
void compare(const std::string& name, const std::vector<Row>& a, const std::vector<Row>& b, std::ostream& told) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) continue;
    told << name << " " << i << ":\n  " << (i < a.size() ? key_of(a[i]) : "nothing") << "\n  "
         << (i < b.size() ? key_of(b[i]) : "nothing") << "\n";
    return;
  }
}

}  // namespace

StoredRows postgres_rows(const std::string& connection) {
  Sql sql(connection);
  const std::string exchanges =
      "ARRAY(SELECT unnest(ARRAY[c.tick_ms, micros(c.anchor), c.uncertainty_micros, (c.from_tick IS NOT NULL)::int,"
      " coalesce(c.from_tick, 0), c.calendar, (c.read_at_tick IS NOT NULL)::int, coalesce(c.read_at_tick, 0)]) FROM "
      "clock_exchange c WHERE c.device_id = x.device_id AND c.boot_id = x.boot_id"
      " ORDER BY c.tick_ms, c.calendar, c.uncertainty_micros)";
  StoredRows rows;
  rows.starts =
      read_all<StoredStart>(sql, "x.boot_id, micros(x.anchor), " + exchanges, "device_boot", "x.boot_id", read_start);
  rows.streams = read_all<StoredStream>(sql, "x.boot_id, x.stream, x.high_sequence, micros(x.last_received_at)",
                                        "stream_state", "x.boot_id, x.stream", read_stream);
  rows.sets = read_all<StoredSet>(sql, record_columns + "x.sign_ids, x.sign_values, x.qualities", "measurement_set",
                                  record_order, read_set);
  rows.alarms = read_all<StoredAlarm>(
      sql, record_columns + "x.event, x.kind, x.priority, x.code, x.sign_id, x.value, x.limit_value, x.onset_sequence",
      "alarm_event", record_order, read_alarm);
  rows.runs = read_all<StoredRun>(
      sql, record_columns + "x.rate_samples, x.rate_seconds, x.scale, x.sample_offset, encode(x.samples, 'hex')",
      "waveform_run", record_order, read_run);
  rows.quarantine = read_all<QuarantinedRecord>(
      sql,
      "x.boot_id, x.stream, x.sequence, x.reason, encode(x.payload, 'hex'), x.resource, micros(x.received_at), x.seen",
      "quarantine", record_order + ", x.reason COLLATE \"C\", x.payload", read_quarantined);
  rows.latest = read_all<StoredLatest>(
      sql,
      "x.sign_id, x.manual, x.value, x.quality, micros(x.measured_at), micros(x.received_at), x.boot_id, x.sequence",
      "latest", "x.sign_id, x.manual", read_latest);
  return rows;
}

std::vector<AuditFact> postgres_audit(const std::string& connection) {
  Sql sql(connection);
  std::vector<AuditFact> facts;
  for (auto& values : sql.rows("SELECT subject, method, outcome = 'granted', array_to_string(resources, E'\\n'),"
                               " reason, address, count FROM audit ORDER BY audit_id")) {
    Columns next(std::move(values));
    AuditFact fact{next.text(), next.text(), next.truth()};
    std::istringstream resources(next.text());
    for (std::string resource; std::getline(resources, resource);) fact.resources.push_back(resource);
    fact.reason = next.text();
    fact.address = next.text();
    fact.count = next.number<std::uint64_t>();
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::string difference(const StoredRows& a, const StoredRows& b) {
  std::ostringstream told;
  compare("start", a.starts, b.starts, told);
  compare("stream", a.streams, b.streams, told);
  compare("set", a.sets, b.sets, told);
  compare("alarm", a.alarms, b.alarms, told);
  compare("run", a.runs, b.runs, told);
  compare("quarantined record", a.quarantine, b.quarantine, told);
  compare("latest value", a.latest, b.latest, told);
  return told.str();
}

}  // namespace wardlink::storage::test
