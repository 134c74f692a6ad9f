#include "ingest/payload/intake.hpp"

#include <algorithm>

#include "ingest/payload/senml_pack.hpp"

namespace wardlink::ingest {
namespace {

using Reason = QuarantineReason;

/// Collects facts, and of each reason to quarantine one.
class Collector {
 public:
  Collector(const ResourceRow& row, coap::ByteView payload) : row_(row), payload_(payload) {}

  /// A part that begins with `q`.
  void read(const LocalPack& pack, SenmlSpan part) {
    pack.is_foreign(part) ? quarantine(Reason::foreign_name) : add(read_part(row_, part));
  }

  void quarantine(Reason reason) {
    if (std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end()) reasons_.push_back(reason);
  }

  std::vector<Fact> finish() && {
    for (Reason reason : reasons_)
      facts_.push_back(
          Fact{row_.stream, 0, 0, Quarantined{reason, row_.path, coap::Bytes(payload_.begin(), payload_.end())}});
    return std::move(facts_);
  }

 private:
  void add(coap::Result<Fact, Fault> fact) {
    if (!fact)
      quarantine(fact.error().reason);
    else
      facts_.push_back(std::move(*fact));
  }

  const ResourceRow& row_;
  coap::ByteView payload_;
  std::vector<Fact> facts_;
  std::vector<Reason> reasons_;
};

/// Sets or runs of samples.
void collect_readings(const LocalPack& pack, Collector& into) {
  if (speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack.records, "q")) into.read(pack, part);
}

/// How many are owed, the device's clock where it says that, then alarm records.
void collect_alarms(const LocalPack& pack, Collector& into, std::optional<std::uint64_t>* clock_ms) {
  const SenmlSpan records = pack.records;
  if (!records.empty() && pack.is_foreign(records.first(1))) return into.quarantine(Reason::foreign_name);
  if (speaks_of_sets(records) && !speaks_of_alarms(records)) return into.quarantine(Reason::wrong_resource);
  if (records.empty() || !is_owed(records.front())) return into.quarantine(Reason::bad_alarm);
  const auto behind = records.subspan(1);
  const bool says_clock = !behind.empty() && !pack.is_foreign(behind.first(1)) && read_clock(behind.front());
  if (says_clock && clock_ms != nullptr) *clock_ms = read_clock(behind.front());
  for (SenmlSpan part : cut(behind.subspan(says_clock ? 1 : 0), "q")) into.read(pack, part);
}

}  // namespace

coap::Result<Fact, Fault> read_part(const ResourceRow& row, SenmlSpan part) {
  switch (row.content) {
    case Content::sets:
      return read_set(part);
    case Content::alarms:
      return read_alarm(part);
    case Content::runs:
      return read_run(part, row.stream);
  }
  return Fault{Reason::wrong_resource};
}

std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::optional<std::uint64_t>* clock_ms) {
  Collector collector(row_of(resource), payload);
  const auto pack = read_pack(device, content_format, payload);
  if (!pack)
    collector.quarantine(pack.error().reason);
  else if (row_of(resource).content == Content::alarms)
    collect_alarms(*pack, collector, clock_ms);
  else
    collect_readings(*pack, collector);
  return std::move(collector).finish();
}

}  // namespace wardlink::ingest
