#pragma once
// google.protobuf.Timestamp and Duration, and ours. Nanoseconds are cut to microseconds: what PostgreSQL keeps.

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// Within the years 1 to 9999, which is what the message may hold; likewise 10,000 years either way.
google::protobuf::Timestamp to_stamp(Instant at);
google::protobuf::Duration to_duration(std::chrono::microseconds span);
/// So many milliseconds before; where the calendar did not begin yet, its first instant.
Instant before(Instant at, std::uint64_t ms);
/// How long ago an instant was; 0 of one that is yet to come.
google::protobuf::Duration to_age(Instant at, Instant now);
/// Nothing when it is outside of the years 1 to 9999, or malformed.
std::optional<Instant> to_instant(const google::protobuf::Timestamp& stamp);
/// The same, or InvalidArgument.
Instant parse_instant(const std::string& field, const google::protobuf::Timestamp& stamp);

/// Of what people say has happened. InvalidArgument where it lies in the future of `now`; five minutes are left to
/// clocks that disagree, and taken for now.
Instant parse_past(const std::string& field, const google::protobuf::Timestamp& stamp, Instant now);

}  // namespace wardlink::storage
