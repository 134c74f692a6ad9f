#pragma once
// What it means to put a device on a patient who is believed to wear it then.

#include <optional>
#include <span>
#include <string>

#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

/// `standing` holds at the instant from which the device is to be the patient's, and `next_start` is when the device's
/// next assignment begins, if there is one. Returns where `standing` is all that was asked for: the same patient's, and
/// until then. StoreError precondition where another patient wears the device, or where `standing` ends before: a
/// release is somebody's word, so it is not undone in passing.
void require_stands(const AssignmentRow& standing, const std::string& patient, std::optional<Instant> next_start);

/// Whether the discharge that is asked for (`wanted`, nothing = now; `at` is what that means) is `standing`, the
/// patient's last one, and nothing is left to be done. `assignments`: those believed of the patient. StoreError
/// precondition where the patient was discharged already and wore nothing since, or where a device was put on after
/// `at`.
bool require_dischargeable(const std::optional<DischargeRow>& standing, std::span<const AssignmentRow> assignments,
                           const std::string& patient, std::optional<Instant> wanted, Instant at,
                           const std::string& by);

}  // namespace wardlink::storage
