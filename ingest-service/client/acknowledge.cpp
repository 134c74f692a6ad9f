// wardlink alarms ack: somebody has seen them.

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

int acknowledge(Session& session, const std::vector<std::string>& names) {
  v1::AcknowledgeRequest request;
  for (const auto& name : names) request.add_names(alarm_name(name));
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto response = session.connection.call(*stub, &v1::AlarmService::Stub::Acknowledge, request);
  const auto others = response.acknowledged_by_others_size();
  const auto code = others > 0 && others == response.alarms_size() ? exit_nothing : exit_ok;
  if (session.json) {
    print_json(session.out, response);
    return code;
  }
  Table table({{"ACKNOWLEDGED"}, {"BY"}, {"STATE"}, {"CODE"}, {"PATIENT"}, {"DEVICE"}});
  for (const auto& alarm : response.alarms()) {
    table.add({to_text(from_proto(alarm.acknowledge_time()), session.zone), alarm.acknowledged_by(),
               state_text(alarm.state()), alarm.code(),
               alarm.patient_display_name().empty() ? alarm.patient() : alarm.patient_display_name(),
               device_urn(alarm.device())});
  }
  table.print(session.out);
  if (others > 0)
    session.err << "wardlink: Somebody else had acknowledged " << others << " of " << response.alarms_size()
                << " before: that stays, and of you nothing was noted there.\n";
  return code;
}

}  // namespace

void add_acknowledge(CLI::App& alarms, Command& chosen) {
  Verb verb(alarms, "ack",
            "Says that you have seen these alarms. Who you are, the certificate says; the first to say so stands.");
  auto names = std::make_shared<std::vector<std::string>>();
  verb.add("NAME", *names, "devices/URN/alarms/ID, as `alarms list` and `alarms watch` print it", {.required = true});
  verb.runs(chosen, [names](Session& session) { return acknowledge(session, *names); });
}

}  // namespace wardlink::command_line
