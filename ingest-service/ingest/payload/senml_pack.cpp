#include "ingest/payload/senml_pack.hpp"

#include <algorithm>

#include "coap/option.hpp"

namespace wardlink::ingest {
namespace {

namespace senml = coap::senml;
using Reason = QuarantineReason;

const char* in_words(senml::Error error) {
  switch (error) {
    case senml::Error::not_cbor:
      return "the payload is not CBOR, or is cut off";
    case senml::Error::not_json:
      return "the payload is not JSON, or is cut off";
    case senml::Error::not_a_pack:
      return "the payload is not SenML: an array of records";
    case senml::Error::bad_label:
      return "a label stands twice";
    case senml::Error::bad_type:
      return "a label has a value of another type than SenML's";
    case senml::Error::bad_number:
      return "a number is not finite";
    case senml::Error::two_values:
      return "there are two values";
    case senml::Error::no_value:
      return "there is no value";
    case senml::Error::bad_name:
      return "the name (bn and n together) is empty or has a character that SenML does not allow";
    case senml::Error::bad_version:
      return "this version of SenML is not known here";
    case senml::Error::must_understand:
      return "a label that ends in _ is not known here";
    case senml::Error::too_large:
      return "more records than a payload may have";
  }
  return "not SenML";
}

coap::Result<senml::Pack, Fault> decode(std::optional<std::uint16_t> format, coap::ByteView payload) {
  std::size_t at = 0;
  auto result = [&](coap::Result<senml::Pack, senml::Error> pack) -> coap::Result<senml::Pack, Fault> {
    if (!pack) return Fault{Reason::undecodable, at, "", in_words(pack.error())};
    return std::move(*pack);
  };
  if (format == coap::content_format::senml_cbor) return result(senml::decode_cbor(payload, &at));
  if (format == coap::content_format::senml_json)
    return result(senml::decode_json({reinterpret_cast<const char*>(payload.data()), payload.size()}, &at));
  return Fault{Reason::unsupported_format, 0, "", "content-format must be 112 (SenML CBOR) or 110 (SenML JSON)"};
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

}  // namespace

bool LocalPack::is_foreign(SenmlSpan part) const {
  const auto begin = whose.begin() + (part.data() - records.data());
  return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(part.size()),
                     [](Whose one) { return one != Whose::own; });
}

coap::Result<LocalPack, Fault> read_pack(std::string_view device, std::optional<std::uint16_t> content_format,
                                         coap::ByteView payload) {
  auto pack = decode(content_format, payload);
  if (!pack) return pack.error();
  auto whose = tell_apart(*pack, device);
  if (std::any_of(pack->begin(), pack->end(), has_base_fields)) {
    auto resolved = senml::resolve(*pack);
    if (!resolved) return Fault{Reason::undecodable, 0, "", in_words(resolved.error())};
    *pack = std::move(*resolved);
  }
  for (std::size_t i = 0; i < pack->size(); ++i) make_local((*pack)[i], whose[i], device);
  return LocalPack{std::move(*pack), std::move(whose)};
}

bool speaks_of_alarms(SenmlSpan records) {
  return std::any_of(records.begin(), records.end(), [](const auto& r) { return r.name == "owed" || r.name == "ev"; });
}

bool speaks_of_sets(SenmlSpan records) { return !records.empty() && records.front().name == "q"; }

std::vector<SenmlSpan> cut(SenmlSpan records, std::string_view opening) {
  std::vector<SenmlSpan> parts;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= records.size(); ++i)
    if (i == records.size() || records[i].name == opening) {
      parts.push_back(records.subspan(begin, i - begin));
      begin = i;
    }
  return parts;
}

}  // namespace wardlink::ingest
