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

}  // namespace wardlink::ingest
