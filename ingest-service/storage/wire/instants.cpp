#include "storage/wire/instants.hpp"

#include <algorithm>

#include "storage/wire/status.hpp"

namespace wardlink::storage {

using std::chrono::microseconds;
using std::chrono::seconds;

namespace {

constexpr std::int64_t first = -62'135'596'800, last = 253'402'300'799;

}  // namespace

google::protobuf::Timestamp to_stamp(Instant at) {
  at = std::clamp(at, Instant{seconds{first}}, Instant{seconds{last}});
  const auto whole = std::chrono::floor<seconds>(at);
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(whole.time_since_epoch().count());
  stamp.set_nanos(static_cast<std::int32_t>((at - whole).count() * 1000));
  return stamp;
}

google::protobuf::Duration to_duration(microseconds span) {
  constexpr std::chrono::seconds most{315'576'000'000};  // that the message may hold: 10,000 years
  span = std::clamp<microseconds>(span, -most, most);
  google::protobuf::Duration duration;
  duration.set_seconds(span / seconds{1});
  duration.set_nanos(static_cast<std::int32_t>((span % seconds{1}).count() * 1000));
  return duration;
}

google::protobuf::Duration to_age(Instant at, Instant now) { return to_duration(std::max(now - at, microseconds{0})); }

Instant before(Instant at, std::uint64_t ms) {
  const Instant earliest{seconds{first}};
  const auto room = std::chrono::floor<std::chrono::milliseconds>(at - earliest).count();
  return room >= 0 && ms > static_cast<std::uint64_t>(room) ? earliest : at - std::chrono::milliseconds(ms);
}

std::optional<Instant> to_instant(const google::protobuf::Timestamp& stamp) {
  if (stamp.seconds() < first || stamp.seconds() > last) return std::nullopt;
  if (stamp.nanos() < 0 || stamp.nanos() > 999'999'999) return std::nullopt;
  return Instant{seconds{stamp.seconds()}} + microseconds{stamp.nanos() / 1000};
}

Instant parse_instant(const std::string& field, const google::protobuf::Timestamp& stamp) {
  const auto at = to_instant(stamp);
  if (!at) throw InvalidArgument(field, "must lie between the years 1 and 9999");
  return *at;
}

Instant parse_past(const std::string& field, const google::protobuf::Timestamp& stamp, Instant now) {
  const auto at = parse_instant(field, stamp);
  if (at > now + std::chrono::minutes(5)) throw InvalidArgument(field, "lies in the future");
  return std::min(at, now);
}

}  // namespace wardlink::storage
