// wardlink alarms list: alarm conditions, newest onset first.

#include <memory>

#include "client/alarm_text.hpp"
#include "client/clock_text.hpp"
#include "client/commands.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/time_option.hpp"
#include "client/verb.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {
namespace {

struct AlarmArguments {
  std::string parent;
  bool open = false, in_sight = false, system = false;
  std::string from, to;
  std::uint64_t limit = 0;
};

std::vector<std::string> row_of(const v1::Alarm& alarm, Zone zone) {
  return {(alarm.has_start_time() ? to_text(from_proto(alarm.start_time()), zone) : "unknown") + clock_mark(alarm),
          alarm.has_end_time() ? to_text(from_proto(alarm.end_time()), zone) : "open",
          end_text(alarm),
          state_text(alarm),
          priority_text(alarm.priority()),
          kind_text(alarm.kind()),
          alarm.code(),
          alarm.sign(),
          alarm.has_value() ? number_text(alarm.value()) : "",
          alarm.has_limit() ? number_text(alarm.limit()) : "",
          alarm.unattributed()
              ? unattributed_text
              : (alarm.patient_display_name().empty() ? alarm.patient() : alarm.patient_display_name()),
          device_urn(alarm.device()),
          alarm.name()};
}

int list_system_alarms(Session& session, const AlarmArguments& arguments) {
  if (!arguments.parent.empty() || !arguments.from.empty() || !arguments.to.empty() || arguments.in_sight) {
    throw Failure{exit_usage, "--system takes --open and --limit only: these are nobody's alarms."};
  }
  v1::ListSystemAlarmsRequest request;
  request.set_open_only(arguments.open);
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::AlarmService::Stub::ListSystemAlarms, request,
                                 &v1::ListSystemAlarmsResponse::mutable_system_alarms, arguments.limit,
                                 [&](const v1::ListSystemAlarmsResponse& page) {
                                   for (const v1::SystemAlarm& alarm : page.system_alarms()) take(alarm);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "systemAlarms");
    const auto count = walk([&](const v1::SystemAlarm& alarm) { list.add(alarm); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  Table table({{"ONSET"}, {"END"}, {"PRIORITY"}, {"CODE"}, {"SUBJECT"}, {"WHAT"}, {"SEEN BY"}});
  const auto count = walk([&](const v1::SystemAlarm& alarm) {
    table.add({to_text(from_proto(alarm.start_time()), session.zone),
               alarm.has_end_time() ? to_text(from_proto(alarm.end_time()), session.zone) : "open",
               priority_text(alarm.priority()), alarm.code(), alarm.subject(), alarm.detail(), alarm.source()});
  });
  if (count == 0) {
    session.err << "wardlink: No system alarm matches.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

int list_alarms(Session& session, const AlarmArguments& arguments) {
  v1::ListAlarmsRequest request;
  request.set_parent(parent_name(session, arguments.parent));
  request.set_open_only(arguments.open);
  if (arguments.in_sight)
    for (const auto state : {v1::ALARM_STATE_RAISED, v1::ALARM_STATE_ENDED, v1::ALARM_STATE_ACKNOWLEDGED})
      request.add_states(state);
  apply_time("--from", arguments.from, session.now, [&](auto time) { *request.mutable_start_time() = time; });
  apply_time("--to", arguments.to, session.now, [&](auto time) { *request.mutable_end_time() = time; });
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::AlarmService::Stub::ListAlarms, request,
                                 &v1::ListAlarmsResponse::mutable_alarms, arguments.limit,
                                 [&](const v1::ListAlarmsResponse& page) {
                                   for (const v1::Alarm& alarm : page.alarms()) take(alarm);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "alarms");
    const auto count = walk([&](const v1::Alarm& alarm) { list.add(alarm); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  Table table({{"ONSET"},
               {"END"},
               {"ENDED BY"},
               {"STATE"},
               {"PRIORITY"},
               {"KIND"},
               {"CODE"},
               {"SIGN"},
               {"VALUE", Align::right},
               {"LIMIT", Align::right},
               {"PATIENT"},
               {"DEVICE"},
               {"NAME"}});
  const auto count = walk([&](const v1::Alarm& alarm) { table.add(row_of(alarm, session.zone)); });
  if (count == 0) {
    session.err << "wardlink: No alarm matches.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

}  // namespace

void add_alarms(CLI::App& alarms, Command& chosen) {
  Verb verb(
      alarms, "list",
      "Alarm conditions, newest onset first. STATE says who has acknowledged it; VALUE is the sign's at onset, LIMIT "
      "the\none in force; ENDED BY how it ended, and on whose word. `alarms ack` and `alarms close` take the NAME.\n"
      "An ONSET with `clock` is when it was received: the device said that it was later; with +/-3s it may be so much "
      "off.\n"
      "PATIENT is `unattributed` where, as the device's clock is known, it may be of more than one wearer.");
  auto arguments = std::make_shared<AlarmArguments>();
  verb.add("WHO", arguments->parent, "PATIENT or DEVICE; none = everybody");
  verb.add("--open", arguments->open, "only those that have not ended, acknowledged or not");
  verb.add("--in-sight", arguments->in_sight, "only those that have not ended, or that nobody has acknowledged");
  verb.add("--system", arguments->system, "what is wrong with the system itself, instead of patients' alarms");
  verb.add("--from", arguments->from, "begun then or later", {.type = "TIME"});
  verb.add("--to", arguments->to, "begun before then", {.type = "TIME"});
  verb.add("--limit", arguments->limit, "stop after so many; 0 = all", {.type = "N", .shows_default = true});
  verb.runs(chosen, [arguments](Session& session) {
    return arguments->system ? list_system_alarms(session, *arguments) : list_alarms(session, *arguments);
  });
}

}  // namespace wardlink::command_line
