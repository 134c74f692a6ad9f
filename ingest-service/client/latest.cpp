// wardlink vitals latest: a line for each wearer, a pair of columns (value, age) for each sign that anybody has.

#include <algorithm>
#include <functional>
#include <memory>
#include <tuple>
#include <vector>

#include "client/clock_text.hpp"
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

struct SignColumn {
  std::string sign;
  std::string unit;
};

/// In the order in which the server first names them, which is the catalogue's for anybody who has them all; so the
/// wearer with the most signs leads.
std::vector<SignColumn> sign_columns(const v1::GetLatestResponse& response) {
  std::vector<const v1::LatestVitals*> by_richness;
  for (const v1::LatestVitals& vitals : response.vitals()) by_richness.push_back(&vitals);
  std::stable_sort(by_richness.begin(), by_richness.end(),
                   [](const auto* a, const auto* b) { return a->signs_size() > b->signs_size(); });
  std::vector<SignColumn> columns;
  for (const v1::LatestVitals* vitals : by_richness) {
    for (const v1::LatestSign& sign : vitals->signs()) {
      const bool known =
          std::any_of(columns.begin(), columns.end(), [&](const auto& c) { return c.sign == sign.sign(); });
      if (!known) columns.push_back({sign.sign(), sign.unit()});
    }
  }
  return columns;
}

std::string alarms_text(const v1::LatestVitals& vitals, Instant now) {
  std::string text;
  for (const v1::Alarm& alarm : vitals.alarms()) {
    if (!text.empty()) text += ", ";
    text += alarm.code();
    if (alarm.has_start_time()) text += " " + age_text(from_proto(alarm.start_time()), now);
    if (!alarm.acknowledged_by().empty()) text += " (acknowledged by " + alarm.acknowledged_by() + ")";
  }
  const auto unnamed = static_cast<int>(vitals.open_alarms()) - vitals.alarms_size();
  if (unnamed > 0) text += (text.empty() ? "" : " and ") + std::to_string(unnamed) + " more";
  return text;
}

std::vector<std::string> row_of(const v1::LatestVitals& vitals, const std::vector<SignColumn>& columns, Instant now) {
  std::vector<std::string> row{vitals.patient_display_name().empty() ? vitals.patient() : vitals.patient_display_name(),
                               device_urn(vitals.device())};
  for (const SignColumn& column : columns) {
    const auto& signs = vitals.signs();
    const auto sign = std::find_if(signs.begin(), signs.end(), [&](const auto& s) { return s.sign() == column.sign; });
    const bool measured = sign != signs.end();
    row.push_back(measured ? number_text(sign->value()) + (sign->implausible() ? "?" : "") : "");
    row.push_back(measured ? age_text(from_proto(sign->measured_at()), now) + clock_mark(*sign) + stale_mark(*sign)
                           : "");
  }
  row.push_back(vitals.has_last_received_at() ? age_text(from_proto(vitals.last_received_at()), now) : "");
  row.push_back(alarms_text(vitals, now));
  return row;
}

void print_table(Session& session, const v1::GetLatestResponse& response) {
  const auto signs = sign_columns(response);
  std::vector<Column> columns{{"PATIENT"}, {"DEVICE"}};
  for (const SignColumn& sign : signs) {
    columns.push_back({sign.sign + " [" + sign.unit + "]", Align::right});
    columns.push_back({"age", Align::right});
  }
  columns.push_back({"HEARD", Align::right});
  columns.push_back({"OPEN ALARMS"});
  Table table(std::move(columns));
  for (const v1::LatestVitals& vitals : response.vitals())
    table.add(row_of(vitals, signs, vitals.has_read_time() ? from_proto(vitals.read_time()) : session.now));
  table.print(session.out);
}

/// Of all pages: patients by name, then devices that nobody wears.
v1::GetLatestResponse everybody(Session& session, const v1::GetLatestRequest& request) {
  const auto stub = v1::VitalsService::NewStub(session.connection.channel());
  v1::GetLatestResponse all;
  client::for_each_page(session.connection, *stub, &v1::VitalsService::Stub::GetLatest, request,
                        &v1::GetLatestResponse::mutable_vitals, 0,
                        [&](const v1::GetLatestResponse& page) { all.mutable_vitals()->MergeFrom(page.vitals()); });
  std::stable_sort(all.mutable_vitals()->pointer_begin(), all.mutable_vitals()->pointer_end(),
                   [](const v1::LatestVitals* a, const v1::LatestVitals* b) {
                     const auto key = [](const v1::LatestVitals& row) {
                       return std::make_tuple(row.patient().empty(), std::cref(row.patient_display_name()),
                                              std::cref(row.patient()), std::cref(row.device()));
                     };
                     return key(*a) < key(*b);
                   });
  return all;
}

int show_latest(Session& session, const std::string& parent) {
  v1::GetLatestRequest request;
  request.set_parent(parent_name(session, parent));
  const auto response = everybody(session, request);
  if (session.json) {
    print_json(session.out, response);
  } else if (response.vitals_size() > 0) {
    print_table(session, response);
  } else {
    session.err << "wardlink: No vitals yet: no device has been heard of.\n";
  }
  return response.vitals_size() > 0 ? exit_ok : exit_nothing;
}

}  // namespace

void add_latest(CLI::App& vitals, Command& chosen) {
  Verb verb(
      vitals, "latest",
      "The newest value of every sign with its age: patients first, then devices that nobody wears. A value with\n"
      "'?' is outside what is plausible. Behind the age: +/-3s where it is known to more than a second only, clock "
      "where\n"
      "the device said that it was measured after it was received, stale where it is too old to be how somebody is "
      "now.\n"
      "HEARD: how long ago the device last got through. OPEN ALARMS: those that have not ended, acknowledged or not;\n"
      "`alarms list --in-sight` has those too that ended before anybody saw.");
  auto parent = std::make_shared<std::string>();
  verb.add("WHO", *parent, "PATIENT or DEVICE; none = everybody");
  verb.runs(chosen, [parent](Session& session) { return show_latest(session, *parent); });
}

}  // namespace wardlink::command_line
