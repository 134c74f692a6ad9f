#include "storage/api/registry_api.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"
#include "storage/wire/text.hpp"

namespace wardlink::storage {
namespace {

v1::Patient to_proto(const PatientRow& row) {
  v1::Patient patient;
  patient.set_name(patient_name(row.id));
  patient.set_display_name(row.display_name);
  for (const auto& each : row.identifiers) {
    auto& identifier = *patient.add_identifiers();
    identifier.set_system(each.system);
    identifier.set_value(each.value);
  }
  *patient.mutable_create_time() = to_stamp(row.created_at);
  for (const auto& urn : row.devices) patient.add_devices(device_name(urn));
  patient.set_ward(ward_name(row.ward));
  return patient;
}

v1::Discharge to_proto(const DischargeRow& row) {
  v1::Discharge discharge;
  discharge.set_patient(patient_name(row.patient));
  *discharge.mutable_discharge_time() = to_stamp(row.at);
  *discharge.mutable_recorded_at() = to_stamp(row.recorded_at);
  discharge.set_discharged_by(row.by);
  for (const auto& each : row.assignments) *discharge.add_assignments() = to_proto(each);
  return discharge;
}

}  // namespace

grpc::Status PatientApi::CreatePatient(grpc::ServerContext* context, const v1::CreatePatientRequest* request,
                                       v1::Patient* response) {
  return answered([&] {
    const auto& wish = request->patient();
    const auto admission = guard_.admit(*context, "PatientService.CreatePatient", roles::admins,
                                        {wish.ward().empty() ? "wards/" : wish.ward()});
    if (!wish.name().empty()) throw InvalidArgument("patient.name", "is drawn by the server: leave it out");
    if (wish.devices_size() > 0)
      throw InvalidArgument("patient.devices", "are not put on by this call: AssignDevice does it");
    require_text("patient.display_name", wish.display_name());
    std::vector<Identifier> identifiers;
    if (wish.identifiers_size() > 100) throw InvalidArgument("patient.identifiers", "must be 100 at most");
    for (const auto& each : wish.identifiers()) {
      require_text("patient.identifiers.system", each.system());
      require_text("patient.identifiers.value", each.value());
      identifiers.push_back({each.system(), each.value()});
    }
    const auto ward = wish.ward().empty() ? std::string() : parse_ward("patient.ward", wish.ward());
    *response = to_proto(store_.create_patient(wish.display_name(), identifiers, ward));
  });
}

grpc::Status PatientApi::ListPatients(grpc::ServerContext* context, const v1::ListPatientsRequest* request,
                                      v1::ListPatientsResponse* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "PatientService.ListPatients", roles::readers, {"patients/-"});
    const v1::ListPatientsRequest whole;
    const auto after = request->page_token().empty() ? std::string() : read_page_token(whole, request->page_token());
    const auto rows = store_.patients(scope, after, page_size_of(request->page_size()));
    const auto taken = fill_page(rows, [&](const PatientRow& row) {
      auto& patient = *response->add_patients();
      patient = to_proto(row);
      return patient.ByteSizeLong();
    });
    const auto next = taken < rows.size() ? std::optional(rows[taken - 1].id) : rows.next;
    if (next) response->set_next_page_token(make_page_token(whole, *next));
  });
}

grpc::Status PatientApi::GetPatient(grpc::ServerContext* context, const v1::GetPatientRequest* request,
                                    v1::Patient* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "PatientService.GetPatient", roles::readers, {request->name()});
    *response = to_proto(store_.patient(scope, parse_patient("name", request->name())));
  });
}

grpc::Status PatientApi::DischargePatient(grpc::ServerContext* context, const v1::DischargePatientRequest* request,
                                          v1::Discharge* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "PatientService.DischargePatient", roles::carers, {request->name()});
    const auto patient = parse_patient("name", request->name());
    calendar_.check([this] { return store_.calendar(); });
    std::optional<Instant> at;
    if (request->has_discharge_time()) at = parse_past("discharge_time", request->discharge_time(), store_.calendar());
    *response = to_proto(store_.discharge(scope, patient, at, subject_of(*context)));
  });
}

}  // namespace wardlink::storage
