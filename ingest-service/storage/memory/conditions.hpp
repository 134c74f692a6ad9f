#pragma once
// Alarm conditions as the tables tell them, attributed. The caller holds the tables' mutex.

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

/// The condition under that key. Nothing: there is none; an end's key is none where its onset is there.
std::optional<AlarmCondition> condition_under(const Tables& tables, const RecordKey& key);

/// Whether the alarm record has a condition of its own: the end of an onset that is there is part of that one's.
bool is_condition(const Tables& tables, const Row& alarm);

/// The condition that the alarm record is part of.
AlarmCondition condition_with(const Tables& tables, const Row& alarm);

/// The end of that onset that counts, where no record ends it.
const AlarmEnd* other_end_of(const Tables& tables, const RecordKey& onset);

}  // namespace wardlink::storage::memory
