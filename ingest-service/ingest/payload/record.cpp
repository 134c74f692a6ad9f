#include "ingest/payload/record.hpp"

#include <algorithm>

namespace wardlink::ingest {
std::size_t index_of(Stream stream) {
  return static_cast<std::size_t>(std::find(streams.begin(), streams.end(), stream) - streams.begin());
}

const char* to_string(Stream stream) {
  switch (stream) {
    case Stream::vitals:
      return "vitals";
    case Stream::alarms:
      return "alarms";
    case Stream::manual:
      return "manual";
    case Stream::ecg:
      return "ecg";
    case Stream::ppg:
      return "ppg";
    case Stream::resp:
      return "resp";
  }
  return "";
}

const char* to_string(QuarantineReason reason) {
  switch (reason) {
    case QuarantineReason::undecodable:
      return "undecodable";
    case QuarantineReason::unsupported_format:
      return "unsupported_format";
    case QuarantineReason::foreign_name:
      return "foreign_name";
    case QuarantineReason::wrong_resource:
      return "wrong_resource";
    case QuarantineReason::unknown_sign:
      return "unknown_sign";
    case QuarantineReason::unknown_unit:
      return "unknown_unit";
    case QuarantineReason::bad_set:
      return "bad_set";
    case QuarantineReason::bad_alarm:
      return "bad_alarm";
    case QuarantineReason::bad_run:
      return "bad_run";
    case QuarantineReason::future_tick:
      return "future_tick";
  }
  return "";
}

}  // namespace wardlink::ingest
