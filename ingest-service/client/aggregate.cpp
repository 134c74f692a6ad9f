// wardlink vitals aggregate: min, mean, max and coverage by buckets of time.

#include <array>
#include <cstdio>
#include <memory>
#include <vector>

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

struct AggregateArguments {
  std::string parent, from, to = "now", bucket = "1m";
  std::vector<std::string> signs;
};

v1::AggregateReadingsRequest request_of(Session& session, const AggregateArguments& arguments) {
  v1::AggregateReadingsRequest request;
  request.set_parent(parent_name(session, arguments.parent));
  for (const std::string& sign : arguments.signs) request.add_signs(sign);
  apply_time("--from", arguments.from, session.now, [&](auto time) { *request.mutable_start_time() = time; });
  apply_time("--to", arguments.to, session.now, [&](auto time) { *request.mutable_end_time() = time; });
  const auto bucket = parse_span(arguments.bucket);
  if (!bucket) throw Failure{exit_usage, "--bucket " + arguments.bucket + " is no span of time: write 30s, 5m or 1h."};
  request.mutable_bucket()->set_seconds(std::chrono::duration_cast<std::chrono::seconds>(*bucket).count());
  return request;
}

std::string percent(double share) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1f%%", share * 100);
  return text.data();
}

/// Three digits behind the point: a mean has many, and few of them say something.
std::string mean_text(double mean) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.3f", mean);
  return text.data();
}

/// Of all values; with '?' where only an implausible one says so. An older server tells of the plausible ones alone.
std::string least_text(const v1::Aggregate& each) {
  if (!each.has_all_min()) return each.has_min() ? number_text(each.min()) : "";
  return number_text(each.all_min()) + (each.has_min() && each.min() == each.all_min() ? "" : "?");
}

std::string greatest_text(const v1::Aggregate& each) {
  if (!each.has_all_max()) return each.has_max() ? number_text(each.max()) : "";
  return number_text(each.all_max()) + (each.has_max() && each.max() == each.all_max() ? "" : "?");
}

std::string middle_text(const v1::Aggregate& each) {
  if (!each.has_all_mean()) return each.has_mean() ? mean_text(each.mean()) : "";
  return mean_text(each.all_mean()) + (each.implausible_count() > 0 ? "?" : "");
}

/// What is left without the implausible values, where there are any.
std::string plausible_text(const v1::Aggregate& each) {
  if (each.implausible_count() == 0) return "";
  if (each.count() == 0) return "none";
  return number_text(each.min()) + " / " + mean_text(each.mean()) + " / " + number_text(each.max());
}

int show_aggregates(Session& session, const AggregateArguments& arguments) {
  const auto stub = v1::VitalsService::NewStub(session.connection.channel());
  v1::AggregateReadingsResponse response;
  client::for_each_page(
      session.connection, *stub, &v1::VitalsService::Stub::AggregateReadings, request_of(session, arguments),
      &v1::AggregateReadingsResponse::mutable_aggregates, 0,
      [&](const v1::AggregateReadingsResponse& page) { response.mutable_aggregates()->MergeFrom(page.aggregates()); });
  const auto code = response.aggregates().empty() ? exit_nothing : exit_ok;
  if (session.json) {
    print_json(session.out, response);
    return code;
  }
  if (code == exit_nothing) {
    session.err << "wardlink: Nothing was measured there in that time.\n";
    return code;
  }
  Table table({{"FROM"},
               {"SIGN"},
               {"MIN", Align::right},
               {"MEAN", Align::right},
               {"MAX", Align::right},
               {"COUNT", Align::right},
               {"IMPLAUSIBLE", Align::right},
               {"COVERAGE", Align::right},
               {"PLAUSIBLE"}});
  for (const auto& each : response.aggregates()) {
    table.add({to_text(from_proto(each.start_time()), session.zone), each.sign() + " [" + each.unit() + "]",
               least_text(each), middle_text(each), greatest_text(each),
               std::to_string(each.count() + each.implausible_count()), std::to_string(each.implausible_count()),
               percent(each.has_all_coverage() ? each.all_coverage() : each.coverage()), plausible_text(each)});
  }
  table.print(session.out);
  return code;
}

}  // namespace

void add_aggregate(CLI::App& vitals, Command& chosen) {
  Verb verb(vitals, "aggregate",
            "Least, mean and greatest of all values of each sign in buckets of time, with '?' where implausible ones "
            "make\nit so; PLAUSIBLE: the same without these. COVERAGE: in how many of its seconds there is a value.");
  auto arguments = std::make_shared<AggregateArguments>();
  verb.add("WHO", arguments->parent, "PATIENT (what was measured while the patient wore a device) or DEVICE",
           {.required = true});
  verb.add("--signs", arguments->signs, "only these signs: hr,spo2,…", {.type = "SIGN,…", .delimiter = ','});
  verb.add("--from", arguments->from, "measured then or later", {.type = "TIME", .required = true});
  verb.add("--to", arguments->to, "measured before then", {.type = "TIME", .shows_default = true});
  verb.add("--bucket", arguments->bucket, "how long each is: 30s, 5m, 1h30m", {.type = "SPAN", .shows_default = true});
  verb.runs(chosen, [arguments](Session& session) { return show_aggregates(session, *arguments); });
}

}  // namespace wardlink::command_line
