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

v1::StartClock to_proto(const StartClock& start) {
  v1::StartClock message;
  message.set_boot(start.boot);
  message.set_ordinal(start.ordinal);
  if (start.registered_at) *message.mutable_registered_at() = to_stamp(*start.registered_at);
  message.set_never_dated(start.never_dated);
  message.set_believed(start.believed);
  message.set_readings(static_cast<std::uint32_t>(start.readings));
  if (start.last) {
    *message.mutable_read_at() = to_stamp(start.last->at);
    message.set_tick_ms(start.last->tick_ms);
    *message.mutable_anchor() = to_stamp(start.last->anchor);
    *message.mutable_uncertainty() = to_duration(start.last->uncertainty);
  }
  for (const auto& step : start.steps) {
    auto& told = *message.add_steps();
    told.set_cause(step.of_calendar ? v1::ClockStep::CALENDAR_SET : v1::ClockStep::CLOCK_READ);
    *told.mutable_from_time() = to_stamp(step.from);
    *told.mutable_by() = to_duration(step.by);
  }
  message.set_more_steps(start.more_steps);
  return message;
}

v1::DeviceClock to_proto(const DeviceClock& clock) {
  v1::DeviceClock message;
  message.set_device(device_name(clock.urn));
  for (const auto& start : clock.starts) *message.add_starts() = to_proto(start);
  for (const auto& start : clock.unplaced) *message.add_unplaced_starts() = to_proto(start);
  message.set_more_starts(clock.more_starts);
  if (clock.uncertainty) *message.mutable_uncertainty() = to_duration(*clock.uncertainty);
  message.set_starts_in_day(static_cast<std::uint32_t>(clock.day_count));
  for (const auto at : clock.day) *message.add_start_times() = to_stamp(at);
  *message.mutable_read_time() = to_stamp(clock.read_at);
  return message;
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

grpc::Status DeviceApi::GetDeviceClock(grpc::ServerContext* context, const v1::GetDeviceClockRequest* request,
                                       v1::DeviceClock* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "DeviceService.GetDeviceClock", roles::readers, {request->device()});
    *response = to_proto(store_.device_clock(scope, parse_device("device", request->device())));
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
