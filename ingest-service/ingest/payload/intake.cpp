#include "ingest/payload/intake.hpp"

#include <algorithm>
#include <array>

#include "ingest/payload/senml_facts.hpp"
#include "ingest/payload/senml_pack.hpp"

namespace wardlink::ingest {
namespace {

using Reason = QuarantineReason;

constexpr std::array<const char*, resource_count> paths{"/vitals", "/alarms", "/waveforms/ecg", "/waveforms/ppg",
                                                        "/waveforms/resp"};

/// They stand in the same order; `manual`, the last, comes from none.
Stream stream_of(Resource resource) { return streams.at(static_cast<std::size_t>(resource)); }
static_assert(streams.size() == resources.size() + 1);

/// Collects facts, and of each reason to quarantine one.
class Collector {
 public:
  Collector(Resource resource, coap::ByteView payload, std::uint64_t latest_tick)
      : resource_(resource), payload_(payload), latest_tick_(latest_tick) {}

  void add(coap::Result<Fact, Fault> fact) {
    if (!fact)
      quarantine(fact.error().reason);
    else if (fact->boot == 0 && fact->tick_ms > latest_tick_)  // of another start, the tick is of another clock
      quarantine(Reason::future_tick);
    else
      facts_.push_back(std::move(*fact));
  }

  void quarantine(Reason reason) {
    if (std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end()) reasons_.push_back(reason);
  }

  std::vector<Fact> finish() && {
    for (Reason reason : reasons_)
      facts_.push_back(Fact{stream_of(resource_), 0, 0,
                            Quarantined{reason, path(resource_), coap::Bytes(payload_.begin(), payload_.end())}});
    return std::move(facts_);
  }

 private:
  Resource resource_;
  coap::ByteView payload_;
  std::uint64_t latest_tick_;
  std::vector<Fact> facts_;
  std::vector<Reason> reasons_;
};

void collect_sets(const LocalPack& pack, Collector& into) {
  if (speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack.records, "q"))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_set(part));
}

void collect_alarms(const LocalPack& pack, Collector& into) {
  const SenmlSpan records = pack.records;
  if (!records.empty() && pack.is_foreign(records.first(1))) return into.quarantine(Reason::foreign_name);
  if (speaks_of_sets(pack.records) && !speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  if (records.empty() || !is_owed(records.front())) return into.quarantine(Reason::bad_alarm);
  for (SenmlSpan part : cut(records.subspan(1), "q"))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_alarm(part));
}

void collect_runs(const LocalPack& pack, Resource resource, Collector& into) {
  if (speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack.records, "q"))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_run(part, stream_of(resource)));
}

}  // namespace

const char* path(Resource resource) { return paths.at(static_cast<std::size_t>(resource)); }

std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::uint64_t latest_tick) {
  Collector collector(resource, payload, latest_tick);
  const auto pack = read_pack(device, content_format, payload);
  if (!pack)
    collector.quarantine(pack.error().reason);
  else if (resource == Resource::vitals)
    collect_sets(*pack, collector);
  else if (resource == Resource::alarms)
    collect_alarms(*pack, collector);
  else
    collect_runs(*pack, resource, collector);
  return std::move(collector).finish();
}

}  // namespace wardlink::ingest
