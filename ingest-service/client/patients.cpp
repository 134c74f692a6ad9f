// wardlink patients: list, show, create, discharge.

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

template <class List, class Text>
std::string joined(const List& list, Text text) {
  std::string all;
  for (const auto& element : list) all += (all.empty() ? "" : ", ") + text(element);
  return all;
}

std::string identifiers_text(const v1::Patient& patient) {
  return joined(patient.identifiers(), [](const v1::Identifier& i) { return i.system() + "=" + i.value(); });
}

void print_patient(Session& session, const v1::Patient& patient) {
  if (session.json) return print_json(session.out, patient);
  Table table({{"PATIENT"}, {patient.name()}});
  table.add({"called", patient.display_name()});
  table.add({"identifiers", identifiers_text(patient)});
  table.add({"wears", joined(patient.devices(), device_urn)});
  table.add({"ward", patient.ward()});
  table.add({"created", to_text(from_proto(patient.create_time()), session.zone)});
  table.print(session.out);
}

int list_patients(Session& session) {
  const auto stub = v1::PatientService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::PatientService::Stub::ListPatients,
                                 v1::ListPatientsRequest{}, &v1::ListPatientsResponse::mutable_patients, 0,
                                 [&](const v1::ListPatientsResponse& page) {
                                   for (const v1::Patient& patient : page.patients()) take(patient);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "patients");
    const auto count = walk([&](const v1::Patient& patient) { list.add(patient); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  Table table({{"NAME"}, {"CALLED"}, {"IDENTIFIERS"}, {"WEARS"}});
  walk([&](const v1::Patient& patient) {
    table.add(
        {patient.name(), patient.display_name(), identifiers_text(patient), joined(patient.devices(), device_urn)});
  });
  if (table.empty()) {
    session.err << "wardlink: No patient yet: `wardlink patients create NAME` adds one.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

int show_patient(Session& session, const std::string& who) {
  v1::GetPatientRequest request;
  request.set_name(patient_name(session, who));
  const auto stub = v1::PatientService::NewStub(session.connection.channel());
  print_patient(session, session.connection.call(*stub, &v1::PatientService::Stub::GetPatient, request));
  return exit_ok;
}

int create_patient(Session& session, const std::string& name, const std::vector<std::string>& identifiers) {
  v1::CreatePatientRequest request;
  request.mutable_patient()->set_display_name(name);
  for (const std::string& text : identifiers) {
    // The last '=': a system is often a URL, which may have one of its own.
    const auto equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      throw Failure{exit_usage,
                    "--identifier " + text + " must be SYSTEM=VALUE, as in urn:oid:2.16.840.1.113883.4.1=12345."};
    }
    v1::Identifier* identifier = request.mutable_patient()->add_identifiers();
    identifier->set_system(text.substr(0, equals));
    identifier->set_value(text.substr(equals + 1));
  }
  const auto stub = v1::PatientService::NewStub(session.connection.channel());
  print_patient(session, session.connection.call(*stub, &v1::PatientService::Stub::CreatePatient, request));
  return exit_ok;
}

int discharge_patient(Session& session, const std::string& who, const std::string& when) {
  v1::DischargePatientRequest request;
  request.set_name(patient_name(session, who));
  apply_time("--at", when, session.now, [&](auto time) { *request.mutable_discharge_time() = time; });
  const auto stub = v1::PatientService::NewStub(session.connection.channel());
  const auto discharge = session.connection.call(*stub, &v1::PatientService::Stub::DischargePatient, request);
  if (session.json) {
    print_json(session.out, discharge);
    return exit_ok;
  }
  Table table({{"PATIENT"}, {discharge.patient()}});
  table.add({"discharged", to_text(from_proto(discharge.discharge_time()), session.zone)});
  table.add({"by", discharge.discharged_by()});
  table.add({"released",
             joined(discharge.assignments(), [](const v1::Assignment& each) { return device_urn(each.device()); })});
  table.print(session.out);
  return exit_ok;
}

}  // namespace

void add_patients(CLI::App& patients, Command& chosen) {
  Verb list(patients, "list", "Every patient, with the devices worn now.");
  list.runs(chosen, list_patients);

  Verb show(patients, "show", "One patient.");
  auto who = std::make_shared<std::string>();
  show.add("PATIENT", *who, "patients/ID, ID or display name", {.required = true});
  show.runs(chosen, [who](Session& session) { return show_patient(session, *who); });

  Verb create(patients, "create", "Adds a patient; the server draws the ID. Role: admin.");
  auto name = std::make_shared<std::string>();
  auto identifiers = std::make_shared<std::vector<std::string>>();
  create.add("NAME", *name, "what people call the patient; 1 to 200 characters", {.required = true});
  create.add("--identifier", *identifiers, "how another system knows the patient; repeatable",
             {.type = "SYSTEM=VALUE", .single_value = true});
  create.runs(chosen, [name, identifiers](Session& session) { return create_patient(session, *name, *identifiers); });

  Verb discharge(
      patients, "discharge",
      "The patient goes home: takes off all that the patient wears, and ends the patient's open alarms.\nRoles: "
      "clinician, admin.");
  auto home = std::make_shared<std::pair<std::string, std::string>>();
  discharge.add("PATIENT", home->first, "patients/ID, ID or display name", {.required = true});
  discharge.add("--at", home->second, "since when; none = now", {.type = "TIME"});
  discharge.runs(chosen, [home](Session& session) { return discharge_patient(session, home->first, home->second); });
}

}  // namespace wardlink::command_line
