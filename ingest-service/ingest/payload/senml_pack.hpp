#pragma once
// A payload as SenML records with local names, and where in it sets and alarm records begin (docs/wire.md, "Payload").

#include <optional>
#include <string_view>
#include <vector>

#include "ingest/payload/senml_facts.hpp"

namespace wardlink::ingest {

/// A pack with the base fields applied and the device's own URN taken off the names.
struct LocalPack {
  enum class Whose : std::uint8_t { own, foreign, foreign_opening };
  coap::senml::Pack records;
  std::vector<Whose> whose;  // of each record; one that opens somebody else's set, alarm or run is named `q` here too

  /// Whether something in a part of `records` is another device's.
  bool is_foreign(SenmlSpan part) const;
};

/// `device`: the URN of the session's certificate. Faults: undecodable, unsupported_format.
coap::Result<LocalPack, Fault> read_pack(std::string_view device, std::optional<std::uint16_t> content_format,
                                         coap::ByteView payload);

/// Whether the pack is one of /alarms, whatever it came under.
bool speaks_of_alarms(SenmlSpan records);
bool speaks_of_sets(SenmlSpan records);

/// Cuts where a record named `opening` stands: "q" opens every set and every alarm record. Nothing is left out.
std::vector<SenmlSpan> cut(SenmlSpan records, std::string_view opening);

}  // namespace wardlink::ingest
