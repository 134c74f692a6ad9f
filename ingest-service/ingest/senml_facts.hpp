#pragma once
// One measurement set, one alarm record or one run of samples out of the SenML records that make it up (docs/wire.md,
// "Payload").

#include <span>

#include "coap/result.hpp"
#include "coap/senml.hpp"
#include "ingest/record.hpp"

namespace wardlink::ingest {

/// Resolved records with local names ("hr").
using SenmlSpan = std::span<const coap::senml::Record>;

/// `q`, `tk`, then the signs, each at most once, in any order.
coap::Result<Fact, QuarantineReason> read_set(SenmlSpan records);

/// `q`, `tk`, `boot` where it is of an earlier start, then `ev`, `on`, `kind`, `prio`, `code`, `lim` and a sign, each
/// at most once, in any order.
coap::Result<Fact, QuarantineReason> read_alarm(SenmlSpan records);

/// `q`, `tk`, then `rate`, `per`, `scale`, `off` and the samples under the waveform's name, each at most once, in any
/// order. `stream`: the waveform's.
coap::Result<Fact, QuarantineReason> read_run(SenmlSpan records, Stream stream);

/// The record that opens a payload of /alarms: how many alarm records are owed.
bool is_owed(const coap::senml::Record& record);

}  // namespace wardlink::ingest
