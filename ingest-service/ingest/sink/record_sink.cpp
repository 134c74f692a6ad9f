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

const char* to_string(RecordResult result) {
  switch (result) {
    case RecordResult::committed:
      return "committed";
    case RecordResult::duplicate:
      return "duplicate";
    case RecordResult::quarantined:
      return "quarantined";
    case RecordResult::shed:
      return "shed";
    case RecordResult::refused:
      return "refused";
  }
  return "";
}

}  // namespace wardlink::ingest
