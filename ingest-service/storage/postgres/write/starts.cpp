#include "storage/postgres/write/starts.hpp"

#include <map>
#include <optional>
#include <stdexcept>

#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/write/key_columns.hpp"

namespace wardlink::storage::postgres {
namespace {

namespace sql {
// The last correction beside each start's anchor; NULL for what is not there.
const Statement find_starts{
    "find_starts",
    "SELECT k.place - 1, d.device_id, micros(b.anchor), c.offset_micros"
    " FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY k(urn, boot_id, place)"
    " LEFT JOIN device d ON d.urn = k.urn"
    " LEFT JOIN device_boot b ON b.device_id = d.device_id AND b.boot_id = k.boot_id"
    " LEFT JOIN LATERAL (SELECT x.offset_micros FROM clock_correction x"
    "   WHERE x.device_id = b.device_id AND x.boot_id = b.boot_id ORDER BY x.recorded_at DESC LIMIT 1) c ON true"};
// In order, so that two writers never wait for each other in a circle; likewise the next.
const Statement take_devices_in{
    "take_devices_in",
    "INSERT INTO device (urn) SELECT DISTINCT urn FROM unnest($1::text[]) k(urn) ORDER BY 1 ON CONFLICT DO NOTHING"};
const Statement begin_starts{
    "begin_starts",
    "INSERT INTO device_boot (device_id, boot_id, anchor)"
    " SELECT DISTINCT ON (k.device_id, k.boot_id) k.device_id, k.boot_id, instant(k.anchor)"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY k(device_id, boot_id, anchor, place)"
    " ORDER BY k.device_id, k.boot_id, k.place ON CONFLICT DO NOTHING"};
// The same offset again (a session that is named anew on another stream) is no news.
const Statement correct_clocks{
    "correct_clocks",
    "INSERT INTO clock_correction (device_id, boot_id, offset_micros)"
    " SELECT k.device_id, k.boot_id, k.amount"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(device_id, boot_id, amount)"
    " WHERE k.amount IS DISTINCT FROM coalesce((SELECT c.offset_micros FROM clock_correction c"
    "   WHERE c.device_id = k.device_id AND c.boot_id = k.boot_id ORDER BY c.recorded_at DESC LIMIT 1), 0)"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING"};
const Statement watermarks{"watermarks",
                           "SELECT k.place - 1, s.stream, s.high_sequence"
                           " FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY k(device_id, boot_id, place)"
                           " JOIN stream_state s ON s.device_id = k.device_id AND s.boot_id = k.boot_id"
                           " WHERE s.high_sequence > 0"};
}  // namespace sql

struct Start {
  std::optional<std::int64_t> device_id;
  std::optional<Instant> anchor;
  std::chrono::microseconds correction{0};  // the last one
};

class Starts {
 public:
  Starts(pqxx::work& tx, std::span<const AttachRequest> requests) : tx_(tx), requests_(requests) {}

  /// What another transaction has begun meanwhile is there once the statement that finds it so has returned.
  std::vector<Start> open() {
    auto starts = find();
    if (take_devices_in(starts)) starts = find();
    if (begin(starts)) starts = find();
    return starts;
  }

 private:
  std::vector<Start> find() {
    ArrayText urns, boots;
    for (const auto& request : requests_) {
      urns.add_quoted(request.device);
      boots.add(number(request.boot));
    }
    std::vector<Start> starts(requests_.size());
    for (const auto row : run(tx_, sql::find_starts, urns.text(), boots.text())) {
      Start& start = starts.at(row[0].as<std::size_t>());
      if (!row[1].is_null()) start.device_id = row[1].as<std::int64_t>();
      if (!row[2].is_null()) start.anchor = read_instant(row[2].c_str());
      if (!row[3].is_null()) start.correction = std::chrono::microseconds{row[3].as<std::int64_t>()};
    }
    return starts;
  }

  bool take_devices_in(const std::vector<Start>& starts) {
    ArrayText urns;
    for (std::size_t i = 0; i < starts.size(); ++i)
      if (!starts[i].device_id) urns.add_quoted(requests_[i].device);
    if (urns.size() == 0) return false;
    run(tx_, sql::take_devices_in, urns.text());
    return true;
  }

  bool begin(const std::vector<Start>& starts) {
    ArrayText devices, boots, anchors;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      if (starts[i].anchor) continue;
      devices.add(starts[i].device_id.value());
      boots.add(number(requests_[i].boot));
      anchors.add(to_text(requests_[i].anchor));
    }
    if (devices.size() == 0) return false;
    run(tx_, sql::begin_starts, devices.text(), boots.text(), anchors.text());
    return true;
  }

  pqxx::work& tx_;
  const std::span<const AttachRequest> requests_;
};

std::shared_ptr<const Session> session_of(const AttachRequest& request, const Start& start) {
  return std::make_shared<const Session>(Session{.device_id = start.device_id.value(),
                                                 .device = request.device,
                                                 .boot = request.boot,
                                                 .anchor = start.anchor.value()});
}

/// Where a start is asked for twice, the later request says its clock.
void correct_clocks(pqxx::work& tx, std::span<const AttachRequest> requests, const std::vector<Start>& starts) {
  std::map<std::pair<std::int64_t, std::uint64_t>, std::size_t> last;
  for (std::size_t i = 0; i < starts.size(); ++i)
    last.insert_or_assign({starts[i].device_id.value(), requests[i].boot}, i);
  ArrayText devices, boots, offsets;
  for (const auto& [key, i] : last) {
    const auto offset = requests[i].anchor - starts[i].anchor.value();
    if (offset == starts[i].correction) continue;
    devices.add(key.first);
    boots.add(number(key.second));
    offsets.add(std::int64_t{offset.count()});
  }
  if (devices.size() > 0) run(tx, sql::correct_clocks, devices.text(), boots.text(), offsets.text());
}

void read_watermarks(pqxx::work& tx, std::vector<Attached>& attached) {
  ArrayText devices, boots;
  for (const auto& each : attached) {
    devices.add(each.session->device_id);
    boots.add(number(each.session->boot));
  }
  for (const auto row : run(tx, sql::watermarks, devices.text(), boots.text()))
    attached.at(row[0].as<std::size_t>())
        .watermarks.emplace(static_cast<Stream>(row[1].as<int>()), row[2].as<std::uint64_t>());
}

}  // namespace

std::vector<std::shared_ptr<const Session>> open_starts(pqxx::work& tx, std::span<const AttachRequest> requests) {
  const auto starts = Starts(tx, requests).open();
  std::vector<std::shared_ptr<const Session>> sessions;
  sessions.reserve(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) sessions.push_back(session_of(requests[i], starts[i]));
  return sessions;
}

std::vector<Attached> attach_starts(pqxx::work& tx, std::span<const AttachRequest> requests) {
  const auto starts = Starts(tx, requests).open();
  std::vector<Attached> attached(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) attached[i].session = session_of(requests[i], starts[i]);
  correct_clocks(tx, requests, starts);
  read_watermarks(tx, attached);
  return attached;
}

}  // namespace wardlink::storage::postgres
