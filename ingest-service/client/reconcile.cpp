// wardlink devices reconcile: the devices' own audit books against what the server gives back.

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "client/commands.hpp"
#include "client/exit_code.hpp"
#include "client/reconciliation.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/table.hpp"
#include "client/verb.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {
namespace {

ReconciliationResult reconcile_device(Session& session, const std::string& device, const DeviceJournal& journal) {
  Reconciliation reconciliation(device, journal);
  const auto vitals = v1::VitalsService::NewStub(session.connection.channel());
  v1::ListReadingsRequest readings;
  readings.set_parent(device_name(device));
  client::for_each_page(session.connection, *vitals, &v1::VitalsService::Stub::ListReadings, readings,
                        &v1::ListReadingsResponse::mutable_measurement_sets, 0,
                        [&](const v1::ListReadingsResponse& page) {
                          for (const auto& set : page.measurement_sets()) reconciliation.stored(set);
                        });
  const auto alarms = v1::AlarmService::NewStub(session.connection.channel());
  v1::ListAlarmsRequest request;
  request.set_parent(device_name(device));
  client::for_each_page(session.connection, *alarms, &v1::AlarmService::Stub::ListAlarms, request,
                        &v1::ListAlarmsResponse::mutable_alarms, 0, [&](const v1::ListAlarmsResponse& page) {
                          for (const auto& alarm : page.alarms()) reconciliation.stored(alarm);
                        });
  return reconciliation.finish();
}

void add_row(Table& table, const char* what, const Tally& tally) {
  table.add({what, std::to_string(tally.generated), std::to_string(tally.stored), std::to_string(tally.missing),
             std::to_string(tally.extra), std::to_string(tally.differing)});
}

void print_table(Session& session, const ReconciliationResult& result, std::size_t devices) {
  session.out << devices << (devices == 1 ? " device: " : " devices: ")
              << (result.agrees() ? "what they generated is what is stored.\n"
                                  : "what is stored is NOT what they generated.\n");
  Table table({{""},
               {"GENERATED", Align::right},
               {"STORED", Align::right},
               {"MISSING", Align::right},
               {"EXTRA", Align::right},
               {"DIFFERING", Align::right}});
  add_row(table, "measurement sets", result.sets);
  add_row(table, "values", result.values);
  add_row(table, "alarms", result.alarms);
  add_row(table, "alarm ends", result.alarm_ends);
  table.print(session.out);
  for (const std::string& difference : result.differences) session.out << difference << '\n';
  if (result.differences.size() == ReconciliationResult::most_differences) session.out << "… and perhaps more.\n";
}

nlohmann::ordered_json to_json(const Tally& tally) {
  return {{"generated", tally.generated},
          {"stored", tally.stored},
          {"missing", tally.missing},
          {"extra", tally.extra},
          {"differing", tally.differing}};
}

void print_json_result(Session& session, const ReconciliationResult& result, std::size_t devices) {
  const nlohmann::ordered_json object{{"agrees", result.agrees()},
                                      {"devices", devices},
                                      {"sets", to_json(result.sets)},
                                      {"values", to_json(result.values)},
                                      {"alarms", to_json(result.alarms)},
                                      {"alarmEnds", to_json(result.alarm_ends)},
                                      {"acknowledgedMissing", result.acknowledged_missing},
                                      {"differences", result.differences}};
  session.out << object.dump(1) << '\n';
}

int reconcile(Session& session, const std::vector<std::string>& files) {
  std::map<std::string, DeviceJournal> journals;
  for (const std::string& file : files) read_journal(file, journals);
  ReconciliationResult total;
  for (const auto& [device, journal] : journals) {
    try {
      total.add(reconcile_device(session, device, journal));
    } catch (const client::Error& error) {
      if (error.code() != grpc::StatusCode::NOT_FOUND) throw;
      total.add(Reconciliation(device, journal).finish());  // the server has never heard of it
    }
    if (journal.torn_lines > 0) {
      session.err << "wardlink: The journal of " << device << " has " << journal.torn_lines
                  << " line(s) cut short: what they told is not counted.\n";
    }
  }
  if (session.json) {
    print_json_result(session, total, journals.size());
  } else {
    print_table(session, total, journals.size());
  }
  return total.agrees() ? exit_ok : exit_nothing;
}

}  // namespace

void add_reconcile(CLI::App& devices, Command& chosen) {
  Verb verb(devices, "reconcile",
            "Compares the devices' own audit books with what is stored, record by record and value by value (as IEEE "
            "doubles).\n"
            "MISSING: generated, not stored. EXTRA: stored, not generated. DIFFERING: stored with other content.\n"
            "--json prints an object of its own. Exit code 1 when they do not agree.");
  auto files = std::make_shared<std::vector<std::string>>();
  verb.add("JOURNAL", *files, "files that the device SDK's audit book wrote", {.type = "FILE …", .required = true});
  verb.runs(chosen, [files](Session& session) { return reconcile(session, *files); });
}

}  // namespace wardlink::command_line
