#include "ingest/payload/post.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "ingest/payload/senml_pack.hpp"

namespace wardlink::ingest {
namespace {

using Reason = QuarantineReason;
using Facts = coap::Result<std::vector<Fact>, Fault>;

bool has_key(SenmlSpan records) {
  return std::any_of(records.begin(), records.end(),
                     [](const auto& r) { return r.name == "q" || r.name == "tk" || r.name == "boot"; });
}

/// The calendar's instant of a record, ms since 1970: RFC 8428 §4.5.3, relative below 2^28 s, absolute from there on.
std::uint64_t instant_of(const coap::senml::Record& record, WallTime calendar) {
  constexpr double absolute = 1 << 28, below_2_53 = 9'007'199'254'740'991;
  const double now = static_cast<double>(calendar.time_since_epoch().count()) / 1e3;
  const double seconds = record.time.value_or(0);
  const double ms = std::floor(seconds < absolute ? now + seconds * 1e3 : seconds * 1e3);
  return static_cast<std::uint64_t>(std::clamp(ms, 0.0, below_2_53));
}

Fault at(std::size_t index, Fault fault) {
  if (fault.record != 0) fault.record += index;
  return fault;
}

/// One set for each instant, the oldest first.
Facts sets_by_hand(SenmlSpan records, WallTime calendar) {
  std::map<std::uint64_t, SignValues> sets;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (const auto fault = add_sign(sets[instant_of(records[i], calendar)], records[i])) return at(i, *fault);
  }
  std::vector<Fact> facts;
  for (auto& [tick, set] : sets) facts.push_back({Stream::manual, 0, tick, std::move(set)});
  return facts;
}

/// Each alarm opens with `ev`, whose time is the alarm's.
Facts alarms_by_hand(SenmlSpan records, WallTime calendar) {
  if (records.front().name != "ev") return Fault{Reason::bad_alarm, 1, "n", "must be ev: each alarm opens with it"};
  std::vector<Fact> facts;
  std::size_t index = 0;
  for (SenmlSpan part : cut(records, "ev")) {
    auto alarm = read_alarm_fields(part);
    if (!alarm) return at(index, alarm.error());
    if (alarm->onset_sequence != 0)
      return Fault{Reason::bad_alarm, index + 1, "", "on names a q, and this alarm's onset has none"};
    facts.push_back({Stream::manual, 0, instant_of(part.front(), calendar), std::move(*alarm)});
    index += part.size();
  }
  return facts;
}

Facts keyed(SenmlSpan records, const ResourceRow& row, bool registered) {
  if (!registered)
    return Fault{Reason::bad_set, 0, "", "q and tk need a registration first: POST /rd, or leave them out"};
  std::vector<Fact> facts;
  std::size_t index = 0;
  for (SenmlSpan part : cut(records, "q")) {
    auto fact = read_part(row, part);
    if (!fact) return at(index, fact.error());
    facts.push_back(std::move(*fact));
    index += part.size();
  }
  return facts;
}

}  // namespace

coap::Result<Post, Fault> read_post(Resource resource, std::string_view device,
                                    std::optional<std::uint16_t> content_format, coap::ByteView payload,
                                    WallTime calendar, bool registered) {
  const auto pack = read_pack(device, content_format, payload);
  if (!pack) return pack.error();
  SenmlSpan records = pack->records;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (pack->is_foreign(records.subspan(i, 1)))
      return Fault{Reason::foreign_name, i + 1, "bn", "or n is not the name in your certificate (leave it out)"};
  const ResourceRow& row = row_of(resource);
  const bool alarms = row.content == Content::alarms;
  // How many are owed is told to an observer; in a POST it says nothing.
  const std::size_t owed = alarms && !records.empty() && is_owed(records.front()) ? 1 : 0;
  records = records.subspan(owed);
  if (records.empty()) return Fault{Reason::bad_set, 0, "", "there is nothing in it"};
  if (!alarms && speaks_of_alarms(records))
    return Fault{Reason::wrong_resource, 0, "", "this is an alarm: it belongs to /alarms"};
  const bool has_keys = has_key(records);
  auto facts = has_keys ? keyed(records, row, registered)
                        : (alarms ? alarms_by_hand(records, calendar) : sets_by_hand(records, calendar));
  if (!facts) return at(owed, facts.error());
  return Post{has_keys, std::move(*facts)};
}

std::string to_words(const Fault& fault) {
  std::string words;
  if (fault.record != 0) words = "record " + std::to_string(fault.record);
  if (*fault.field != '\0') words += std::string(words.empty() ? "" : ", ") + fault.field;
  if (!words.empty()) words += ": ";
  return words + fault.words;
}

}  // namespace wardlink::ingest
