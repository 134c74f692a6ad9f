#include <cbor.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "coap/senml.hpp"
#include "senml_record.hpp"

namespace coap::senml {
namespace {

// -- reading ----------------------------------------------------------------------------------------------------------

/// One CBOR item's head, or a whole scalar. Strings point into the input.
struct Item {
  enum class Kind : std::uint8_t { uint, negint, real, boolean, bytes, text, array, map, tag, end, piecewise, other };
  Kind kind = Kind::other;
  bool indefinite = false;   // array, map
  bool flag = false;         // boolean
  std::uint64_t number = 0;  // uint; negint (-1 - number); length of array and map; tag
  double real = 0;
  ByteView bytes;  // bytes, text
};

void take_number(void* context, Item::Kind kind, std::uint64_t number) {
  Item& item = *static_cast<Item*>(context);
  item.kind = kind;
  item.number = number;
}

void take_real(void* context, double value) {
  Item& item = *static_cast<Item*>(context);
  item.kind = Item::Kind::real;
  item.real = value;
}

void take_string(void* context, Item::Kind kind, cbor_data data, std::size_t size) {
  Item& item = *static_cast<Item*>(context);
  item.kind = kind;
  item.bytes = ByteView(data, size);
}

void take_indefinite(void* context, Item::Kind kind) {
  Item& item = *static_cast<Item*>(context);
  item.kind = kind;
  item.indefinite = true;
}

cbor_callbacks make_callbacks() {
  using K = Item::Kind;
  cbor_callbacks to = cbor_empty_callbacks;
  to.uint8 = [](void* c, std::uint8_t n) { take_number(c, K::uint, n); };
  to.uint16 = [](void* c, std::uint16_t n) { take_number(c, K::uint, n); };
  to.uint32 = [](void* c, std::uint32_t n) { take_number(c, K::uint, n); };
  to.uint64 = [](void* c, std::uint64_t n) { take_number(c, K::uint, n); };
  to.negint8 = [](void* c, std::uint8_t n) { take_number(c, K::negint, n); };
  to.negint16 = [](void* c, std::uint16_t n) { take_number(c, K::negint, n); };
  to.negint32 = [](void* c, std::uint32_t n) { take_number(c, K::negint, n); };
  to.negint64 = [](void* c, std::uint64_t n) { take_number(c, K::negint, n); };
  to.float2 = [](void* c, float x) { take_real(c, static_cast<double>(x)); };
  to.float4 = [](void* c, float x) { take_real(c, static_cast<double>(x)); };
  to.float8 = [](void* c, double x) { take_real(c, x); };
  to.byte_string = [](void* c, cbor_data data, std::size_t size) { take_string(c, K::bytes, data, size); };
  to.string = [](void* c, cbor_data data, std::size_t size) { take_string(c, K::text, data, size); };
  to.array_start = [](void* c, std::size_t n) { take_number(c, K::array, n); };
  to.map_start = [](void* c, std::size_t n) { take_number(c, K::map, n); };
  to.indef_array_start = [](void* c) { take_indefinite(c, K::array); };
  to.indef_map_start = [](void* c) { take_indefinite(c, K::map); };
  to.tag = [](void* c, std::uint64_t n) { take_number(c, K::tag, n); };
  to.boolean = [](void* c, bool flag) {
    static_cast<Item*>(c)->kind = K::boolean;
    static_cast<Item*>(c)->flag = flag;
  };
  to.indef_break = [](void* c) { static_cast<Item*>(c)->kind = K::end; };
  // A string of indefinite length: its pieces would follow.
  to.byte_string_start = [](void* c) { static_cast<Item*>(c)->kind = K::piecewise; };
  to.string_start = [](void* c) { static_cast<Item*>(c)->kind = K::piecewise; };
  return to;
}

/// RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(ByteView text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::uint8_t lead = text[i];
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xc2 ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || length > text.size() - i) return false;
    if (length > 1) {
      const std::uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const std::uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      if (text[i + 1] < low || text[i + 1] > high) return false;
    }
    for (std::size_t k = 2; k < length; ++k)
      if ((text[i + k] & 0xc0) != 0x80) return false;
    i += length;
  }
  return true;
}

std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

double integer(const Item& item) {
  if (item.kind == Item::Kind::uint) return static_cast<double>(item.number);
  if (item.number == std::numeric_limits<std::uint64_t>::max()) return -18446744073709551616.0;  // -2^64
  return -static_cast<double>(item.number + 1);
}

/// The double nearest to mantissa · 10^exponent.
std::optional<double> decimal(const Item& exponent, const Item& mantissa) {
  constexpr std::uint64_t kExact = std::uint64_t{1} << 53;
  constexpr std::array kPowers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const double whole = integer(mantissa);
  if (whole == 0) return 0.0;
  const bool negative_power = exponent.kind == Item::Kind::negint;
  if (exponent.number > 400) return negative_power ? std::optional(0.0) : std::nullopt;
  const int power = static_cast<int>(exponent.number) + (negative_power ? 1 : 0);
  // Both operands are exact doubles: IEEE 754 rounds their product or quotient once, so it is the nearest.
  if (mantissa.number < kExact && power < static_cast<int>(kPowers.size()))
    return negative_power ? whole / kPowers[static_cast<std::size_t>(power)]
                          : whole * kPowers[static_cast<std::size_t>(power)];

  std::uint64_t digits = mantissa.number;
  const bool negative = mantissa.kind == Item::Kind::negint;
  if (negative && ++digits == 0) return std::nullopt;  // -2^64: no clock and no sensor says that
  const std::string text =
      (negative ? "-" : "") + std::to_string(digits) + (negative_power ? "e-" : "e") + std::to_string(power);
  double value = 0;
  const auto outcome = std::from_chars(text.data(), text.data() + text.size(), value);
  if (outcome.ec == std::errc::result_out_of_range) return negative_power ? std::optional(0.0) : std::nullopt;
  return value;
}

/// Reads a pack from the front of the input to its last byte, without allocating a tree.
class CborPackReader {
 public:
  explicit CborPackReader(ByteView input) : rest_(input) {}

  std::optional<Error> read(Pack& pack) {
    Item root;
    if (const auto error = next(root)) return error;
    if (root.kind != Item::Kind::array) return Error::not_a_pack;
    if (!root.indefinite && root.number > kMostRecords) return Error::too_large;
    // A record takes at least two bytes: a length that the input cannot hold reserves nothing.
    if (!root.indefinite) pack.reserve(std::min<std::size_t>(root.number, rest_.size() / 2 + 1));
    const auto error = each(root, [&](const Item& item) -> std::optional<Error> {
      if (item.kind != Item::Kind::map) return Error::not_a_pack;
      if (pack.size() == kMostRecords) return Error::too_large;
      return read_record(item, pack.emplace_back());
    });
    if (error) return error;
    return rest_.empty() ? std::nullopt : std::optional(Error::not_cbor);
  }

 private:
  std::optional<Error> next(Item& item) {
    static const cbor_callbacks callbacks = make_callbacks();
    item = Item{};
    const auto result = cbor_stream_decode(rest_.data(), rest_.size(), &callbacks, &item);
    if (result.status != CBOR_DECODER_FINISHED || result.read > rest_.size()) return Error::not_cbor;
    rest_ = rest_.subspan(result.read);
    if (item.kind == Item::Kind::text && !is_utf8(item.bytes)) return Error::not_cbor;
    return std::nullopt;
  }

  /// Calls `use` with the first item of each element (of a map: each key).
  template <class Use>
  std::optional<Error> each(const Item& collection, Use use) {
    for (std::uint64_t i = 0; collection.indefinite || i < collection.number; ++i) {
      Item item;
      if (const auto error = next(item)) return error;
      if (item.kind == Item::Kind::end) return collection.indefinite ? std::nullopt : std::optional(Error::not_cbor);
      if (const auto error = use(item)) return error;
    }
    return std::nullopt;
  }

  std::optional<Error> read_record(const Item& map, Record& record) {
    RecordBuilder builder(record);
    return each(map, [&](const Item& key) { return read_field(key, builder); });
  }

  std::optional<Error> read_field(const Item& key, RecordBuilder& builder) {
    std::optional<Label> label;
    if (key.kind == Item::Kind::text) {
      if (find_label(as_text(key.bytes))) return Error::bad_label;  // §6: these are integers in CBOR
      if (must_understand(as_text(key.bytes))) return Error::must_understand;
    } else if (key.kind == Item::Kind::uint || key.kind == Item::Kind::negint) {
      if (key.number < 128)
        label = find_label(key.kind == Item::Kind::uint ? static_cast<std::int64_t>(key.number)
                                                        : -1 - static_cast<std::int64_t>(key.number));
    } else {
      return Error::bad_label;
    }
    Item value;
    if (const auto error = next(value)) return error;
    return label ? read_value(*label, value, builder) : skip(value, kDeepestUnknown);
  }

  std::optional<Error> read_value(Label label, const Item& value, RecordBuilder& builder) {
    switch (value.kind) {
      case Item::Kind::uint:
      case Item::Kind::negint:
        return builder.number(label, integer(value));
      case Item::Kind::real:
        return builder.number(label, value.real);
      case Item::Kind::tag:
        return read_decimal(label, value, builder);
      case Item::Kind::boolean:
        return builder.boolean(label, value.flag);
      case Item::Kind::text:
        return builder.text(label, as_text(value.bytes));
      case Item::Kind::bytes:
        return builder.data(label, Bytes(value.bytes.begin(), value.bytes.end()));
      default:
        return Error::bad_type;
    }
  }

  /// RFC 8949 §3.4.4: tag 4, [exponent, mantissa].
  std::optional<Error> read_decimal(Label label, const Item& tag, RecordBuilder& builder) {
    if (tag.number != 4) return Error::bad_type;
    Item pair;
    Item exponent;
    Item mantissa;
    if (const auto error = next(pair)) return error;
    if (pair.kind != Item::Kind::array || pair.indefinite || pair.number != 2) return Error::bad_number;
    for (Item* part : {&exponent, &mantissa}) {
      if (const auto error = next(*part)) return error;
      if (part->kind != Item::Kind::uint && part->kind != Item::Kind::negint) return Error::bad_number;
    }
    const auto value = decimal(exponent, mantissa);
    return value ? builder.number(label, *value) : Error::bad_number;
  }

  /// Steps over a field that nobody here understands.
  std::optional<Error> skip(const Item& item, std::size_t depth) {
    if (depth == 0) return Error::too_large;
    const auto skip_inner = [&](const Item& inner) { return skip(inner, depth - 1); };
    switch (item.kind) {
      case Item::Kind::array:
        return each(item, skip_inner);
      case Item::Kind::map:
        return each(item, [&](const Item& key) -> std::optional<Error> {
          if (const auto error = skip_inner(key)) return error;
          return skip_next(depth);
        });
      case Item::Kind::tag:
        return skip_next(depth);
      case Item::Kind::end:
        return Error::not_cbor;
      case Item::Kind::piecewise:
        return Error::bad_type;  // its first byte alone is not the whole of it
      default:
        return std::nullopt;
    }
  }

  std::optional<Error> skip_next(std::size_t depth) {
    Item item;
    if (const auto error = next(item)) return error;
    return skip(item, depth - 1);
  }

  ByteView rest_;
};

// -- writing ----------------------------------------------------------------------------------------------------------

class CborWriter {
 public:
  explicit CborWriter(std::size_t expected_size) { out_.reserve(expected_size); }

  void array(std::size_t size) { put(cbor_encode_array_start, size); }
  void map(std::size_t size) { put(cbor_encode_map_start, size); }
  void boolean(bool value) { put(cbor_encode_bool, value); }
  void label(Label value) { integer(static_cast<std::int64_t>(value)); }

  void integer(std::int64_t value) {
    if (value >= 0) {
      put(cbor_encode_uint, static_cast<std::uint64_t>(value));
    } else {
      put(cbor_encode_negint, static_cast<std::uint64_t>(-1 - value));
    }
  }

  void text(std::string_view value) {
    put(cbor_encode_string_start, value.size());
    out_.insert(out_.end(), value.begin(), value.end());
  }

  void bytes(const Bytes& value) {
    put(cbor_encode_bytestring_start, value.size());
    out_.insert(out_.end(), value.begin(), value.end());
  }

  /// An integer where it is one; a decimal fraction where its shortest text makes that shorter than a float64 (9
  /// bytes).
  void number(double value) {
    assert(std::isfinite(value) && "SenML has no NaN and no infinity");
    if (const auto whole = exact_integer(value)) return integer(*whole);
    if (!decimal(value)) put(cbor_encode_double, value);
  }

  Bytes take() { return std::move(out_); }

 private:
  template <class Encode, class Value>
  void put(Encode encode, Value value) {
    std::array<unsigned char, 9> head;
    const std::size_t size = encode(value, head.data(), head.size());
    for (std::size_t i = 0; i < size; ++i) out_.push_back(head[i]);  // mostly one or two
  }

  static std::size_t integer_size(std::int64_t value) {
    const auto magnitude = static_cast<std::uint64_t>(value >= 0 ? value : -1 - value);
    return magnitude < 24 ? 1 : magnitude <= 0xff ? 2 : magnitude <= 0xffff ? 3 : magnitude <= 0xffffffff ? 5 : 9;
  }

  bool decimal(double value) {
    if (value == 0) return false;  // -0.0: a mantissa has no such zero
    // The shortest digits that name this double and no other, as d.ddde±xx.
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific).ptr;
    std::int64_t mantissa = 0;
    int exponent = 0;
    const char* at = text.data();
    const bool negative = *at == '-';
    if (negative) ++at;
    for (bool fraction = false; *at != 'e'; ++at) {
      if (*at == '.') {
        fraction = true;
        continue;
      }
      mantissa = mantissa * 10 + (*at - '0');  // at most 17 digits
      if (fraction) --exponent;
    }
    ++at;
    if (*at == '+') ++at;
    int written = 0;
    std::from_chars(at, end, written);
    exponent += written;
    if (negative) mantissa = -mantissa;
    if (2 + integer_size(exponent) + integer_size(mantissa) >= 9) return false;
    put(cbor_encode_tag, std::uint64_t{4});
    array(2);
    integer(exponent);
    integer(mantissa);
    return true;
  }

  Bytes out_;
};

std::size_t count_fields(const Record& r) {
  return std::size_t{r.base_name.has_value()} + r.base_time.has_value() + r.base_unit.has_value() +
         r.base_value.has_value() + r.base_sum.has_value() + r.base_version.has_value() + !r.name.empty() +
         !r.unit.empty() + (r.value.index() != 0) + r.sum.has_value() + r.time.has_value() + r.update_time.has_value();
}

struct FieldWriter {
  CborWriter& out;

  void text(Label label, const std::string& value) const {
    out.label(label);
    out.text(value);
  }
  void number(Label label, const std::optional<double>& value) const {
    if (!value) return;
    out.label(label);
    out.number(*value);
  }

  void operator()(std::monostate) const {}
  void operator()(double value) const { number(Label::v, value); }
  void operator()(const std::string& value) const { text(Label::vs, value); }
  void operator()(bool value) const {
    out.label(Label::vb);
    out.boolean(value);
  }
  void operator()(const Bytes& value) const {
    out.label(Label::vd);
    out.bytes(value);
  }
};

void write_record(CborWriter& out, const Record& record) {
  const FieldWriter field{out};
  out.map(count_fields(record));
  if (record.base_name) field.text(Label::bn, *record.base_name);
  field.number(Label::bt, record.base_time);
  if (record.base_unit) field.text(Label::bu, *record.base_unit);
  field.number(Label::bv, record.base_value);
  field.number(Label::bs, record.base_sum);
  if (record.base_version) field.number(Label::bver, static_cast<double>(*record.base_version));
  if (!record.name.empty()) field.text(Label::n, record.name);
  if (!record.unit.empty()) field.text(Label::u, record.unit);
  std::visit(field, record.value);
  field.number(Label::s, record.sum);
  field.number(Label::t, record.time);
  field.number(Label::ut, record.update_time);
}

}  // namespace

Result<Pack, Error> decode_cbor(ByteView bytes, std::size_t* at) {
  if (at != nullptr) *at = 0;
  if (bytes.size() > kMostBytes) return Error::too_large;
  Pack pack;
  if (const auto error = CborPackReader(bytes).read(pack)) {
    if (at != nullptr) *at = pack.size();
    return *error;
  }
  if (const auto error = check_pack(pack, at)) return *error;
  return pack;
}

Bytes encode_cbor(const Pack& pack) {
  CborWriter out(8 + pack.size() * 16);
  out.array(pack.size());
  for (const Record& record : pack) write_record(out, record);
  return out.take();
}

}  // namespace coap::senml
