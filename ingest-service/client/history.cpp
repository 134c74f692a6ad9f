// wardlink vitals history: the measurement sets of one patient or device, page by page.

#include <algorithm>
#include <memory>
#include <vector>

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

struct HistoryArguments {
  std::string parent;
  std::vector<std::string> signs;
  std::string from, to;
  std::uint64_t limit = 0;
};

v1::ListReadingsRequest request_of(Session& session, const HistoryArguments& arguments) {
  v1::ListReadingsRequest request;
  request.set_parent(parent_name(session, arguments.parent));
  for (const std::string& sign : arguments.signs) request.add_signs(sign);
  apply_time("--from", arguments.from, session.now, [&](auto time) { *request.mutable_start_time() = time; });
  apply_time("--to", arguments.to, session.now, [&](auto time) { *request.mutable_end_time() = time; });
  return request;
}

/// Prints pages under one heading for as long as no sign turns up that the heading lacks.
class HistoryTable {
 public:
  explicit HistoryTable(Session& session) : session_(session) {}

  void print(const v1::ListReadingsResponse& page) {
    if (page.measurement_sets().empty()) return;
    if (learn_signs(page) && !first_) session_.out << '\n';
    first_ = false;
    Table table(columns());
    for (const v1::MeasurementSet& set : page.measurement_sets()) table.add(row_of(set));
    table.print(session_.out);
  }

 private:
  struct SignColumn {
    std::string sign, unit;
  };

  bool learn_signs(const v1::ListReadingsResponse& page) {
    bool learned = false;
    for (const v1::MeasurementSet& set : page.measurement_sets()) {
      for (const v1::Reading& reading : set.readings()) {
        if (std::any_of(signs_.begin(), signs_.end(), [&](const auto& s) { return s.sign == reading.sign(); }))
          continue;
        signs_.push_back({reading.sign(), reading.unit()});
        learned = true;
      }
    }
    return learned;
  }

  std::vector<Column> columns() const {
    std::vector<Column> columns{{"MEASURED"}, {"DEVICE"}, {"SEQUENCE", Align::right}};
    for (const SignColumn& column : signs_) columns.push_back({column.sign + " [" + column.unit + "]", Align::right});
    return columns;
  }

  std::vector<std::string> row_of(const v1::MeasurementSet& set) const {
    std::vector<std::string> row{to_text(from_proto(set.measured_at()), session_.zone, 3) + clock_mark(set),
                                 device_urn(set.device()), std::to_string(set.sequence())};
    for (const SignColumn& column : signs_) {
      const auto& all = set.readings();
      const auto reading = std::find_if(all.begin(), all.end(), [&](const auto& r) { return r.sign() == column.sign; });
      row.push_back(reading == all.end() ? "" : number_text(reading->value()) + (reading->implausible() ? "?" : ""));
    }
    return row;
  }

  Session& session_;
  std::vector<SignColumn> signs_;
  bool first_ = true;
};

int show_history(Session& session, const HistoryArguments& arguments) {
  const auto request = request_of(session, arguments);
  const auto stub = v1::VitalsService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::VitalsService::Stub::ListReadings, request,
                                 &v1::ListReadingsResponse::mutable_measurement_sets, arguments.limit, take);
  };
  if (session.json) {
    JsonList list(session.out, "measurementSets");
    const auto count = walk([&](const v1::ListReadingsResponse& page) {
      for (const auto& set : page.measurement_sets()) list.add(set);
    });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  HistoryTable table(session);
  const auto count = walk([&](const v1::ListReadingsResponse& page) { table.print(page); });
  if (count == 0) session.err << "wardlink: Nothing was measured there in that time.\n";
  return count > 0 ? exit_ok : exit_nothing;
}

}  // namespace

void add_history(CLI::App& vitals, Command& chosen) {
  Verb verb(vitals, "history",
            "What was measured, oldest first: a line for each set of signs sampled together. `clock`: the device said\n"
            "that it was measured later than it was received; the time is the reception's (--json says how far off).");
  auto arguments = std::make_shared<HistoryArguments>();
  verb.add("WHO", arguments->parent, "PATIENT (what was measured while the patient wore a device) or DEVICE",
           {.required = true});
  verb.add("--signs", arguments->signs, "only these signs: hr,spo2,…", {.type = "SIGN,…", .delimiter = ','});
  verb.add("--from", arguments->from, "measured then or later", {.type = "TIME"});
  verb.add("--to", arguments->to, "measured before then", {.type = "TIME"});
  verb.add("--limit", arguments->limit, "stop after so many sets; 0 = all", {.type = "N", .shows_default = true});
  verb.runs(chosen, [arguments](Session& session) { return show_history(session, *arguments); });
}

}  // namespace wardlink::command_line
