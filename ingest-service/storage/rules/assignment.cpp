#include "storage/rules/assignment.hpp"

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

}  // namespace wardlink::storage
