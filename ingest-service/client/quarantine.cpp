// wardlink quarantine list: what could not be taken as a record, newest first.

#include <algorithm>
#include <memory>

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

struct QuarantineArguments {
  std::string parent;
  bool payload = false;
  std::string from, to;
  std::uint64_t limit = 0;
};

/// vitals, alarms, waveform-ecg; "unknown" of a newer version's.
std::string stream_text(v1::Stream stream) {
  constexpr std::string_view lead = "STREAM_";
  auto text = v1::Stream_Name(stream);
  if (stream == v1::STREAM_UNSPECIFIED || !text.starts_with(lead)) return "unknown";
  text.erase(0, lead.size());
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return c == '_' ? '-' : std::tolower(c); });
  return text;
}

/// As it is where it is text in ASCII, else \x and hex.
std::string bytes_text(const std::string& bytes) {
  if (std::ranges::all_of(bytes, [](unsigned char c) { return c >= 0x20 && c < 0x7F; })) return bytes;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "\\x";
  for (const unsigned char byte : bytes) (text += digits[byte >> 4]) += digits[byte & 15];
  return text;
}

std::vector<std::string> row_of(const v1::QuarantinedRecord& record, bool payload, Zone zone) {
  std::vector<std::string> row = {
      to_text(from_proto(record.received_at()), zone),
      std::to_string(record.seen()),
      record.reason(),
      record.patient_display_name().empty() ? record.patient() : record.patient_display_name(),
      device_urn(record.device()),
      std::to_string(record.boot()),
      stream_text(record.stream()),
      std::to_string(record.sequence()),
      record.resource(),
      std::to_string(record.size())};
  if (payload) row.push_back(bytes_text(record.payload()));
  return row;
}

int list_quarantine(Session& session, const QuarantineArguments& arguments) {
  v1::ListQuarantineRequest request;
  request.set_parent(parent_name(session, arguments.parent));
  request.set_payload(arguments.payload);
  apply_time("--from", arguments.from, session.now, [&](auto time) { *request.mutable_start_time() = time; });
  apply_time("--to", arguments.to, session.now, [&](auto time) { *request.mutable_end_time() = time; });
  const auto stub = v1::AlarmService::NewStub(session.connection.channel());
  const auto walk = [&](auto take) {
    return client::for_each_page(session.connection, *stub, &v1::AlarmService::Stub::ListQuarantine, request,
                                 &v1::ListQuarantineResponse::mutable_quarantined_records, arguments.limit,
                                 [&](const v1::ListQuarantineResponse& page) {
                                   for (const auto& record : page.quarantined_records()) take(record);
                                 });
  };
  if (session.json) {
    JsonList list(session.out, "quarantinedRecords");
    const auto count = walk([&](const v1::QuarantinedRecord& record) { list.add(record); });
    list.close();
    return count > 0 ? exit_ok : exit_nothing;
  }
  std::vector<Column> columns = {{"RECEIVED"}, {"TIMES", Align::right}, {"REASON"}, {"PATIENT"},
                                 {"DEVICE"},   {"BOOT", Align::right},  {"STREAM"}, {"SEQUENCE", Align::right},
                                 {"RESOURCE"}, {"BYTES", Align::right}};
  if (arguments.payload) columns.push_back({"PAYLOAD"});
  Table table(columns);
  const auto count =
      walk([&](const v1::QuarantinedRecord& record) { table.add(row_of(record, arguments.payload, session.zone)); });
  if (count == 0) {
    session.err << "wardlink: Nothing in quarantine matches.\n";
    return exit_nothing;
  }
  table.print(session.out);
  return exit_ok;
}

}  // namespace

void add_quarantine(CLI::App& quarantine, Command& chosen) {
  Verb verb(
      quarantine, "list",
      "What could not be taken as a record and is kept as it came, newest first. BOOT, STREAM and SEQUENCE are what "
      "it\nclaims; TIMES says how often it came.");
  auto arguments = std::make_shared<QuarantineArguments>();
  verb.add("WHO", arguments->parent, "PATIENT or DEVICE; none = everybody");
  verb.add("--payload", arguments->payload, "the bytes too, which may hold vital signs: for administrators");
  verb.add("--from", arguments->from, "received then or later", {.type = "TIME"});
  verb.add("--to", arguments->to, "received before then", {.type = "TIME"});
  verb.add("--limit", arguments->limit, "stop after so many; 0 = all", {.type = "N", .shows_default = true});
  verb.runs(chosen, [arguments](Session& session) { return list_quarantine(session, *arguments); });
}

}  // namespace wardlink::command_line
