#include "ingest/sink/record_sink.hpp"

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

}  // namespace wardlink::ingest
