#include "storage/postgres/ends/ends.hpp"

#include <map>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/link/columns.hpp"
#include "storage/postgres/link/fields.hpp"

namespace wardlink::storage::postgres {
namespace {

const Columns<std::int64_t> ids({column<std::int64_t>("device_id", [](std::int64_t id) { return id; })});

template <typename Row, typename Key>
std::vector<Column<Row>> key_columns_of(Key) {
  return {column<Row>("device_id", [](const Row& row) { return Key{}(row).device_id; }),
          column<Row>("boot_id", [](const Row& row) { return Key{}(row).boot; }),
          column<Row>("stream", [](const Row& row) { return Key{}(row).stream; }),
          column<Row>("sequence", [](const Row& row) { return Key{}(row).sequence; })};
}

struct Key {
  std::int64_t device_id;
  std::uint64_t boot;
  Stream stream;
  std::uint64_t sequence;
};

Key key_of(const Record& record) {
  return {record.session->device_id, record.session->boot, record.stream, record.sequence};
}

const Columns<Key> keys(key_columns_of<Key>([](const Key& key) { return key; }));

const Columns<Key> starts({column<Key>("device_id", [](const Key& key) { return key.device_id; }),
                           column<Key>("boot_id", [](const Key& key) { return key.boot; })});

// Of a device's end: what it ends.
const Columns<const Record*> origins(
    {column<const Record*>("device_id", [](const Record* row) { return row->session->device_id; }),
     column<const Record*>("boot_id", [](const Record* row) { return row->session->boot; }),
     column<const Record*>("stream", [](const Record* row) { return row->stream; }),
     column<const Record*>("sequence", [](const Record* row) { return std::get<AlarmFact>(row->body).onset_sequence; }),
     column<const Record*>("measured_at", [](const Record* row) { return measured_at(*row); })});

using End = std::pair<Key, AlarmEnd>;

std::vector<Column<End>> columns_of_ends() {
  auto all = key_columns_of<End>([](const End& end) { return end.first; });
  all.push_back(column<End>("cause", [](const End& end) { return end.second.cause; }));
  all.push_back(column<End>("ended_at", [](const End& end) { return end.second.at; }));
  all.push_back(column<End>("ended_by", [](const End& end) { return end.second.by; }));
  all.push_back(column<End>("reason", [](const End& end) { return end.second.reason; }));
  return all;
}

const Columns<End> ends(columns_of_ends());

const AlarmFact& fact_of(const DatedRecord& row) { return std::get<AlarmFact>(row.record.body); }

std::vector<Column<DatedRecord>> columns_of_raised() {
  using Row = DatedRecord;
  using Origin = std::optional<std::uint64_t>;
  std::vector<Column<Row>> all;
  all.push_back(column<Row>("device_id", [](const Row& row) { return row.record.session->device_id; }));
  all.push_back(column<Row>("boot_id", [](const Row& row) { return row.record.session->boot; }));
  all.push_back(column<Row>("sequence", [](const Row& row) { return row.record.sequence; }));
  all.push_back(column<Row>("kind", [](const Row& row) { return fact_of(row).kind; }));
  all.push_back(column<Row>("priority", [](const Row& row) { return fact_of(row).priority; }));
  all.push_back(column<Row>("code", [](const Row& row) { return fact_of(row).code; }));
  all.push_back({"sign_id", "smallint",
                 [](ArrayText& array, const Row& row) { ZeroIsNull<std::uint16_t>::put(array, fact_of(row).sign); }});
  all.push_back(column<Row>("value", [](const Row& row) { return fact_of(row).value; }));
  all.push_back(column<Row>("limit_value", [](const Row& row) { return fact_of(row).limit; }));
  all.push_back(column<Row>("tick_ms", [](const Row& row) { return row.record.tick_ms; }));
  all.push_back(column<Row>("measured_at", [](const Row& row) { return row.measured_at; }));
  all.push_back(column<Row>("received_at", [](const Row& row) { return row.record.received_at; }));
  all.push_back(column<Row>("origin_stream", [](const Row& row) {
    return row.origin ? std::optional(row.origin->stream) : std::optional<Stream>();
  }));
  all.push_back(column<Row>("origin_sequence",
                            [](const Row& row) { return row.origin ? Origin(row.origin->sequence) : Origin(); }));
  return all;
}

// Parameters of the schema's raise_storage_alarms().
const Columns<DatedRecord> raised(columns_of_raised());

/// SELECT of what OnsetFacts hold, of the onsets k.
std::string facts_text(const std::string& onsets) {
  return "SELECT r.device_id, d.urn, r.boot_id, micros(b.anchor), r.stream, r.sequence, r.tick_ms,"
         " micros(r.measured_at) AS start, micros(r.received_at) AS received, r.kind, r.priority, r.code, r.sign_id,"
         " r.value, r.limit_value, r.origin_stream, r.origin_sequence, c.end_cause, micros(c.end_at) AS end_at,"
         " c.ended_by, c.end_reason, micros(n.registered_at) AS restarted, a.recorded_by AS released_by,"
         " micros(upper(a.held)) AS until, EXISTS (SELECT FROM discharge g WHERE g.patient_id = a.patient_id"
         "   AND g.discharged_at = upper(a.held)) AS discharged, micros(lower(w.held)) AS worn_since,"
         " EXISTS (SELECT FROM alarm_event x WHERE x.device_id = r.device_id AND x.boot_id = r.boot_id"
         "   AND x.origin_stream = r.stream AND x.origin_sequence = r.sequence AND x.measured_at >= lower(w.held)"
         "   AND EXISTS (SELECT FROM open_alarm o WHERE o.device_id = x.device_id AND o.boot_id = x.boot_id"
         "     AND o.stream = x.stream AND o.sequence = x.sequence)) AS stands_anew"
         ", (SELECT p.patient_id FROM open_alarm s JOIN alarm_event o USING (device_id, boot_id, stream, sequence)" +
         doubt_of("o", "o.measured_at", "o.tick_ms") + wearer_of("o", "o.measured_at") +
         "   WHERE o.device_id = r.device_id AND o.boot_id = r.boot_id AND o.stream = r.origin_stream"
         "   AND o.sequence = r.origin_sequence) = a.patient_id AS origin_is_theirs"
         " FROM (" +
         onsets +
         ") k JOIN alarm_event r ON r.device_id = k.device_id AND r.boot_id = k.boot_id AND r.stream = k.stream"
         "   AND r.sequence = k.sequence AND r.event = 1"
         " JOIN device d ON d.device_id = r.device_id"
         " JOIN device_boot b ON b.device_id = r.device_id AND b.boot_id = r.boot_id"
         " JOIN LATERAL (SELECT q.end_cause, q.end_at, q.ended_by, q.end_reason FROM alarm_condition q"
         "   WHERE q.device_id = k.device_id AND q.boot_id = k.boot_id AND q.stream = k.stream"
         "   AND q.sequence = k.sequence OFFSET 0) c ON true"
         " LEFT JOIN LATERAL (SELECT s.boot_id, s.registered_at FROM registered_start s"
         "   WHERE s.device_id = r.device_id AND NOT s.late ORDER BY s.ordinal DESC LIMIT 1) n ON n.boot_id <> "
         "r.boot_id" +
         doubt_of("r", "r.measured_at", "r.tick_ms") +
         // Of a settled one the patient's assignment that lies next to it.
         " LEFT JOIN LATERAL (SELECT w.* FROM assignment w WHERE w.device_id = r.device_id AND upper_inf(w.recorded)"
         "   AND CASE WHEN q.stands IS NULL THEN w.held @> r.measured_at ELSE w.patient_id = q.patient_id END"
         "   ORDER BY CASE WHEN w.held @> r.measured_at THEN interval '0' WHEN upper(w.held) <= r.measured_at"
         "     THEN r.measured_at - upper(w.held) ELSE lower(w.held) - r.measured_at END LIMIT 1) a ON true"
         " LEFT JOIN assignment w ON w.device_id = r.device_id AND upper_inf(w.recorded) AND upper_inf(w.held)"
         " ORDER BY r.device_id, r.boot_id, r.stream, r.sequence";
}

namespace sql {
const Statement lock_devices{"lock_devices", "SELECT FROM device d WHERE d.device_id IN (SELECT k.device_id FROM " +
                                                 ids.rows() + ") ORDER BY d.device_id FOR UPDATE"};
const Statement facts_of_alarms{"facts_of_alarms", facts_text("SELECT k.* FROM " + keys.rows())};
// What is open, and what storage ended of the newest starts: the device may assert it still.
const Statement facts_of_devices{
    "facts_of_devices",
    facts_text("SELECT o.device_id, o.boot_id, o.stream, o.sequence FROM " + ids.rows() +
               " JOIN open_alarm o ON o.device_id = k.device_id"
               " UNION SELECT e.device_id, e.boot_id, e.stream, e.sequence FROM " +
               ids.rows() +
               " CROSS JOIN LATERAL (SELECT s.boot_id FROM registered_start s WHERE s.device_id = k.device_id"
               "   AND NOT s.late ORDER BY s.ordinal DESC LIMIT 1) n"
               " JOIN alarm_end e ON e.device_id = k.device_id AND e.boot_id = n.boot_id AND e.stream <> 4")};
const Statement end_alarms{"end_alarms", "INSERT INTO alarm_end (" + ends.names() + ") SELECT " + ends.values() +
                                             " FROM " + ends.rows() + " ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING"};
const Statement raised_from{
    "raised_from",
    "SELECT x.device_id, x.boot_id, x.stream, x.sequence, micros(x.measured_at), k.measured_at FROM " + origins.rows() +
        " JOIN alarm_event x ON x.device_id = k.device_id AND x.boot_id = k.boot_id AND x.origin_stream = k.stream"
        " AND x.origin_sequence = k.sequence"};
const Statement raised_clocks{"raised_clocks",
                              "SELECT DISTINCT x.device_id, x.boot_id FROM " + starts.rows() +
                                  " JOIN alarm_event x ON x.device_id = k.device_id AND x.boot_id = k.boot_id"
                                  " AND x.stream = 4 WHERE x.code = '" +
                                  clock_code + "'"};
const Statement lock_storage_streams{"lock_streams_of_storage", "SELECT * FROM lock_storage_streams($1, $2)"};
const Statement raise_alarms{
    "raise_alarms", "SELECT raise_storage_alarms($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"};
const Statement newest_starts{
    "newest_starts",
    "SELECT d.device_id, d.urn, b.boot_id, micros(b.anchor), micros(n.registered_at), micros(f.registered_at),"
    " EXISTS (SELECT FROM open_alarm o JOIN alarm_event x USING (device_id, boot_id, stream, sequence)"
    "   WHERE o.device_id = d.device_id AND o.stream = 4 AND x.code = 'restarting' AND NOT EXISTS ("
    "     SELECT FROM alarm_acknowledgement k WHERE (k.device_id, k.boot_id, k.stream, k.sequence) ="
    "       (o.device_id, o.boot_id, o.stream, o.sequence))) FROM " +
        ids.rows() +
        " JOIN device d ON d.device_id = k.device_id"
        " CROSS JOIN LATERAL (SELECT s.boot_id, s.registered_at FROM registered_start s"
        "   WHERE s.device_id = k.device_id AND NOT s.late ORDER BY s.ordinal DESC LIMIT 1) n"
        " JOIN device_boot b ON b.device_id = k.device_id AND b.boot_id = n.boot_id"
        " LEFT JOIN LATERAL (SELECT s.registered_at FROM registered_start s WHERE s.device_id = k.device_id"
        "   AND NOT s.late ORDER BY s.ordinal DESC OFFSET " +
        std::to_string(starts_before) + " LIMIT 1) f ON true ORDER BY d.device_id"};
}  // namespace sql

template <typename Value>
std::optional<Value> optional_of(const pqxx::field& field) {
  return Type<std::optional<Value>>::get(field);
}

Record read_onset(const pqxx::row& row) {
  Record record;
  record.session = std::make_shared<const Session>(Session{row[0].as<std::int64_t>(), row[1].as<std::string>(),
                                                           row[2].as<std::uint64_t>(), read_instant(row[3].c_str())});
  record.stream = read_enum<Stream>(row["stream"]);
  record.sequence = row["sequence"].as<std::uint64_t>();
  record.tick_ms = row["tick_ms"].as<std::uint64_t>();
  record.received_at = read_instant(row["received"].c_str());
  AlarmFact fact;
  fact.kind = read_enum<AlarmKind>(row["kind"]);
  fact.priority = read_enum<AlarmPriority>(row["priority"]);
  fact.code = row["code"].as<std::string>();
  fact.sign = ZeroIsNull<std::uint16_t>::get(row["sign_id"]);
  fact.value = optional_of<double>(row["value"]);
  fact.limit = optional_of<double>(row["limit_value"]);
  record.body = std::move(fact);
  return record;
}

OnsetFacts read_facts(const pqxx::row& row) {
  OnsetFacts facts;
  facts.record = read_onset(row);
  facts.start = read_instant(row["start"].c_str());
  if (!row["origin_sequence"].is_null())
    facts.origin = {read_enum<Stream>(row["origin_stream"]), row["origin_sequence"].as<std::uint64_t>()};
  facts.origin_is_theirs = row["origin_is_theirs"].as<bool>(false);
  if (const auto cause = optional_of<AlarmEndCause>(row["end_cause"]))
    facts.end = AlarmEnd{read_instant(row["end_at"].c_str()), *cause, row["ended_by"].as<std::string>(""),
                         row["end_reason"].as<std::string>("")};
  facts.restarted_at = optional_of<Instant>(row["restarted"]);
  if (!row["released_by"].is_null())
    facts.wearer = {optional_of<Instant>(row["until"]), row["released_by"].as<std::string>(),
                    row["discharged"].as<bool>()};
  facts.worn_since = optional_of<Instant>(row["worn_since"]);
  facts.stands_anew = row["stands_anew"].as<bool>();
  return facts;
}

std::vector<OnsetFacts> read_all(const pqxx::result& rows) {
  std::vector<OnsetFacts> facts;
  for (const auto row : rows) facts.push_back(read_facts(row));
  return facts;
}

/// The last sequence of storage's own stream of each start, locked until COMMIT.
std::map<StartKey, std::uint64_t> lock_storage_streams(pqxx::work& tx, const std::vector<Key>& of) {
  std::map<StartKey, std::uint64_t> last;
  for (const auto row : run(tx, sql::lock_storage_streams, starts.arrays(of)))
    last[{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>()}] = row[2].as<std::uint64_t>();
  return last;
}

/// Inserts onsets of storage's own, each under the next sequence of its start.
void raise(pqxx::work& tx, std::vector<DatedRecord> rows) {
  if (rows.empty()) return;
  std::vector<Key> written;
  for (const auto& row : rows) written.push_back(key_of(row.record));
  auto last = lock_storage_streams(tx, written);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i].record.sequence = written[i].sequence = ++last.at({written[i].device_id, written[i].boot});
  run(tx, sql::raise_alarms, raised.arrays(rows));
}

void settle(pqxx::work& tx, const std::vector<OnsetFacts>& onsets) {
  std::vector<std::pair<OnsetFacts, AlarmEnd>> due;
  std::vector<DatedRecord> anew;
  for (const auto& each : onsets) {
    if (const auto end = due_end(each)) due.emplace_back(each, *end);
    if (const auto at = due_anew(each)) anew.push_back(raised_anew(each, *at));
  }
  end_alarms(tx, due);
  raise(tx, std::move(anew));
}

void end_with_origins(pqxx::work& tx, const std::vector<const Record*>& device_ends) {
  if (device_ends.empty()) return;
  std::vector<End> due;
  for (const auto row : run(tx, sql::raised_from, origins.arrays(device_ends)))
    due.emplace_back(Key{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), read_enum<Stream>(row[2]),
                         row[3].as<std::uint64_t>()},
                     end_with_origin(read_instant(row[5].c_str()), read_instant(row[4].c_str())));
  if (!due.empty()) run(tx, sql::end_alarms, ends.arrays(due));
}

}  // namespace

void lock_devices(pqxx::work& tx, std::span<const std::int64_t> devices) {
  if (!devices.empty()) run(tx, sql::lock_devices, ids.arrays(devices));
}

std::vector<OnsetFacts> facts_of(pqxx::work& tx, const std::vector<AlarmCondition>& alarms) {
  std::vector<Key> wanted;
  for (const auto& each : alarms) wanted.push_back({each.device_id, each.boot, each.stream, each.sequence});
  return read_all(run(tx, sql::facts_of_alarms, keys.arrays(wanted)));
}

void settle_devices(pqxx::work& tx, std::span<const std::int64_t> devices) {
  if (!devices.empty()) settle(tx, read_all(run(tx, sql::facts_of_devices, ids.arrays(devices))));
}

void settle_alarms(pqxx::work& tx, std::span<const Record* const> inserted) {
  std::vector<Key> onsets;
  std::vector<const Record*> device_ends;
  for (const auto* record : inserted) {
    if (std::get<AlarmFact>(record->body).event == AlarmEvent::raised)
      onsets.push_back(key_of(*record));
    else
      device_ends.push_back(record);
  }
  end_with_origins(tx, device_ends);
  if (!onsets.empty()) settle(tx, read_all(run(tx, sql::facts_of_alarms, keys.arrays(onsets))));
}

void end_alarms(pqxx::work& tx, const std::vector<std::pair<OnsetFacts, AlarmEnd>>& due) {
  if (due.empty()) return;
  std::vector<End> rows;
  for (const auto& [onset, end] : due) rows.emplace_back(key_of(onset.record), end);
  run(tx, sql::end_alarms, ends.arrays(rows));
}

/// Looks once before the streams are locked, and once after: another stream of a start may have raised it meanwhile.
void raise_clock_alarms(pqxx::work& tx, std::span<const Record* const> jumped) {
  std::map<StartKey, DatedRecord> due;
  for (const auto* record : jumped)
    due.try_emplace(StartKey{record->session->device_id, record->session->boot}, clock_alarm(*record));
  for (const bool locks : {true, false}) {
    if (due.empty()) return;
    std::vector<Key> of;
    for (const auto& [start, alarm] : due) of.push_back(key_of(alarm.record));
    for (const auto row : run(tx, sql::raised_clocks, starts.arrays(of)))
      due.erase({row[0].as<std::int64_t>(), row[1].as<std::uint64_t>()});
    if (locks && !due.empty()) lock_storage_streams(tx, of);
  }
  std::vector<DatedRecord> alarms;
  for (auto& [start, alarm] : due) alarms.push_back(std::move(alarm));
  raise(tx, std::move(alarms));
}

void raise_restarting(pqxx::work& tx, std::span<const std::int64_t> devices) {
  if (devices.empty()) return;
  std::vector<DatedRecord> restarting;
  for (const auto row : run(tx, sql::newest_starts, ids.arrays(devices))) {
    const auto newest = read_instant(row[4].c_str());
    if (row[6].as<bool>() || !is_restarting(optional_of<Instant>(row[5]), newest)) continue;
    restarting.push_back(restarting_alarm(
        std::make_shared<const Session>(Session{row[0].as<std::int64_t>(), row[1].as<std::string>(),
                                                row[2].as<std::uint64_t>(), read_instant(row[3].c_str())}),
        newest));
  }
  raise(tx, std::move(restarting));
}

}  // namespace wardlink::storage::postgres
