// Onsets and ends of alarms.

#include "storage/postgres/kinds/kind.hpp"

namespace wardlink::storage::postgres {

const RecordKind& alarms() {
  static const RecordKind kind(
      "alarm_event", nullptr, AlarmFact{},
      {body_column<&AlarmFact::event>("event"),
       body_column<&AlarmFact::kind>("kind"),
       body_column<&AlarmFact::priority>("priority"),
       body_column<&AlarmFact::code>("code"),
       body_column<&AlarmFact::sign, ZeroIsNull<std::uint16_t>>("sign_id"),
       body_column<&AlarmFact::value>("value"),
       body_column<&AlarmFact::limit>("limit_value"),
       body_column<&AlarmFact::onset_sequence, ZeroIsNull<std::uint64_t>>("onset_sequence"),
       {"source", "text", [](ArrayText& array, const RecordRow&) { array.add("device"); }, nullptr}});
  return kind;
}

}  // namespace wardlink::storage::postgres
