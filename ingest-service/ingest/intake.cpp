#include "ingest/intake.hpp"

#include <algorithm>
#include <array>

#include "coap/option.hpp"
#include "coap/senml.hpp"
#include "ingest/senml_facts.hpp"

namespace wardlink::ingest {
namespace {

namespace senml = coap::senml;
using Reason = QuarantineReason;

constexpr std::array<const char*, resource_count> paths{"/vitals", "/alarms", "/waveforms/ecg", "/waveforms/ppg",
                                                        "/waveforms/resp"};

/// They stand in the same order.
Stream stream_of(Resource resource) { return streams.at(static_cast<std::size_t>(resource)); }
static_assert(streams.size() == resources.size());

coap::Result<senml::Pack, Reason> decode(std::optional<std::uint16_t> format, coap::ByteView payload) {
  auto result = [](coap::Result<senml::Pack, senml::Error> pack) -> coap::Result<senml::Pack, Reason> {
    if (!pack) return Reason::undecodable;
    return std::move(*pack);
  };
  if (format == coap::content_format::senml_cbor) return result(senml::decode_cbor(payload));
  if (format == coap::content_format::senml_json)
    return result(senml::decode_json({reinterpret_cast<const char*>(payload.data()), payload.size()}));
  return Reason::unsupported_format;
}

bool has_base_fields(const senml::Record& r) {
  return r.base_name || r.base_unit || r.base_time || r.base_value || r.base_sum || r.base_version;
}

/// A base name is the device's own URN, optionally followed by ':' or '/'.
bool is_own(std::string_view base_name, std::string_view device) {
  if (!base_name.starts_with(device)) return false;
  base_name.remove_prefix(device.size());
  return base_name.empty() || base_name == ":" || base_name == "/";
}

/// Takes the device's own URN off the names; false when a name is somebody else's.
bool make_local(senml::Pack& pack, std::string_view device) {
  for (auto& record : pack) {
    std::string_view name = record.name;
    if (!name.starts_with("urn:")) continue;
    if (!name.starts_with(device)) return false;
    name.remove_prefix(device.size());
    if (name.starts_with(':') || name.starts_with('/')) name.remove_prefix(1);
    record.name = std::string(name);
  }
  return true;
}

/// Base fields applied and names made local.
coap::Result<senml::Pack, Reason> localise(senml::Pack pack, std::string_view device) {
  for (const auto& record : pack)
    if (record.base_name && !record.base_name->empty() && !is_own(*record.base_name, device))
      return Reason::foreign_name;
  if (std::any_of(pack.begin(), pack.end(), has_base_fields)) {
    auto resolved = senml::resolve(pack);
    if (!resolved) return Reason::undecodable;
    pack = std::move(*resolved);
  }
  if (!make_local(pack, device)) return Reason::foreign_name;
  return pack;
}

/// Whether the pack is one of /alarms, whatever token it came under.
bool speaks_of_alarms(const senml::Pack& pack) {
  return std::any_of(pack.begin(), pack.end(), [](const auto& r) { return r.name == "owed" || r.name == "ev"; });
}

bool speaks_of_sets(const senml::Pack& pack) { return !pack.empty() && pack.front().name == "q"; }

/// Cuts where a `q` stands: every set, every alarm record and every run opens with one.
std::vector<SenmlSpan> cut(SenmlSpan records) {
  std::vector<SenmlSpan> parts;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= records.size(); ++i)
    if (i == records.size() || records[i].name == "q") {
      parts.push_back(records.subspan(begin, i - begin));
      begin = i;
    }
  return parts;
}

/// Collects facts, and of each reason to quarantine one.
class Collector {
 public:
  Collector(Resource resource, coap::ByteView payload, std::uint64_t latest_tick)
      : resource_(resource), payload_(payload), latest_tick_(latest_tick) {}

  void add(coap::Result<Fact, Reason> fact) {
    if (!fact)
      quarantine(fact.error());
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

void collect_sets(const senml::Pack& pack, Collector& into) {
  if (speaks_of_alarms(pack)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack)) into.add(read_set(part));
}

void collect_alarms(const senml::Pack& pack, Collector& into) {
  if (speaks_of_sets(pack) && !speaks_of_alarms(pack)) return into.quarantine(Reason::wrong_resource);
  const SenmlSpan records = pack;
  if (records.empty() || !is_owed(records.front())) return into.quarantine(Reason::bad_alarm);
  for (SenmlSpan part : cut(records.subspan(1))) into.add(read_alarm(part));
}

void collect_runs(const senml::Pack& pack, Resource resource, Collector& into) {
  if (speaks_of_alarms(pack)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack)) into.add(read_run(part, stream_of(resource)));
}

}  // namespace

const char* path(Resource resource) { return paths.at(static_cast<std::size_t>(resource)); }

std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::uint64_t latest_tick) {
  Collector collector(resource, payload, latest_tick);
  auto pack = decode(content_format, payload);
  if (pack) pack = localise(std::move(*pack), device);
  if (!pack)
    collector.quarantine(pack.error());
  else if (resource == Resource::vitals)
    collect_sets(*pack, collector);
  else if (resource == Resource::alarms)
    collect_alarms(*pack, collector);
  else
    collect_runs(*pack, resource, collector);
  return std::move(collector).finish();
}

}  // namespace wardlink::ingest
