#pragma once
// C++ types as PostgreSQL's: the type of a column, an element of an array parameter, and back from a field.

#include <concepts>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "storage/port/numbers.hpp"
#include "storage/postgres/link/text.hpp"
#include "storage/postgres/link/unknown_numbers.hpp"

namespace wardlink::storage::postgres {

/// A number that no enumerator of this version has was written by a newer one, and is noted: the enumerator of that
/// number, or of 0 where it does not fit. It is like none that this version sends.
template <typename Enum>
Enum read_enum(const pqxx::field& field) {
  const auto number = field.as<std::int64_t>();
  const auto value = fitting<Enum>(number).value_or(Enum{});
  if (!known(value)) note_unknown_number(field.name(), number);
  return value;
}

/// `sql` is the column's type. get() takes no NULL, unless it says so.
template <typename Value>
struct Type;

/// smallint, integer and bigint have no unsigned likeness: half of the numbers fit.
template <std::integral Number>
struct Type<Number> {
  static constexpr std::string_view sql = sizeof(Number) == 2 ? "smallint" : sizeof(Number) == 4 ? "integer" : "bigint";
  static void put(ArrayText& array, Number value) { array.add(static_cast<std::int64_t>(value)); }
  static Number get(const pqxx::field& field) { return field.as<Number>(); }
};

template <typename Enum>
requires std::is_enum_v<Enum>
struct Type<Enum> {
  static constexpr std::string_view sql = "smallint";
  static void put(ArrayText& array, Enum value) { array.add(static_cast<std::int64_t>(value)); }
  static Enum get(const pqxx::field& field) { return read_enum<Enum>(field); }
};

template <>
struct Type<bool> {
  static constexpr std::string_view sql = "boolean";
  static void put(ArrayText& array, bool value) { array.add(value ? "t" : "f"); }
  static bool get(const pqxx::field& field) { return field.as<bool>(); }
};

template <>
struct Type<double> {
  static constexpr std::string_view sql = "float8";
  static void put(ArrayText& array, double value) { array.add(value); }
  static double get(const pqxx::field& field) { return read_double(field.c_str()); }
};

template <>
struct Type<std::string> {
  static constexpr std::string_view sql = "text";
  static void put(ArrayText& array, std::string_view value) { array.add_quoted(value); }
  static std::string get(const pqxx::field& field) { return field.as<std::string>(); }
};

/// Travels as microseconds both ways.
template <>
struct Type<Instant> {
  static constexpr std::string_view sql = "timestamptz";
  static void put(ArrayText& array, Instant at) { array.add(std::int64_t{at.time_since_epoch().count()}); }
  static Instant get(const pqxx::field& field) { return read_instant(field.c_str()); }
};

template <>
struct Type<std::chrono::microseconds> {
  static constexpr std::string_view sql = "bigint";
  static void put(ArrayText& array, std::chrono::microseconds span) { array.add(std::int64_t{span.count()}); }
  static std::chrono::microseconds get(const pqxx::field& field) {
    return std::chrono::microseconds{field.as<std::int64_t>()};
  }
};

template <>
struct Type<std::vector<double>> {
  static constexpr std::string_view sql = "float8[]";
  static void put(ArrayText& array, const std::vector<double>& values) { array.add_array(values); }
  static std::vector<double> get(const pqxx::field& field) { return read_array<double>(field.c_str()); }
};

template <>
struct Type<std::vector<std::uint16_t>> {
  static constexpr std::string_view sql = "smallint[]";
  static void put(ArrayText& array, const std::vector<std::uint16_t>& values) { array.add_array(values); }
  static std::vector<std::uint16_t> get(const pqxx::field& field) { return read_array<std::uint16_t>(field.c_str()); }
};

template <>
struct Type<std::vector<std::string>> {
  static constexpr std::string_view sql = "text[]";
  static void put(ArrayText& array, const std::vector<std::string>& values) { array.add_quoted(array_of(values)); }
};

/// Nothing is NULL.
template <typename Value>
struct Type<std::optional<Value>> {
  static constexpr std::string_view sql = Type<Value>::sql;
  static void put(ArrayText& array, const std::optional<Value>& value) {
    value ? Type<Value>::put(array, *value) : void(array.add_null());
  }
  static std::optional<Value> get(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return Type<Value>::get(field);
  }
};

/// 0 is NULL.
template <typename Number>
struct ZeroIsNull : Type<Number> {
  static void put(ArrayText& array, Number value) {
    value != 0 ? Type<Number>::put(array, value) : void(array.add_null());
  }
  static Number get(const pqxx::field& field) { return field.is_null() ? Number{0} : Type<Number>::get(field); }
};

/// The empty string is NULL. Also of a uuid.
struct EmptyIsNull : Type<std::string> {
  static void put(ArrayText& array, std::string_view value) {
    value.empty() ? void(array.add_null()) : Type<std::string>::put(array, value);
  }
  static std::string get(const pqxx::field& field) { return field.as<std::string>(""); }
};

/// Bytes in a string.
struct Bytes {
  static constexpr std::string_view sql = "bytea";
  static void put(ArrayText& array, std::string_view value) { array.add_quoted(to_text_of_bytes(value)); }
  static std::string get(const pqxx::field& field) { return read_bytes(field.c_str()); }
};

template <typename Member>
struct MemberPointer;
template <typename Owner_, typename Value_>
struct MemberPointer<Value_ Owner_::*> {
  using Owner = Owner_;
  using Value = Value_;
};

}  // namespace wardlink::storage::postgres
