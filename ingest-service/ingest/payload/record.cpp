#include "ingest/payload/record.hpp"

#include <algorithm>
#include <array>

namespace wardlink::ingest {
namespace {

constexpr std::array<const char*, streams.size()> stream_names{"vitals", "alarms", "ecg", "ppg", "resp", "manual"};

constexpr std::array<const char*, quarantine_reason_count> reason_names{
    "undecodable", "unsupported_format", "foreign_name", "wrong_resource", "unknown_sign", "unknown_unit",
    "bad_set",     "bad_alarm",          "bad_run",      "future_tick"};

}  // namespace

std::size_t index_of(Stream stream) {
  return static_cast<std::size_t>(std::find(streams.begin(), streams.end(), stream) - streams.begin());
}

const char* to_string(Stream stream) { return stream_names.at(index_of(stream)); }

const char* to_string(QuarantineReason reason) { return reason_names.at(static_cast<std::size_t>(reason)); }

}  // namespace wardlink::ingest
