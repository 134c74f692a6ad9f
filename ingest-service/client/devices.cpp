// wardlink devices: list, create, assign, release.

#include <memory>

#include "client/commands.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/time_option.hpp"
#include "client/verb.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/v1/registry.grpc.pb.h"

namespace wardlink::command_line {
namespace {

struct WearArguments {
  std::string device, patient, when;
};

std::unique_ptr<v1::DeviceService::Stub> device_service(Session& session) {
  return v1::DeviceService::NewStub(session.connection.channel());
}

int list_devices(Session& session) {
  const auto stub = device_service(session);
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::DeviceService::Stub::ListDevices,
                                 v1::ListDevicesRequest{}, &v1::ListDevicesResponse::mutable_devices, 0,
                                 [&](const v1::ListDevicesResponse& page) {
                                   for (const v1::Device& device : page.devices()) take(device);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "devices");
    const auto count = walk([&](const v1::Device& device) { list.add(device); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  Table table({{"DEVICE"}, {"WORN BY"}, {"PATIENT"}, {"HEARD", Align::right}, {"CREATED"}});
  walk([&](const v1::Device& device) {
    const auto now = device.has_read_time() ? from_proto(device.read_time()) : session.now;
    table.add({device_urn(device.name()), device.patient_display_name(), device.patient(),
               device.has_last_received_at() ? age_text(from_proto(device.last_received_at()), now) : "never",
               to_text(from_proto(device.create_time()), session.zone)});
  });
  if (table.empty()) {
    session.err << "wardlink: No device yet: one appears at its first contact, or by `wardlink devices create`.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

int create_device(Session& session, const std::string& device) {
  v1::CreateDeviceRequest request;
  request.mutable_device()->set_name(device_name(device));
  const auto created =
      session.connection.call(*device_service(session), &v1::DeviceService::Stub::CreateDevice, request);
  if (session.json) {
    print_json(session.out, created);
  } else {
    session.out << device_urn(created.name()) << " is known now.\n";
  }
  return exit_ok;
}

void print_assignment(Session& session, const v1::Assignment& assignment) {
  if (session.json) return print_json(session.out, assignment);
  Table table({{"DEVICE"}, {device_urn(assignment.device())}});
  table.add({"patient", assignment.patient()});
  table.add({"from", to_text(from_proto(assignment.held_from()), session.zone)});
  table.add({"until",
             assignment.has_held_until() ? to_text(from_proto(assignment.held_until()), session.zone) : "still worn"});
  table.add({"recorded by", assignment.recorded_by()});
  table.print(session.out);
}

int assign_device(Session& session, const WearArguments& arguments) {
  v1::AssignDeviceRequest request;
  request.set_device(device_name(arguments.device));
  apply_time("--from", arguments.when, session.now, [&](auto time) { *request.mutable_held_from() = time; });
  request.set_patient(patient_name(session, arguments.patient));
  print_assignment(session,
                   session.connection.call(*device_service(session), &v1::DeviceService::Stub::AssignDevice, request));
  return exit_ok;
}

int release_device(Session& session, const WearArguments& arguments) {
  v1::ReleaseDeviceRequest request;
  request.set_device(device_name(arguments.device));
  apply_time("--at", arguments.when, session.now, [&](auto time) { *request.mutable_held_until() = time; });
  print_assignment(session,
                   session.connection.call(*device_service(session), &v1::DeviceService::Stub::ReleaseDevice, request));
  return exit_ok;
}

}  // namespace

void add_devices(CLI::App& devices, Command& chosen) {
  Verb list(devices, "list", "Every device: who wears it, when it was last heard.");
  list.runs(chosen, list_devices);

  Verb create(devices, "create",
              "Announces a device before its first contact, so that it can be assigned. Role: admin.");
  auto name = std::make_shared<std::string>();
  create.add("DEVICE", *name, "the URN of its certificate", {.required = true});
  create.runs(chosen, [name](Session& session) { return create_device(session, *name); });

  Verb assign(devices, "assign",
              "Puts a device on a patient: what it measures from then on is the patient's. Roles: clinician, admin.");
  auto wear = std::make_shared<WearArguments>();
  assign.add("DEVICE", wear->device, "URN or devices/URN", {.required = true});
  assign.add("PATIENT", wear->patient, "patients/ID, ID or display name", {.required = true});
  assign.add("--from", wear->when, "since when; may lie in the past; none = now", {.type = "TIME"});
  assign.runs(chosen, [wear](Session& session) { return assign_device(session, *wear); });

  Verb release(devices, "release",
               "Takes a device off its patient, whose open alarms of it end. Roles: clinician, admin.");
  auto off = std::make_shared<WearArguments>();
  release.add("DEVICE", off->device, "URN or devices/URN", {.required = true});
  release.add("--at", off->when, "when it was taken off; none = now", {.type = "TIME"});
  release.runs(chosen, [off](Session& session) { return release_device(session, *off); });
}

}  // namespace wardlink::command_line
