// wardlink vitals watch, wardlink alarms watch: what happens, as it happens.

#include <memory>

#include "client/commands.hpp"
#include "client/json.hpp"
#include "client/live_stream.hpp"
#include "client/live_text.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/verb.hpp"

namespace wardlink::command_line {
namespace {

struct WatchArguments {
  std::string parent, cursor;
  bool waveforms = false;
};

int watch(Session& session, const WatchArguments& arguments, client::WatchOptions::Service service) {
  const bool is_ward = arguments.parent.starts_with("wards/");
  client::WatchOptions options;
  options.service = service;
  options.parent = is_ward ? arguments.parent : parent_name(session, arguments.parent);
  options.cursor = arguments.cursor;
  options.waveforms = arguments.waveforms;
  return follow(session, std::move(options), [&](const v1::WatchResponse& response) {
    if (session.json) return print_json_line(session.out, response);
    const auto line = line_of(response, session.zone);
    if (!line.empty()) session.out << line << '\n' << std::flush;
  });
}

void add_watch(CLI::App& noun, Command& chosen, client::WatchOptions::Service service, const char* what) {
  Verb verb(
      noun, "watch", what,
      "A line for each event; with --json a line for each response, heartbeats too, each with its cursor. "
      "When the server\n"
      "goes away the stream goes on by itself once it is back. Ctrl-C ends it and prints the cursor to go on from.\n");
  auto arguments = std::make_shared<WatchArguments>();
  verb.add("WHO", arguments->parent, "PATIENT, DEVICE or wards/ID; none = everybody");
  verb.add("--cursor", arguments->cursor, "go on behind this one, missing nothing; none = from now on",
           {.type = "CURSOR"});
  if (service == client::WatchOptions::Service::vitals) {
    verb.add("--waveforms", arguments->waveforms, "waveform runs too; their samples with --json");
  }
  verb.runs(chosen, [arguments, service](Session& session) { return watch(session, *arguments, service); });
}

}  // namespace

void add_vitals_watch(CLI::App& vitals, Command& chosen) {
  add_watch(vitals, chosen, client::WatchOptions::Service::vitals,
            "Vital signs, alarms and who wears what, as they are stored: first how things stand.");
}

void add_alarms_watch(CLI::App& alarms, Command& chosen) {
  add_watch(alarms, chosen, client::WatchOptions::Service::alarms,
            "Alarms raised, ended and acknowledged, as it happens: first those that are open.");
}

}  // namespace wardlink::command_line
