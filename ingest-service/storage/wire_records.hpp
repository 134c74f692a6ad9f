#pragma once
// Records between the wire's messages and storage's structs.

#include <functional>
#include <memory>

#include "storage/record_store.hpp"
#include "wardlink/v1/ingest.pb.h"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {

/// What does not fit the structs becomes an Unusable that holds the message as it came.
Record record_of(const v1::Record& message, std::shared_ptr<const Session> session, Instant now);

/// Signs bear the catalogue's wire names and units; one that this build does not know is called sign-{id}.
std::string sign_name(std::uint16_t id);
std::string sign_unit(std::uint16_t id);
bool implausible(std::uint16_t quality);

v1::Alarm to_proto(const AlarmCondition& alarm);

}  // namespace wardlink::storage
