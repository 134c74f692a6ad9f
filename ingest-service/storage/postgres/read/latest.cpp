// How everybody is now, device by device.

#include <algorithm>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

// Devices a call, where the subject may not see all of them.
constexpr std::size_t most_looked_at = 2000;

// $1 patient, $2 device, $3 the device before, $4 how many are looked at.
const char* looked_at(Subject::Kind kind) {
  switch (kind) {
    case Subject::Kind::device:
      return "SELECT d.device_id, d.urn FROM device d WHERE d.urn = $2 AND $1 = '' AND d.device_id > $3"
             " ORDER BY d.device_id LIMIT $4";
    case Subject::Kind::patient:
      return "SELECT d.device_id, d.urn FROM assignment s JOIN device d ON d.device_id = s.device_id"
             " WHERE s.patient_id = NULLIF($1, '')::uuid AND $2 = '' AND upper_inf(s.recorded)"
             " AND s.held @> (SELECT calendar()) AND d.device_id > $3 ORDER BY d.device_id LIMIT $4";
    case Subject::Kind::all:
      break;
  }
  return "SELECT d.device_id, d.urn FROM device d WHERE $1 = '' AND $2 = '' AND d.device_id > $3"
         " ORDER BY d.device_id LIMIT $4";
}

// $5 scope, $6 limit. Who wears each device now.
std::string wearers(Subject::Kind kind) {
  return "SELECT d.device_id, d.urn, p.patient_id, p.display_name, micros(" + std::string(last_received_at) +
         "), micros((SELECT calendar())) FROM (" + looked_at(kind) +
         ") d LEFT JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.recorded)"
         "  AND a.held @> (SELECT calendar())"
         " LEFT JOIN patient p ON p.patient_id = a.patient_id"
         " WHERE ($5 = '' OR p.ward_id = ANY (NULLIF($5, '')::text[])) ORDER BY d.device_id LIMIT $6";
}

// $1 devices, $2 who wears each now. Of what was measured on that wearer only; on nobody, where nobody wears it. Of
// what the device sent and what was posted by hand what was received last.
const std::string values =
    "SELECT DISTINCT ON (l.device_id, l.sign_id) l.device_id, l.sign_id, l.value, l.quality, micros(l.measured_at),"
    " l.clock_jump_micros, l.boot_id, l.tick_ms, l.manual"
    " FROM unnest($1::bigint[], $2::uuid[]) k(device_id, patient_id) JOIN latest l ON l.device_id = k.device_id"
    " LEFT JOIN assignment worn ON worn.device_id = l.device_id AND upper_inf(worn.recorded)"
    "   AND worn.held @> l.measured_at AND NOT " +
    in_doubt("l", "l.measured_at") + " WHERE coalesce(worn.patient_id, CASE WHEN " + in_doubt("l", "l.measured_at") +
    " THEN " + settled_patient("l", "l.measured_at") +
    " END) IS NOT DISTINCT FROM k.patient_id"
    " ORDER BY l.device_id, l.sign_id, l.received_at DESC, l.manual";

/// Values and open alarms of the rows.
void complete(pqxx::work& tx, std::vector<LatestRow>& rows) {
  std::map<std::int64_t, LatestRow*> row_of;
  ArrayText devices, wearing;
  for (auto& row : rows) {
    row_of.emplace(row.device_id, &row);
    devices.add(row.device_id);
    row.patient.empty() ? wearing.add_null() : wearing.add(row.patient);
  }
  std::vector<ShownValue> dated;
  for (const auto row : tx.exec_params(values, devices.text(), wearing.text())) {
    const auto device_id = row[0].as<std::int64_t>();
    auto& of = *row_of.at(device_id);
    of.values.push_back({row[1].as<std::uint16_t>(),
                         read_double(row[2].c_str()),
                         row[3].as<std::uint16_t>(),
                         read_instant(row[4].c_str()),
                         {},
                         Type<std::optional<std::chrono::microseconds>>::get(row[5])});
    if (!row[7].is_null())
      dated.push_back({device_id, row[6].as<std::uint64_t>(), row[7].as<std::uint64_t>(),
                       row[8].as<bool>() ? Stream::manual : Stream::vitals, &of, of.values.size() - 1});
  }
  state_uncertainty(tx, dated);
  for (const auto row : tx.exec_params(open_alarms_statement(), devices.text(), wearing.text())) {
    auto& of = *row_of.at(row[0].as<std::int64_t>());
    of.alarms.push_back(alarm_fields().read(row));
    of.open_alarms = row["open_alarms"].as<std::uint64_t>();
  }
  for (auto& row : rows) state_uncertainty(tx, row.alarms);
}

}  // namespace

Page<LatestRow, std::int64_t> postgres::latest_rows(pqxx::work& tx, const Scope& scope, const Subject& subject,
                                                    std::int64_t after, std::size_t limit) {
  const auto most = scope ? std::max(limit + 1, most_looked_at) : limit + 1;
  const auto ask = [&](const std::string& statement, const auto&... more) {
    return tx.exec_params(statement, text_of(subject, Subject::Kind::patient), text_of(subject, Subject::Kind::device),
                          after, most, more...);
  };
  Page<LatestRow, std::int64_t> page;
  for (const auto row : ask(wearers(subject.kind), scope_text(scope), limit + 1)) {
    if (page.size() == limit) {
      page.next = page.back().device_id;
      break;
    }
    LatestRow latest;
    latest.device_id = row[0].as<std::int64_t>();
    latest.device = row[1].as<std::string>();
    latest.patient = row[2].as<std::string>("");
    latest.patient_name = row[3].as<std::string>("");
    latest.last_received_at = optional_instant(row[4]);
    latest.read_at = read_instant(row[5].c_str());
    page.push_back(std::move(latest));
  }
  if (!page.next && scope) {
    const auto end = ask("SELECT d.device_id FROM (" + std::string(looked_at(subject.kind)) +
                         ") d ORDER BY d.device_id OFFSET $4::bigint - 1");
    if (!end.empty()) page.next = end[0][0].as<std::int64_t>();
  }
  complete(tx, page);
  return page;
}

Page<LatestRow, std::int64_t> PostgresStore::latest(const Scope& scope, const Subject& subject, std::int64_t after,
                                                    std::size_t limit) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    // One snapshot for its statements: a reassignment between two of them must not mix wearers.
    begin_reading(tx);
    require_known(tx, subject);
    return latest_rows(tx, scope, subject, after, limit);
  });
}

}  // namespace wardlink::storage
