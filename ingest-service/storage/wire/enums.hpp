#pragma once
// Enumerations of the contract and of storage. Each conversion is a switch over all values, so that the compiler asks
// what becomes of a new one (-Wswitch).

#include <optional>

#include "storage/port/live_store.hpp"
#include "wardlink/v1/ingest.pb.h"
#include "wardlink/v1/record.pb.h"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {

/// UNSPECIFIED for what is none of its enumeration's values.
v1::Stream to_proto(Stream stream);
v1::AlarmKind to_proto(AlarmKind kind);
v1::AlarmPriority to_proto(AlarmPriority priority);
v1::AlarmState to_proto(AlarmState state);
v1::AlarmEndCause to_proto(AlarmEndCause cause);
v1::AlarmEvent::Change to_proto(AlarmChange::Kind kind);
v1::RecordResult to_proto(RecordResult result);

/// Nothing for UNSPECIFIED, and for what this version does not know.
std::optional<Stream> from_proto(v1::Stream stream);
std::optional<AlarmEvent> from_proto(v1::AlarmFact::Event event);
std::optional<AlarmKind> from_proto(v1::AlarmKind kind);
std::optional<AlarmPriority> from_proto(v1::AlarmPriority priority);
std::optional<AlarmState> from_proto(v1::AlarmState state);

}  // namespace wardlink::storage
