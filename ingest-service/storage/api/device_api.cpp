#include "storage/api/registry_api.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

v1::Device to_proto(const DeviceRow& row) {
  v1::Device device;
  device.set_name(device_name(row.urn));
  *device.mutable_create_time() = to_stamp(row.created_at);
  device.set_patient(patient_name(row.patient));
  device.set_patient_display_name(row.patient_name);
  if (row.last_received_at) *device.mutable_last_received_at() = to_stamp(*row.last_received_at);
  *device.mutable_read_time() = to_stamp(row.read_at);
  return device;
}

}  // namespace

grpc::Status DeviceApi::CreateDevice(grpc::ServerContext* context, const v1::CreateDeviceRequest* request,
                                     v1::Device* response) {
  return answered([&] {
    const auto admission =
        guard_.admit(*context, "DeviceService.CreateDevice", roles::admins, {request->device().name()});
    if (!request->device().patient().empty())
      throw InvalidArgument("device.patient", "is not put on by this call: AssignDevice does it");
    *response = to_proto(store_.create_device(parse_device("device.name", request->device().name())));
  });
}

grpc::Status DeviceApi::ListDevices(grpc::ServerContext* context, const v1::ListDevicesRequest* request,
                                    v1::ListDevicesResponse* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "DeviceService.ListDevices", roles::readers, {"devices/-"});
    const v1::ListDevicesRequest whole;
    const auto after = request->page_token().empty() ? std::string() : read_page_token(whole, request->page_token());
    const auto rows = store_.devices(scope, after, page_size_of(request->page_size()));
    const auto taken = fill_page(rows, [&](const DeviceRow& row) {
      auto& device = *response->add_devices();
      device = to_proto(row);
      return device.ByteSizeLong();
    });
    const auto next = taken < rows.size() ? std::optional(rows[taken - 1].urn) : rows.next;
    if (next) response->set_next_page_token(make_page_token(whole, *next));
  });
}

grpc::Status DeviceApi::GetDevice(grpc::ServerContext* context, const v1::GetDeviceRequest* request,
                                  v1::Device* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "DeviceService.GetDevice", roles::readers, {request->name()});
    *response = to_proto(store_.device(scope, parse_device("name", request->name())));
  });
}

grpc::Status DeviceApi::AssignDevice(grpc::ServerContext* context, const v1::AssignDeviceRequest* request,
                                     v1::Assignment* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "DeviceService.AssignDevice", roles::carers, {request->device(), request->patient()});
    calendar_.check([this] { return store_.calendar(); });
    std::optional<Instant> from;
    if (request->has_held_from()) from = parse_past("held_from", request->held_from(), store_.calendar());
    *response = to_proto(store_.assign(scope, parse_device("device", request->device()),
                                       parse_patient("patient", request->patient()), from, subject_of(*context)));
  });
}

grpc::Status DeviceApi::ReleaseDevice(grpc::ServerContext* context, const v1::ReleaseDeviceRequest* request,
                                      v1::Assignment* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "DeviceService.ReleaseDevice", roles::carers, {request->device()});
    calendar_.check([this] { return store_.calendar(); });
    std::optional<Instant> until;
    if (request->has_held_until()) until = parse_past("held_until", request->held_until(), store_.calendar());
    *response = to_proto(store_.release(scope, parse_device("device", request->device()), until, subject_of(*context)));
  });
}

}  // namespace wardlink::storage
