#pragma once
// One measurement set, one alarm record or one run of samples out of the SenML records that make it up (docs/wire.md,
// "Payload").

#include <optional>
#include <span>

#include "coap/result.hpp"
#include "coap/senml.hpp"
#include "ingest/payload/record.hpp"

namespace wardlink::ingest {

/// Resolved records with local names ("hr").
using SenmlSpan = std::span<const coap::senml::Record>;

/// What is wrong with records, and where: for a counter, and for whoever wrote them.
struct Fault {
  QuarantineReason reason;
  std::size_t record = 0;  // from 1 in the span that was read; 0 = none in particular
  const char* field = "";  // the record's SenML label, "" = none in particular
  const char* words = "";  // what it should be; never what it was
};

/// A sign's record: named by the catalogue, in the catalogue's unit where one is told. A fault is of record 1.
coap::Result<SignValue, Fault> read_sign(const coap::senml::Record& record);

/// Adds a sign to a set. A sign that is in it already, or that cannot be read, is a fault of record 1.
std::optional<Fault> add_sign(SignValues& set, const coap::senml::Record& record);

/// `q`, `tk`, then the signs, each at most once, in any order.
coap::Result<Fact, Fault> read_set(SenmlSpan records);

/// `q`, `tk`, `boot` where it is of an earlier start, then `ev`, `on`, `kind`, `prio`, `code`, `lim` and a sign, each
/// at most once, in any order.
coap::Result<Fact, Fault> read_alarm(SenmlSpan records);

/// The same without key and boot.
coap::Result<AlarmFact, Fault> read_alarm_fields(SenmlSpan records);

/// `q`, `tk`, then `rate`, `per`, `scale`, `off` and the samples under the waveform's name, each at most once, in any
/// order. `stream`: the waveform's. A fault names the reason alone.
coap::Result<Fact, Fault> read_run(SenmlSpan records, Stream stream);

/// The record that opens a payload of /alarms: how many alarm records are owed.
bool is_owed(const coap::senml::Record& record);
/// `tk` where it stands right behind that one: the device's clock as it sent this, ms. Empty: something else stands
/// there.
std::optional<std::uint64_t> read_clock(const coap::senml::Record& record);

}  // namespace wardlink::ingest
