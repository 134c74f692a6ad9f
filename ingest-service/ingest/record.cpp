#include "ingest/record.hpp"

#include <array>

namespace wardlink::ingest {
namespace {

constexpr std::array<const char*, stream_count + 1> stream_names{"", "vitals", "alarms"};

constexpr std::array<const char*, quarantine_reason_count> reason_names{
    "undecodable", "unsupported_format", "foreign_name", "wrong_resource", "unknown_sign", "unknown_unit",
    "bad_set",     "bad_alarm",          "future_tick"};

}  // namespace

const char* to_string(Stream stream) { return stream_names.at(static_cast<std::size_t>(stream)); }

const char* to_string(QuarantineReason reason) { return reason_names.at(static_cast<std::size_t>(reason)); }

}  // namespace wardlink::ingest
