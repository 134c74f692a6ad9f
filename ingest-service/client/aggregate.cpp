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
               {"COVERAGE", Align::right}});
  for (const auto& each : response.aggregates()) {
    table.add({to_text(from_proto(each.start_time()), session.zone), each.sign() + " [" + each.unit() + "]",
               each.has_min() ? number_text(each.min()) : "", each.has_mean() ? mean_text(each.mean()) : "",
               each.has_max() ? number_text(each.max()) : "", std::to_string(each.count()), percent(each.coverage())});
  }
  table.print(session.out);
  return code;
}

}  // namespace

void add_aggregate(CLI::App& vitals, Command& chosen) {
  Verb verb(vitals, "aggregate",
            "Least, mean and greatest value of each sign in buckets of time. "
            "COVERAGE: in how many of its seconds there is one.");
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
