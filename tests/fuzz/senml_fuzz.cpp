// F6. SenML in CBOR and in JSON. What is read is written in both encodings and reads the same; resolving once is
// resolving twice; a decimal fraction is the double that its decimal text names. The first byte says which.

#include <cbor.h>

#include <bit>
#include <cmath>
#include <cstdlib>

#include "coap/senml.hpp"
#include "script.hpp"

namespace {

using coap::senml::Pack;
using coap::senml::Record;
using fuzz::Bytes;
using fuzz::ByteView;
using fuzz::must;
using fuzz::Script;

constexpr std::size_t kLargest = 65536;

void check_resolved(const Pack& pack) {
  const auto resolved = coap::senml::resolve(pack);
  if (!resolved) {
    must(resolved.error() == coap::senml::Error::bad_number, "only a sum that is no number cannot be resolved");
    return;
  }
  must(resolved->size() == pack.size(), "every record is resolved");
  for (const Record& record : *resolved) {
    must(!record.name.empty(), "every record has a name");
    must(!record.base_name && !record.base_unit && !record.base_time && !record.base_value && !record.base_sum,
         "no base is left");
  }
  const auto again = coap::senml::resolve(*resolved);
  must(again && *again == *resolved, "resolving twice is resolving once");
}

void check_pack(const Pack& pack) {
  must(pack.size() <= 4096, "at most 4,096 records");
  const Bytes cbor = coap::senml::encode_cbor(pack);
  if (cbor.size() <= kLargest) {  // a short float that was read is written as a long one
    const auto read = coap::senml::decode_cbor(cbor);
    must(read && *read == pack, "what is written in CBOR reads the same");
    must(coap::senml::encode_cbor(*read) == cbor, "writing CBOR twice is writing once");
  }
  const std::string json = coap::senml::encode_json(pack);
  if (json.size() <= kLargest) {
    const auto read = coap::senml::decode_json(json);
    must(read && *read == pack, "what is written in JSON reads the same");
    must(coap::senml::encode_json(*read) == json, "writing JSON twice is writing once");
  }
  check_resolved(pack);
}

/// Whatever the streaming reader takes is well formed for a reader that builds the tree.
void cbor(Script script) {
  const ByteView input = script.rest();
  const auto pack = coap::senml::decode_cbor(input);
  if (!pack) return static_cast<void>(to_string(pack.error()));
  cbor_load_result outcome{};
  cbor_item_t* tree = cbor_load(input.data(), input.size(), &outcome);
  const bool whole = tree != nullptr && outcome.read == input.size();
  if (tree != nullptr) cbor_decref(&tree);
  must(whole, "what is taken is well-formed CBOR, to its last byte");
  check_pack(*pack);
}

void json(Script script) {
  const auto pack = coap::senml::decode_json(fuzz::as_text(script.rest()));
  if (!pack) return static_cast<void>(to_string(pack.error()));
  check_pack(*pack);
}

Pack valued(double value) {
  Record record;
  record.name = "x";
  record.value = value;
  return {record};
}

void doubles(Script script) {
  while (!script.ended()) {
    const auto value = std::bit_cast<double>(script.number64());
    if (!std::isfinite(value)) continue;
    const auto read = coap::senml::decode_cbor(coap::senml::encode_cbor(valued(value)));
    must(read &&
             std::bit_cast<std::uint64_t>(std::get<double>(read->front().value)) == std::bit_cast<std::uint64_t>(value),
         "a double travels in CBOR bit for bit");
    const auto text = coap::senml::decode_json(coap::senml::encode_json(valued(value)));
    must(text &&
             std::bit_cast<std::uint64_t>(std::get<double>(text->front().value)) == std::bit_cast<std::uint64_t>(value),
         "a double travels in JSON bit for bit");
  }
}

void put_integer(Bytes& out, std::int64_t value) {
  const auto magnitude = static_cast<std::uint64_t>(value < 0 ? -1 - value : value);
  out.push_back(value < 0 ? 0x3b : 0x1b);
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(magnitude >> shift));
}

/// [{"n": "x", "v": 4([exponent, mantissa])}] against strtod.
void decimals(Script script) {
  while (!script.ended()) {
    const auto exponent = static_cast<std::int16_t>(script.number16() % 1024 - 512);
    const auto mantissa = static_cast<std::int64_t>(script.number64());
    Bytes pack{0x81, 0xa2, 0x00, 0x61, 'x', 0x02, 0xc4, 0x82};
    put_integer(pack, exponent);
    put_integer(pack, mantissa);
    const double nearest = std::strtod((std::to_string(mantissa) + "e" + std::to_string(exponent)).c_str(), nullptr);
    const auto read = coap::senml::decode_cbor(pack);
    must(bool{read} == std::isfinite(nearest), "a decimal fraction is refused when no double is near, and only then");
    if (read) must(std::get<double>(read->front().value) == nearest, "a decimal fraction is the nearest double");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script(ByteView(data, size));
  switch (script.byte() % 4) {
    case 0:
      cbor(script);
      break;
    case 1:
      json(script);
      break;
    case 2:
      doubles(script);
      break;
    default:
      decimals(script);
  }
  return 0;
}
