#include "storage/api/registry_api.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/status.hpp"

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

/// Characters, not bytes: the first byte of each in UTF-8, which protobuf has checked.
std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

void require_text(const std::string& field, const std::string& text) {
  const auto length = length_of(text);
  if (length < 1 || length > 200) throw InvalidArgument(field, "must have 1 to 200 characters");
  if (text.find('\0') != std::string::npos) throw InvalidArgument(field, "must not hold the character NUL");
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

}  // namespace wardlink::storage
