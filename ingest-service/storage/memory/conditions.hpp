#pragma once
// Alarm conditions as the tables tell them, attributed. The caller holds the tables' mutex.

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

/// The condition under that key. Nothing: there is none; an end's key is none where its onset is there.
std::optional<AlarmCondition> condition_under(const Tables& tables, const RecordKey& key);

/// The condition that the alarm record is part of.
AlarmCondition condition_with(const Tables& tables, const Row& alarm);

}  // namespace wardlink::storage::memory
