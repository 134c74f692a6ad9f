#pragma once
// An event as every watcher is sent it: made once, shared by all of them.

#include <optional>
#include <string>
#include <vector>

#include "storage/port/live_store.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {

struct LiveMessage {
  LivePosition at;
  std::string device, patient, ward;  // URN, id, id: what filters ask for
  bool unattributed = false;          // nobody's by its clock, and which wards see it; nothing = all
  std::optional<std::vector<std::string>> wards;
  v1::WatchResponse response;  // with its cursor
};

LiveMessage to_message(const LiveEvent& event, const std::string& epoch);

/// The same question as LiveStore::live() asks of the database.
bool passes(const LiveFilter& filter, const LiveMessage& message);

}  // namespace wardlink::storage
