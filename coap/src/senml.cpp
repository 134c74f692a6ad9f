#include "coap/senml.hpp"

#include <algorithm>
#include <cmath>

#include "senml_record.hpp"

namespace coap::senml {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_name_char(char c) { return is_alphanumeric(c) || std::string_view("-:./_").find(c) != std::string_view::npos; }

bool all_name_chars(std::string_view part) { return std::all_of(part.begin(), part.end(), is_name_char); }

/// §4.5.1, of base name and name put together.
bool is_good_name(std::string_view base, std::string_view name) {
  const std::string_view beginning = base.empty() ? name : base;
  return !beginning.empty() && is_alphanumeric(beginning.front()) && all_name_chars(base) && all_name_chars(name);
}

/// §4.1: what base fields apply to a record, from those before it and its own.
struct Base {
  std::string_view name, unit;
  std::optional<double> time, value, sum;

  void take(const Record& record) {
    if (record.base_name) name = *record.base_name;
    if (record.base_unit) unit = *record.base_unit;
    if (record.base_time) time = record.base_time;
    if (record.base_value) value = record.base_value;
    if (record.base_sum) sum = record.base_sum;
  }
};

/// §4.4: all records of a pack have one version; the first may name it, and without a word it is 10.
bool is_version_fine(const Pack& pack) {
  std::uint64_t version = kVersion;
  for (std::size_t i = 0; i < pack.size(); ++i) {
    const auto& stated = pack[i].base_version;
    if (!stated) continue;
    if (*stated == 0 || *stated > kVersion) return false;
    if (i == 0) version = *stated;
    if (*stated != version) return false;
  }
  return true;
}

/// §4.5.3, §4.5.4: what is missing counts as zero; where both are missing there is none.
std::optional<double> add(const std::optional<double>& base, const std::optional<double>& own) {
  if (!base && !own) return std::nullopt;
  return base.value_or(0) + own.value_or(0);
}

bool is_finite(const std::optional<double>& number) { return !number || std::isfinite(*number); }

bool all_finite(const Record& record) {
  const double* value = std::get_if<double>(&record.value);
  return (value == nullptr || std::isfinite(*value)) && is_finite(record.sum) && is_finite(record.time);
}

void apply_value(const Base& base, Record& record) {
  if (!base.value) return;
  if (std::holds_alternative<std::monostate>(record.value)) record.value = 0.0;
  if (double* value = std::get_if<double>(&record.value)) *value += *base.value;
}

Record resolve_one(const Base& base, const Record& record) {
  Record resolved;
  resolved.name.reserve(base.name.size() + record.name.size());
  resolved.name.append(base.name).append(record.name);
  resolved.unit = record.unit.empty() ? std::string(base.unit) : record.unit;
  resolved.value = record.value;
  resolved.sum = add(base.sum, record.sum);
  resolved.time = add(base.time, record.time);
  resolved.update_time = record.update_time;
  apply_value(base, resolved);
  return resolved;
}

}  // namespace

std::optional<Error> check_pack(const Pack& pack, std::size_t* at) {
  if (pack.size() > kMostRecords) return Error::too_large;
  if (!is_version_fine(pack)) return Error::bad_version;
  Base base;
  for (const Record& record : pack) {
    if (at != nullptr) *at = static_cast<std::size_t>(&record - pack.data()) + 1;
    base.take(record);
    if (!is_good_name(base.name, record.name)) return Error::bad_name;
    const bool valued = !std::holds_alternative<std::monostate>(record.value) || record.sum || base.value || base.sum;
    if (!valued) return Error::no_value;
  }
  if (at != nullptr) *at = 0;
  return std::nullopt;
}

std::optional<Error> RecordBuilder::claim(Label label) {
  const std::uint32_t bit = 1u << (static_cast<int>(label) - static_cast<int>(Label::bs));
  if ((seen_ & bit) != 0) return Error::bad_label;  // twice in one record
  seen_ |= bit;
  return std::nullopt;
}

std::optional<Error> RecordBuilder::claim_value(Label label) {
  if (const auto error = claim(label)) return error;
  if (!std::holds_alternative<std::monostate>(record_->value)) return Error::two_values;
  return std::nullopt;
}

std::optional<Error> RecordBuilder::text(Label label, std::string_view value) {
  if (label == Label::vs) {
    if (const auto error = claim_value(label)) return error;
    record_->value = std::string(value);
    return std::nullopt;
  }
  if (const auto error = claim(label)) return error;
  switch (label) {
    case Label::bn:
      record_->base_name = value;
      return std::nullopt;
    case Label::bu:
      record_->base_unit = value;
      return std::nullopt;
    case Label::n:
      record_->name = value;
      return std::nullopt;
    case Label::u:
      record_->unit = value;
      return std::nullopt;
    default:
      return Error::bad_type;
  }
}

std::optional<Error> RecordBuilder::number(Label label, double value) {
  if (!std::isfinite(value)) return Error::bad_number;
  if (label == Label::v) {
    if (const auto error = claim_value(label)) return error;
    record_->value = value;
    return std::nullopt;
  }
  if (const auto error = claim(label)) return error;
  switch (label) {
    case Label::bt:
      record_->base_time = value;
      return std::nullopt;
    case Label::bv:
      record_->base_value = value;
      return std::nullopt;
    case Label::bs:
      record_->base_sum = value;
      return std::nullopt;
    case Label::s:
      record_->sum = value;
      return std::nullopt;
    case Label::t:
      record_->time = value;
      return std::nullopt;
    case Label::ut:
      record_->update_time = value;
      return std::nullopt;
    case Label::bver: {
      const auto version = exact_integer(value);
      if (!version || *version <= 0) return Error::bad_version;  // §4.1: a positive integer
      record_->base_version = static_cast<std::uint64_t>(*version);
      return std::nullopt;
    }
    default:
      return Error::bad_type;
  }
}

std::optional<Error> RecordBuilder::boolean(Label label, bool value) {
  if (label != Label::vb) return Error::bad_type;
  if (const auto error = claim_value(label)) return error;
  record_->value = value;
  return std::nullopt;
}

std::optional<Error> RecordBuilder::data(Label label, Bytes value) {
  if (label != Label::vd) return Error::bad_type;
  if (const auto error = claim_value(label)) return error;
  record_->value = std::move(value);
  return std::nullopt;
}

Result<Pack, Error> resolve(const Pack& pack) {
  if (const auto error = check_pack(pack)) return *error;
  Pack resolved;
  resolved.reserve(pack.size());
  Base base;
  const auto version = pack.empty() ? std::nullopt : pack.front().base_version;
  for (const Record& record : pack) {
    base.take(record);
    Record& last = resolved.emplace_back(resolve_one(base, record));
    if (!all_finite(last)) return Error::bad_number;                   // a sum of two finite numbers may not be one
    if (version && *version != kVersion) last.base_version = version;  // §4.6
  }
  return resolved;
}

const char* to_string(Error error) {
  switch (error) {
    case Error::not_cbor:
      return "not_cbor";
    case Error::not_json:
      return "not_json";
    case Error::not_a_pack:
      return "not_a_pack";
    case Error::bad_label:
      return "bad_label";
    case Error::bad_type:
      return "bad_type";
    case Error::bad_number:
      return "bad_number";
    case Error::two_values:
      return "two_values";
    case Error::no_value:
      return "no_value";
    case Error::bad_name:
      return "bad_name";
    case Error::bad_version:
      return "bad_version";
    case Error::must_understand:
      return "must_understand";
    case Error::too_large:
      return "too_large";
  }
  return "unknown";
}

}  // namespace coap::senml
