#include "client/references.hpp"

#include <algorithm>
#include <vector>

#include "client/exit_code.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/v1/registry.grpc.pb.h"

namespace wardlink::command_line {
namespace {

constexpr std::string_view devices = "devices/";
constexpr std::string_view patients = "patients/";

bool looks_like_device(const std::string& typed) { return typed.starts_with("urn:") || typed.starts_with(devices); }

[[noreturn]] void fail_ambiguous(const std::string& typed, const std::vector<std::string>& matches) {
  std::string sentence = std::to_string(matches.size()) + " patients are called \"" + typed + "\": name one of";
  for (const std::string& match : matches) sentence += " " + match;
  throw Failure{exit_usage, sentence + "."};
}

}  // namespace

std::string device_name(const std::string& typed) {
  if (!looks_like_device(typed)) {
    throw Failure{exit_usage,
                  "\"" + typed + "\" names no device: give its URN (urn:dev:os:…), see `wardlink devices list`."};
  }
  return typed.starts_with(devices) ? typed : std::string(devices) + typed;
}

std::string device_urn(const std::string& name) {
  return name.starts_with(devices) ? name.substr(devices.size()) : name;
}

std::string patient_name(const Session& session, const std::string& typed) {
  if (typed.starts_with(patients)) return typed;
  const auto stub = v1::PatientService::NewStub(session.connection.channel());
  const std::string as_name = std::string(patients) + typed;
  bool is_id = false;
  std::vector<std::string> matches;
  client::for_each_page(session.connection, *stub, &v1::PatientService::Stub::ListPatients, v1::ListPatientsRequest{},
                        &v1::ListPatientsResponse::mutable_patients, 0, [&](const v1::ListPatientsResponse& page) {
                          for (const v1::Patient& patient : page.patients()) {
                            if (patient.name() == as_name) is_id = true;
                            if (patient.display_name() == typed) matches.push_back(patient.name());
                          }
                        });
  if (is_id) return as_name;
  if (matches.size() > 1) fail_ambiguous(typed, matches);
  if (matches.empty()) {
    throw Failure{exit_nothing, "No patient is called \"" + typed + "\": `wardlink patients list` shows who there is."};
  }
  return matches.front();
}

std::string parent_name(const Session& session, const std::string& typed) {
  if (typed.empty()) return {};
  return looks_like_device(typed) ? device_name(typed) : patient_name(session, typed);
}

}  // namespace wardlink::command_line
