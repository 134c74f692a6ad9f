#include "storage/vitals_api.hpp"

#include <algorithm>

#include "signs/catalogue.hpp"
#include "storage/instants.hpp"
#include "storage/names.hpp"
#include "storage/page_token.hpp"
#include "storage/status.hpp"
#include "storage/wire_records.hpp"

namespace wardlink::storage {
namespace {

// A page stays below what a client takes by default (4 MiB), however many signs a set has.
constexpr std::size_t page_bytes = 3 * 1024 * 1024;

std::string requested(const std::string& parent) { return parent.empty() ? "patients/-" : parent; }

v1::LatestVitals to_proto(const LatestRow& row) {
  v1::LatestVitals vitals;
  vitals.set_patient(patient_name(row.patient));
  vitals.set_patient_display_name(row.patient_name);
  vitals.set_device(device_name(row.device));
  for (const auto& value : row.values) {
    auto& sign = *vitals.add_signs();
    sign.set_sign(sign_name(value.sign));
    sign.set_value(value.value);
    sign.set_unit(sign_unit(value.sign));
    sign.set_implausible(implausible(value.quality));
    *sign.mutable_measured_at() = to_stamp(value.measured_at);
  }
  vitals.set_open_alarms(static_cast<std::uint32_t>(row.alarms.size()));
  for (const auto& alarm : row.alarms) *vitals.add_alarms() = to_proto(alarm);
  if (row.last_received_at) *vitals.mutable_last_received_at() = to_stamp(*row.last_received_at);
  return vitals;
}

bool wanted(const std::vector<std::uint16_t>& signs, std::uint16_t sign) {
  return signs.empty() || std::ranges::find(signs, sign) != signs.end();
}

v1::MeasurementSet to_proto(const ReadingRow& row, const std::vector<std::uint16_t>& signs) {
  v1::MeasurementSet set;
  set.set_device(device_name(row.device));
  set.set_boot(row.boot);
  set.set_stream(static_cast<v1::Stream>(row.stream));
  set.set_sequence(row.sequence);
  set.set_tick_ms(row.tick_ms);
  *set.mutable_measured_at() = to_stamp(row.measured_at);
  *set.mutable_received_at() = to_stamp(row.received_at);
  for (std::size_t i = 0; i < row.set.signs.size(); ++i) {
    if (!wanted(signs, row.set.signs[i])) continue;
    auto& reading = *set.add_readings();
    reading.set_sign(sign_name(row.set.signs[i]));
    reading.set_value(row.set.values[i]);
    reading.set_unit(sign_unit(row.set.signs[i]));
    reading.set_implausible(implausible(row.set.qualities[i]));
  }
  return set;
}

ReadingsQuery query_of(const v1::ListReadingsRequest& request) {
  ReadingsQuery query;
  query.subject = parse_parent("parent", request.parent());
  if (query.subject.kind == Subject::Kind::all) {
    throw InvalidArgument("parent", "is required: patients/{id} or devices/{urn}");
  }
  for (const auto& name : request.signs()) {
    const auto* sign = signs::find(name);
    if (sign == nullptr) throw InvalidArgument("signs", "holds a name that is not in the catalogue");
    query.signs.push_back(sign->id);
  }
  read_span_and_page(request, query);
  return query;
}

}  // namespace

grpc::Status VitalsApi::GetLatest(grpc::ServerContext* context, const v1::GetLatestRequest* request,
                                  v1::GetLatestResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.GetLatest", roles::readers, {requested(request->parent())});
    for (const auto& row : store_.latest(scope, parse_parent("parent", request->parent()))) {
      *response->add_vitals() = to_proto(row);
    }
  });
}

grpc::Status VitalsApi::ListReadings(grpc::ServerContext* context, const v1::ListReadingsRequest* request,
                                     v1::ListReadingsResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.ListReadings", roles::readers, {requested(request->parent())});
    auto query = query_of(*request);
    query.scope = scope;
    const auto page_size = query.limit++;  // one more tells whether there is a next page
    const auto rows = store_.readings(query);
    std::size_t taken = 0, bytes = 0;
    while (taken < std::min(rows.size(), page_size) && bytes < page_bytes) {
      auto& set = *response->add_measurement_sets();
      set = to_proto(rows[taken++], query.signs);
      bytes += set.ByteSizeLong();
    }
    if (taken == rows.size()) return;
    const auto& last = rows[taken - 1];
    response->set_next_page_token(make_page_token(
        without_page(*request), to_place({last.measured_at, last.device_id, last.boot, last.stream, last.sequence})));
  });
}

}  // namespace wardlink::storage
