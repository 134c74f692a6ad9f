#include <nlohmann/json.hpp>

#include "coap/senml.hpp"
#include "senml_record.hpp"

namespace coap::senml {
namespace {

using Json = nlohmann::ordered_json;

// -- vd: base64url without padding (RFC 8428 §5, RFC 4648 §5) ---------------------------------------------------------

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64url(const Bytes& bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) text += kAlphabet[bits >> (held - 6) & 0x3f];
  }
  if (held > 0) text += kAlphabet[bits << (6 - held) & 0x3f];
  return text;
}

std::optional<Bytes> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> (held -= 8)));
  }
  return bytes;
}

// -- reading ----------------------------------------------------------------------------------------------------------

/// Takes the parser's events: no tree is built, and the first thing out of place ends it.
class JsonPackReader : public nlohmann::json_sax<Json> {
 public:
  explicit JsonPackReader(Pack& pack) : pack_(pack) {}

  std::optional<Error> error() const { return error_; }

  bool null() override {
    return value([](Label) { return Error::bad_type; });
  }
  bool boolean(bool flag) override {
    return value([&](Label label) { return record_->boolean(label, flag); });
  }
  bool number_integer(number_integer_t number) override { return take_number(static_cast<double>(number)); }
  bool number_unsigned(number_unsigned_t number) override { return take_number(static_cast<double>(number)); }
  bool number_float(number_float_t number, const string_t&) override { return take_number(number); }
  bool string(string_t& text) override {
    return value([&](Label label) -> std::optional<Error> {
      if (label != Label::vd) return record_->text(label, text);
      auto bytes = from_base64url(text);
      return bytes ? record_->data(label, std::move(*bytes)) : Error::bad_type;
    });
  }
  bool binary(binary_t&) override { return fail(Error::not_json); }

  bool start_array(std::size_t) override {
    if (depth_ == 0) return ++depth_ > 0;
    return nest();
  }
  bool end_array() override { return --depth_ >= 0; }
  bool start_object(std::size_t) override {
    if (depth_ == 0) return fail(Error::not_a_pack);
    if (depth_ > 1) return nest();
    if (pack_.size() == kMostRecords) return fail(Error::too_large);
    record_.emplace(pack_.emplace_back());
    return ++depth_ > 0;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ != kFieldDepth) return true;  // within a field that is ignored
    label_ = find_label(name);
    return label_ || !must_understand(name) || fail(Error::must_understand);
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& problem) override {
    constexpr int kNumberOverflow = 406;
    return fail(problem.id == kNumberOverflow ? Error::bad_number : Error::not_json);
  }

 private:
  static constexpr int kFieldDepth = 2;  // [ { here

  bool fail(Error error) {
    error_ = error;
    return false;
  }

  template <class Take>
  bool value(Take take) {
    if (depth_ < kFieldDepth) return fail(Error::not_a_pack);
    if (depth_ > kFieldDepth || !label_) return true;
    const std::optional<Error> error = take(*label_);
    return !error || fail(*error);
  }

  bool take_number(double number) {
    return value([&](Label label) { return record_->number(label, number); });
  }

  /// An array or object within a record: only in a field that is ignored.
  bool nest() {
    if (depth_ < kFieldDepth) return fail(Error::not_a_pack);
    if (depth_ == kFieldDepth && label_) return fail(Error::bad_type);
    if (depth_ == kFieldDepth + static_cast<int>(kDeepestUnknown)) return fail(Error::too_large);
    ++depth_;
    return true;
  }

  Pack& pack_;
  std::optional<RecordBuilder> record_;  // of the last record of the pack
  std::optional<Label> label_;
  std::optional<Error> error_;
  int depth_ = 0;
};

// -- writing ----------------------------------------------------------------------------------------------------------

Json number(double value) {
  if (const auto whole = exact_integer(value)) return *whole;
  return value;
}

struct ValueWriter {
  Json& object;

  void operator()(std::monostate) const {}
  void operator()(double value) const { object["v"] = number(value); }
  void operator()(const std::string& value) const { object["vs"] = value; }
  void operator()(bool value) const { object["vb"] = value; }
  void operator()(const Bytes& value) const { object["vd"] = to_base64url(value); }
};

Json to_object(const Record& record) {
  Json object = Json::object();
  const auto put = [&](const char* label, const std::optional<double>& value) {
    if (value) object[label] = number(*value);
  };
  if (record.base_name) object["bn"] = *record.base_name;
  put("bt", record.base_time);
  if (record.base_unit) object["bu"] = *record.base_unit;
  put("bv", record.base_value);
  put("bs", record.base_sum);
  if (record.base_version) object["bver"] = *record.base_version;
  if (!record.name.empty()) object["n"] = record.name;
  if (!record.unit.empty()) object["u"] = record.unit;
  std::visit(ValueWriter{object}, record.value);
  put("s", record.sum);
  put("t", record.time);
  put("ut", record.update_time);
  return object;
}

}  // namespace

Result<Pack, Error> decode_json(std::string_view text, std::size_t* at) {
  if (at != nullptr) *at = 0;
  if (text.size() > kMostBytes) return Error::too_large;
  Pack pack;
  JsonPackReader reader(pack);
  if (!Json::sax_parse(text, &reader)) {
    if (at != nullptr) *at = pack.size();
    return reader.error().value_or(Error::not_json);
  }
  if (const auto error = check_pack(pack, at)) return *error;
  return pack;
}

std::string encode_json(const Pack& pack) {
  Json array = Json::array();
  for (const Record& record : pack) array.push_back(to_object(record));
  // A string that is not UTF-8 is shown with replacement characters: writing must not throw.
  return array.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace coap::senml
