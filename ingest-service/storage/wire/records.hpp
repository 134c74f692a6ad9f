#pragma once
// Records between the wire's messages and storage's structs.

#include <functional>
#include <memory>

#include "storage/port/registry_store.hpp"
#include "wardlink/v1/ingest.pb.h"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {

/// What does not fit the structs becomes an Unusable that holds the message as it came.
Record record_of(const v1::Record& message, std::shared_ptr<const Session> session, Instant received_at);

/// The message itself, for the quarantine.
Unusable as_it_came(const v1::Record& message, const char* reason);

/// The instant of tick 0 of the boot that the message names, if the record is that boot's first: received_at − tick,
/// but not before the calendar begins. Nothing where the boot cannot be a device's: 2^53 and beyond.
std::optional<Instant> anchor_of_own_boot(const v1::Record& message, const Record& record);

/// Signs bear the catalogue's wire names and units; one that this build does not know is called sign-{id}.
std::string sign_name(std::uint16_t id);
std::string sign_unit(std::uint16_t id);
bool implausible(std::uint16_t quality);

v1::Alarm to_proto(const AlarmCondition& alarm);
v1::QuarantinedRecord to_proto(const QuarantineRow& row);
v1::UnattributedPeriod to_proto(const UnattributedPeriod& period);
v1::SystemAlarm to_proto(const SystemAlarm& alarm);
v1::LatestVitals to_proto(const LatestRow& row);
/// With these signs only; empty = all.
v1::MeasurementSet to_proto(const ReadingRow& row, const std::vector<std::uint16_t>& signs = {});
v1::Assignment to_proto(const AssignmentRow& row);
v1::WaveformRun to_proto(const RunRow& row);

}  // namespace wardlink::storage
