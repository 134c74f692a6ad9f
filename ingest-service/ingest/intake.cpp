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

bool opens(std::string_view name) { return name == "q" || name.ends_with(":q") || name.ends_with("/q"); }

/// A pack with the base fields applied and the device's own URN taken off the names.
struct LocalPack {
  enum class Whose : std::uint8_t { own, foreign, foreign_opening };
  senml::Pack records;
  std::vector<Whose> whose;  // of each record; one that opens somebody else's set, alarm or run is named `q` here too

  bool is_foreign(SenmlSpan part) const {
    const auto begin = whose.begin() + (part.data() - records.data());
    return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(part.size()),
                       [](Whose one) { return one != Whose::own; });
  }
};

/// Whose the records are. A base name holds until the next one (RFC 8428 §4.1).
std::vector<LocalPack::Whose> tell_apart(const senml::Pack& pack, std::string_view device) {
  std::vector<LocalPack::Whose> whose;
  whose.reserve(pack.size());
  bool has_base = false, base_is_own = true;
  for (const auto& record : pack) {
    if (record.base_name) {
      has_base = !record.base_name->empty();
      base_is_own = !has_base || is_own(*record.base_name, device);
    }
    const bool own = has_base ? base_is_own : !record.name.starts_with("urn:") || record.name.starts_with(device);
    const auto foreign = opens(record.name) ? LocalPack::Whose::foreign_opening : LocalPack::Whose::foreign;
    whose.push_back(own ? LocalPack::Whose::own : foreign);
  }
  return whose;
}

void make_local(senml::Record& record, LocalPack::Whose whose, std::string_view device) {
  std::string_view name = record.name;
  if (whose == LocalPack::Whose::foreign_opening) name = "q";
  if (whose == LocalPack::Whose::own && name.starts_with(device)) {
    name.remove_prefix(device.size());
    if (name.starts_with(':') || name.starts_with('/')) name.remove_prefix(1);
  }
  if (name.size() != record.name.size()) record.name = std::string(name);
}

coap::Result<LocalPack, Reason> localise(senml::Pack pack, std::string_view device) {
  auto whose = tell_apart(pack, device);
  if (std::any_of(pack.begin(), pack.end(), has_base_fields)) {
    auto resolved = senml::resolve(pack);
    if (!resolved) return Reason::undecodable;
    pack = std::move(*resolved);
  }
  for (std::size_t i = 0; i < pack.size(); ++i) make_local(pack[i], whose[i], device);
  return LocalPack{std::move(pack), std::move(whose)};
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

void collect_sets(const LocalPack& pack, Collector& into) {
  if (speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack.records))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_set(part));
}

void collect_alarms(const LocalPack& pack, Collector& into) {
  const SenmlSpan records = pack.records;
  if (!records.empty() && pack.is_foreign(records.first(1))) return into.quarantine(Reason::foreign_name);
  if (speaks_of_sets(pack.records) && !speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  if (records.empty() || !is_owed(records.front())) return into.quarantine(Reason::bad_alarm);
  for (SenmlSpan part : cut(records.subspan(1)))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_alarm(part));
}

void collect_runs(const LocalPack& pack, Resource resource, Collector& into) {
  if (speaks_of_alarms(pack.records)) return into.quarantine(Reason::wrong_resource);
  for (SenmlSpan part : cut(pack.records))
    pack.is_foreign(part) ? into.quarantine(Reason::foreign_name) : into.add(read_run(part, stream_of(resource)));
}

}  // namespace

const char* path(Resource resource) { return paths.at(static_cast<std::size_t>(resource)); }

std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::uint64_t latest_tick) {
  Collector collector(resource, payload, latest_tick);
  auto pack = decode(content_format, payload);
  if (!pack) {
    collector.quarantine(pack.error());
    return std::move(collector).finish();
  }
  const auto local = localise(std::move(*pack), device);
  if (!local)
    collector.quarantine(local.error());
  else if (resource == Resource::vitals)
    collect_sets(*local, collector);
  else if (resource == Resource::alarms)
    collect_alarms(*local, collector);
  else
    collect_runs(*local, resource, collector);
  return std::move(collector).finish();
}

}  // namespace wardlink::ingest
