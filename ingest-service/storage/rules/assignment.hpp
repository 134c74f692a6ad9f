#pragma once
// What it means to put a device on a patient who is believed to wear it then.

#include <optional>
#include <string>

#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

/// `standing` holds at the instant from which the device is to be the patient's, and `next_start` is when the device's
/// next assignment begins, if there is one. Returns where `standing` is all that was asked for: the same patient's, and
/// until then. StoreError precondition where another patient wears the device, or where `standing` ends before: a
/// release is somebody's word, so it is not undone in passing.
void require_stands(const AssignmentRow& standing, const std::string& patient, std::optional<Instant> next_start);

}  // namespace wardlink::storage
