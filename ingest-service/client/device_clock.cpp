// wardlink devices clock: what is known of a device's clock.

#include <cstdlib>
#include <memory>

#include "client/clock_text.hpp"
#include "client/commands.hpp"
#include "client/exit_code.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/verb.hpp"
#include "wardlink/v1/registry.grpc.pb.h"

namespace wardlink::command_line {
namespace {

constexpr int printed_starts = 5;  // of those of a day

/// 0.013s, 3s, -3600s: to the millisecond.
std::string seconds_text(const google::protobuf::Duration& duration) {
  const auto ms = duration.seconds() * 1000 + duration.nanos() / 1'000'000;
  auto text = (ms < 0 ? "-" : "") + std::to_string(std::abs(ms / 1000));
  if (const auto rest = std::abs(ms % 1000)) {
    text += "." + std::to_string(1000 + rest).substr(1);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "s";
}

/// Never less than it is.
std::string within_text(const google::protobuf::Duration& duration) {
  auto up = duration;
  up.set_nanos(duration.nanos() + 999'999);
  return "+/-" + seconds_text(up);
}

std::string day_text(const v1::DeviceClock& clock, Zone zone) {
  auto text = std::to_string(clock.starts_in_day());
  for (int i = 0; i < clock.start_times_size() && i < printed_starts; ++i)
    text += (i == 0 ? ": " : ", ") + to_text(from_proto(clock.start_times(i)), zone);
  return text + (clock.starts_in_day() > printed_starts ? ", …" : "");
}

/// How it is known: "present", "never dated", "believed", …; empty of an earlier start that is known well.
std::string standing_text(const v1::StartClock& start, bool present) {
  std::string text = present ? "present" : "";
  const auto add = [&](const char* word) { text += (text.empty() ? "" : ", ") + std::string(word); };
  if (start.never_dated()) add("never dated");
  if (start.believed()) add("believed as before the upgrade");
  if (start.ordinal() == 0 && start.has_registered_at()) add("registered late");
  return text;
}

std::vector<std::string> row_of(const v1::StartClock& start, bool present, Zone zone) {
  const bool read = start.has_read_at();
  return {std::to_string(start.boot()),
          start.ordinal() == 0 ? "" : std::to_string(start.ordinal()),
          start.has_registered_at() ? to_text(from_proto(start.registered_at()), zone, 3) : "",
          std::to_string(start.readings()),
          read ? to_text(from_proto(start.read_at()), zone, 3) : "",
          read ? std::to_string(start.tick_ms()) : "",
          read ? to_text(from_proto(start.anchor()), zone, 3) : "",
          read ? within_text(start.uncertainty()) : "",
          standing_text(start, present)};
}

void add_steps(Table& table, const v1::StartClock& start, Zone zone) {
  for (const auto& step : start.steps())
    table.add({std::to_string(start.boot()), to_text(from_proto(step.from_time()), zone, 3),
               (step.by().seconds() < 0 || step.by().nanos() < 0 ? "" : "+") + seconds_text(step.by()),
               step.cause() == v1::ClockStep::CLOCK_READ     ? "its clock was read, and stood elsewhere"
               : step.cause() == v1::ClockStep::CALENDAR_SET ? "the database's calendar was set"
                                                             : "unknown"});
  if (start.more_steps()) table.add({std::to_string(start.boot()), "", "", "earlier ones are not shown"});
}

void print(Session& session, const v1::DeviceClock& clock) {
  Table summary({{"DEVICE"}, {device_urn(clock.device())}});
  summary.add({"measured now", clock.has_uncertainty() ? within_text(clock.uncertainty()) : "of an unknown clock"});
  summary.add({"starts in 24 h", day_text(clock, session.zone)});
  summary.print(session.out);

  Table starts({{"BOOT", Align::right},
                {"ORDINAL", Align::right},
                {"REGISTERED"},
                {"READ", Align::right},
                {"LAST"},
                {"TICK", Align::right},
                {"TICK 0"},
                {"WITHIN", Align::right},
                {"CLOCK"}});
  Table steps({{"BOOT", Align::right}, {"FROM"}, {"BY", Align::right}, {"AS"}});
  for (const auto* list : {&clock.starts(), &clock.unplaced_starts()}) {
    for (const auto& start : *list) {
      starts.add(row_of(start, list == &clock.starts() && &start == &clock.starts(0), session.zone));
      add_steps(steps, start, session.zone);
    }
  }
  session.out << "\n";
  starts.print(session.out);
  if (clock.more_starts()) session.out << "and earlier ones\n";
  if (steps.empty()) return;
  session.out << "\n";
  steps.print(session.out);
}

int show_clock(Session& session, const std::string& device) {
  v1::GetDeviceClockRequest request;
  request.set_device(device_name(device));
  const auto stub = v1::DeviceService::NewStub(session.connection.channel());
  const auto clock = session.connection.call(*stub, &v1::DeviceService::Stub::GetDeviceClock, request);
  const bool nothing = clock.starts().empty() && clock.unplaced_starts().empty();
  if (session.json) {
    print_json(session.out, clock);
  } else if (nothing) {
    session.err << "wardlink: " << device_urn(clock.device())
                << " has not started yet: nothing is known of its clock.\n";
  } else {
    print(session, clock);
  }
  return nothing ? exit_nothing : exit_ok;
}

}  // namespace

void add_device_clock(CLI::App& devices, Command& chosen) {
  Verb verb(
      devices, "clock",
      "What is known of a device's clock: what the instant of a value may be wrong by that it measures now, how "
      "often it\nstarted, and of its present start (first) and those before: when it registered, how often its "
      "clock was READ, and of\nthe LAST time where it stood (TICK, milliseconds), when its TICK 0 was by that, and "
      "how well that is known (WITHIN:\nhalf of the round trip). Then what moved it since: a reading that found it "
      "elsewhere (the device slept, or its clock\nruns wrong), or somebody who set the database's calendar. Never "
      "dated: only alarms that it left to a later start\ntell of it, and whose they are is not known.");
  auto device = std::make_shared<std::string>();
  verb.add("DEVICE", *device, "URN or devices/URN", {.required = true});
  verb.runs(chosen, [device](Session& session) { return show_clock(session, *device); });
}

}  // namespace wardlink::command_line
