// Lists of what could not be taken as a record.

#include <algorithm>
#include <tuple>

#include "storage/memory/attribution.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/page.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;

Position place_of(const QuarantineRow& row) { return {.at = row.received_at, .device_id = row.id}; }

auto order_of(const Position& place) { return std::tuple(place.at, place.device_id); }

bool wanted(const QuarantineQuery& query, const Position& place) {
  if ((query.start && place.at < *query.start) || (query.end && place.at >= *query.end)) return false;
  return !query.after || order_of(place) < order_of(*query.after);
}

/// What nobody wore is everybody's to see.
bool is_theirs(const Tables& tables, const QuarantineQuery& query, std::int64_t device_id, const AssignmentRow* worn) {
  if (query.subject.kind == Subject::Kind::device && tables.urns.at(device_id) != query.subject.id) return false;
  if (query.subject.kind == Subject::Kind::patient && (!worn || worn->patient != query.subject.id)) return false;
  return !worn || sees_patient(tables, query.scope, worn->patient);
}

}  // namespace

Page<QuarantineRow> MemoryStore::quarantine(const QuarantineQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  std::vector<QuarantineRow> found;
  for (const auto& [key, kept] : tables_->quarantine) {
    const auto& [record, reason, payload] = key;
    const auto* worn = worn_at(*tables_, record.device_id, kept.received_at);
    if (!wanted(query, {.at = kept.received_at, .device_id = kept.id}) ||
        !is_theirs(*tables_, query, record.device_id, worn))
      continue;
    QuarantineRow row;
    row.id = kept.id;
    if (worn) {
      row.patient = worn->patient;
      row.patient_name = tables_->patients.at(worn->patient).display_name;
    }
    row.device = tables_->urns.at(record.device_id);
    row.boot = record.boot;
    row.stream = record.stream;
    row.sequence = record.sequence;
    row.reason = reason;
    row.resource = kept.resource;
    row.received_at = kept.received_at;
    row.seen = kept.seen;
    row.size = payload.size();
    if (query.payload) row.payload = payload;
    found.push_back(std::move(row));
  }
  std::ranges::sort(found, std::greater<>{}, [](const QuarantineRow& row) { return order_of(place_of(row)); });
  std::size_t bytes = 0, fit = 0;
  while (fit < found.size() && bytes < QuarantineQuery::most_payload_bytes) bytes += found[fit++].payload.size();
  return first_page<QuarantineRow, Position>(std::move(found), std::min(query.limit, fit), place_of);
}

}  // namespace wardlink::storage
