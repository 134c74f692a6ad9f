// wardlink alarms unattributed and settle: what is nobody's, and whose it is on a person's word.

#include <memory>
#include <vector>

#include "client/commands.hpp"
#include "client/exit_code.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/verb.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {
namespace {

struct UnattributedArguments {
  std::string parent;
  std::uint64_t limit = 0;
};

struct SettleArguments {
  std::vector<std::string> names;
  std::string patient;
  bool nobody = false;
};

std::string candidates_text(const v1::UnattributedPeriod& period) {
  std::string text;
  for (const auto& candidate : period.candidates()) {
    if (!text.empty()) text += ", ";
    text += candidate.patient_display_name().empty() ? candidate.patient() : candidate.patient_display_name();
  }
  return text;
}

std::vector<Column> columns_with(const char* last) {
  return {{"FROM"}, {"TO"},  {"SETS", Align::right}, {"WAVEFORMS", Align::right}, {"ALARMS", Align::right},
          {last},   {"NAME"}};
}

std::vector<std::string> row_of(const v1::UnattributedPeriod& period, const std::string& last, Zone zone) {
  return {to_text(from_proto(period.start_time()), zone),
          to_text(from_proto(period.end_time()), zone),
          std::to_string(period.measurement_sets()),
          std::to_string(period.waveform_runs()),
          std::to_string(period.alarms()),
          last,
          period.name()};
}

int list_unattributed(Session& session, const UnattributedArguments& arguments) {
  v1::ListUnattributedRequest request;
  request.set_parent(parent_name(session, arguments.parent));
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::AlarmService::Stub::ListUnattributed, request,
                                 &v1::ListUnattributedResponse::mutable_periods, arguments.limit,
                                 [&](const v1::ListUnattributedResponse& page) {
                                   for (const auto& period : page.periods()) take(period);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "periods");
    const auto count = walk([&](const v1::UnattributedPeriod& period) { list.add(period); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  Table table(columns_with("MAY BE OF"));
  const auto count = walk(
      [&](const v1::UnattributedPeriod& period) { table.add(row_of(period, candidates_text(period), session.zone)); });
  if (count == 0) {
    session.err << "wardlink: Nothing is nobody's.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

int settle(Session& session, const SettleArguments& arguments) {
  if (arguments.patient.empty() != arguments.nobody)
    throw Failure{exit_usage, "Say whose it is: --patient PATIENT, or --nobody where nobody wore the device."};
  v1::SettleRequest request;
  for (const auto& name : arguments.names) request.add_names(alarm_name(name));
  if (!arguments.nobody) request.set_patient(patient_name(session, arguments.patient));
  request.set_nobody(arguments.nobody);
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto response = session.connection.call(*stub, &v1::AlarmService::Stub::Settle, request);
  if (session.json) {
    print_json(session.out, response);
    return exit_ok;
  }
  Table table(columns_with("SETTLED AS"));
  const auto whose = arguments.nobody ? std::string("nobody's") : arguments.patient;
  for (const auto& period : response.periods()) table.add(row_of(period, whose, session.zone));
  table.print(session.out);
  return exit_ok;
}

}  // namespace

void add_unattributed(CLI::App& alarms, Command& chosen) {
  Verb list(alarms, "unattributed",
            "What is nobody's, readings and waveforms too: as the device's clock is known, it may be of more than one "
            "patient.\nNAME is for `alarms settle`.");
  auto arguments = std::make_shared<UnattributedArguments>();
  list.add("WHO", arguments->parent, "DEVICE, or PATIENT whose it may be; none = all");
  list.add("--limit", arguments->limit, "stop after so many; 0 = all", {.type = "N", .shows_default = true});
  list.runs(chosen, [arguments](Session& session) { return list_unattributed(session, *arguments); });

  Verb verb(
      alarms, "settle",
      "Says whose that is, on your word: all or none. Refused for who did not wear the device about then. A better "
      "reading\nof the device's clock, or a corrected assignment, counts more; of several words the last counts.");
  auto settled = std::make_shared<SettleArguments>();
  verb.add("NAME", settled->names, "devices/URN/unattributed/ID, as `alarms unattributed` prints it",
           {.required = true});
  verb.add("--patient", settled->patient, "whose it is: a name or an id", {.type = "PATIENT"});
  verb.add("--nobody", settled->nobody, "nobody wore the device");
  verb.runs(chosen, [settled](Session& session) { return settle(session, *settled); });
}

}  // namespace wardlink::command_line
