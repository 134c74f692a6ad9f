#include "storage/rules/assignment.hpp"

#include <algorithm>

#include "storage/port/store_error.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage {

void require_stands(const AssignmentRow& standing, const std::string& patient, std::optional<Instant> next_start) {
  const auto refuse = [&](const std::string& why) {
    throw StoreError(StoreError::Kind::precondition, "devices/" + standing.device + why);
  };
  if (standing.patient != patient) refuse(" is worn by another patient then");
  if (!standing.held_until || standing.held_until == next_start) return;
  const auto until = to_text_of_instant(*standing.held_until);
  refuse(" is the patient's from " + to_text_of_instant(standing.held_from) + " until " + until +
         " and no longer: that stands, and nothing was assigned. To put it on again, assign it from " + until + " on");
}

bool require_dischargeable(const std::optional<DischargeRow>& standing, std::span<const AssignmentRow> assignments,
                           const std::string& patient, std::optional<Instant> wanted, Instant at,
                           const std::string& by) {
  const auto refuse = [&](const std::string& why) {
    throw StoreError(StoreError::Kind::precondition, "patients/" + patient + why + "; nothing was changed");
  };
  const auto worn_since = [&](Instant then) {
    return std::ranges::any_of(assignments, [&](const AssignmentRow& each) {
      return each.held_from >= then || !each.held_until || *each.held_until > then;
    });
  };
  if (standing && !worn_since(standing->at)) {
    if (wanted == standing->at && by == standing->by) return true;
    refuse(" was discharged by " + standing->by + " at " + to_text_of_instant(standing->at) + " already");
  }
  for (const auto& each : assignments)
    if (each.held_from > at)
      refuse(" was given devices/" + each.device + " at " + to_text_of_instant(each.held_from) + ", after that");
  return false;
}

}  // namespace wardlink::storage
