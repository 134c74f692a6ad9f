#include "ingest/sink/record_sink.hpp"

#include <array>

namespace wardlink::ingest {

const char* to_string(Lane lane) {
  switch (lane) {
    case Lane::readings:
      return "readings";
    case Lane::alarms:
      return "alarms";
  }
  return "";
}

const char* to_string(RecordResult result) {
  static constexpr std::array<const char*, record_result_count> names{"committed", "duplicate", "quarantined", "shed",
                                                                      "refused"};
  return names.at(static_cast<std::size_t>(result));
}

}  // namespace wardlink::ingest
