// wardlink alarms close: a person ends what no device will end.

#include <memory>
#include <vector>

#include "client/alarm_text.hpp"
#include "client/commands.hpp"
#include "client/exit_code.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/verb.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {
namespace {

struct CloseArguments {
  std::vector<std::string> names;
  std::string reason;
};

int close(Session& session, const CloseArguments& arguments) {
  v1::CloseAlarmsRequest request;
  for (const auto& name : arguments.names) request.add_names(alarm_name(name));
  request.set_reason(arguments.reason);
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto response = session.connection.call(*stub, &v1::AlarmService::Stub::CloseAlarms, request);
  if (session.json) {
    print_json(session.out, response);
    return exit_ok;
  }
  Table table({{"END"}, {"ENDED BY"}, {"STATE"}, {"CODE"}, {"PATIENT"}, {"DEVICE"}});
  for (const auto& alarm : response.alarms()) {
    table.add({to_text(from_proto(alarm.end_time()), session.zone), end_text(alarm), state_text(alarm), alarm.code(),
               alarm.patient_display_name().empty() ? alarm.patient() : alarm.patient_display_name(),
               device_urn(alarm.device())});
  }
  table.print(session.out);
  return exit_ok;
}

}  // namespace

void add_close(CLI::App& alarms, Command& chosen) {
  Verb verb(
      alarms, "close",
      "Ends alarms that no device will end, on your word: all or none. Refused where somebody wears the device and "
      "its\nnewest start asserts the alarm: release the device, and it ends. Closed is not seen: `alarms ack` says "
      "that.");
  auto arguments = std::make_shared<CloseArguments>();
  verb.add("NAME", arguments->names, "devices/URN/alarms/ID, as `alarms list` and `alarms watch` print it",
           {.required = true});
  verb.add("--reason", arguments->reason, "why, in your words; 1 to 200 characters",
           {.type = "TEXT", .required = true});
  verb.runs(chosen, [arguments](Session& session) { return close(session, *arguments); });
}

}  // namespace wardlink::command_line
