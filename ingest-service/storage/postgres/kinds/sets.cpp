// Measurement sets.

#include "storage/postgres/kinds/kind.hpp"

namespace wardlink::storage::postgres {

const RecordKind& sets() {
  static const RecordKind kind(
      "measurement_set", "stored_sets", MeasurementSet{},
      {body_column<&MeasurementSet::signs>("sign_ids"), body_column<&MeasurementSet::values>("sign_values"),
       body_column<&MeasurementSet::qualities>("qualities")});
  return kind;
}

}  // namespace wardlink::storage::postgres
