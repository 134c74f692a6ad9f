#include "client/run.hpp"

#include <CLI/CLI.hpp>

#include "client/commands.hpp"
#include "client/connection_arguments.hpp"
#include "client/exit_code.hpp"
#include "client/session.hpp"

namespace wardlink::command_line {
namespace {

constexpr auto about =
    "Asks a Wardlink server for vital signs and alarms, and keeps its patients and devices.\n"
    "\n"
    "  wardlink vitals latest                      who is how, right now\n"
    "  wardlink vitals watch                       what happens, as it happens\n"
    "  wardlink vitals history \"Bed 1\" --from -1h  what was measured in the last hour\n"
    "  wardlink waveform \"Bed 1\" ecg --seconds 10  the last ten seconds of the ECG\n"
    "  wardlink alarms list --open                 what is alarming\n";

constexpr auto after =
    "PATIENT is patients/ID, an ID, or a display name that one patient has; DEVICE is a URN or devices/URN.\n"
    "TIME is RFC 3339 (2026-03-01T12:00:00Z; without a zone: local time), now, or how long ago: -90s, -1h30m, -2d.\n"
    "--json prints the response in protobuf's JSON; where a list takes several pages, they become one object.\n"
    "\n"
    "Exit codes: 0 done; 1 nothing matched, or reconcile found a difference; 2 the command line makes no sense;\n"
    "3 the server refused; 4 no server, no TLS with it, or no answer in time; 5 a file cannot be read or written.\n";

struct Arguments {
  ConnectionArguments connection;
  bool json = false;
  bool utc = false;
  Command command;
};

void add_connection(CLI::App& app, ConnectionArguments& arguments) {
  const char* group = "Connection";
  app.add_option("--server", arguments.server, "the server's gRPC port, HOST:PORT")
      ->envname("WARDLINK_SERVER")
      ->capture_default_str()
      ->group(group);
  app.add_option("--cert", arguments.certificate_file, "the client's certificate, PEM; its SAN URI is the subject")
      ->envname("WARDLINK_CERT")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--key", arguments.key_file, "the certificate's private key, PEM")
      ->envname("WARDLINK_KEY")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--ca", arguments.authority_file, "the authority that signed the server's certificate, PEM")
      ->envname("WARDLINK_CA")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--timeout", arguments.timeout_seconds, "seconds that each call may take")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str()
      ->group(group);
}

CLI::App* add_noun(CLI::App& app, const char* name, const char* what) {
  CLI::App* noun = app.add_subcommand(name, what);
  noun->require_subcommand(1);
  noun->fallthrough();
  return noun;
}

void declare(CLI::App& app, Arguments& arguments) {
  app.footer(after);
  app.set_version_flag("--version", "wardlink " WARDLINK_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  add_connection(app, arguments.connection);
  app.add_flag("--json", arguments.json, "print protobuf JSON instead of tables");
  app.add_flag("--utc", arguments.utc, "print times in UTC instead of the local zone");

  CLI::App* vitals = add_noun(app, "vitals", "vital signs: latest, watch, history, aggregate");
  add_latest(*vitals, arguments.command);
  add_vitals_watch(*vitals, arguments.command);
  add_history(*vitals, arguments.command);
  add_aggregate(*vitals, arguments.command);
  add_waveform(app, arguments.command);
  CLI::App* alarms = add_noun(app, "alarms", "alarm conditions: list, watch, ack, close; what is nobody's: unattributed, settle");
  add_alarms(*alarms, arguments.command);
  add_alarms_watch(*alarms, arguments.command);
  add_acknowledge(*alarms, arguments.command);
  add_close(*alarms, arguments.command);
  add_unattributed(*alarms, arguments.command);
  add_quarantine(*add_noun(app, "quarantine", "what could not be taken as a record: list"), arguments.command);
  add_patients(*add_noun(app, "patients", "who is watched: list, show, create, discharge"), arguments.command);
  CLI::App* devices = add_noun(app, "devices", "wearables: list, create, assign, release, reconcile");
  add_devices(*devices, arguments.command);
  add_device_clock(*devices, arguments.command);
  add_reconcile(*devices, arguments.command);
}

}  // namespace

int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err, Instant now) {
  Arguments arguments;
  CLI::App app(about, "wardlink");
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? exit_ok : exit_usage;
  }
  const auto fail = [&](const Failure& failure) {
    out.flush();
    err << "wardlink: " << failure.sentence << "\n";
    return failure.code;
  };
  try {
    client::Connection connection(to_options(arguments.connection));
    Session session{connection, out, err, arguments.json, arguments.utc ? Zone::utc : Zone::local, now};
    const int code = arguments.command(session);
    out.flush();
    if (!out) throw Failure{exit_file, "The output cannot be written: is the disk full?"};
    return code;
  } catch (const Failure& failure) {
    return fail(failure);
  } catch (const client::Error& error) {
    return fail(failure_of(error, arguments.connection));
  }
}

}  // namespace wardlink::command_line
