#include "storage/postgres/link/columns.hpp"

namespace wardlink::storage::postgres {
namespace {

bool is_instant(std::string_view type) { return type == "timestamptz"; }
bool is_array(std::string_view type) { return type.ends_with("[]"); }

/// PostgreSQL has no arrays of arrays of different length.
std::string_view type_of_elements(std::string_view type) {
  if (is_instant(type)) return "bigint";
  return is_array(type) ? "text" : type;
}

}  // namespace

template <typename Write>
std::string ColumnNames::joined(Write&& write) const {
  std::string text;
  for (const auto& column : columns_) {
    if (!text.empty()) text += ", ";
    text += write(column);
  }
  return text;
}

std::string ColumnNames::names() const {
  return joined([](const Named& column) { return std::string(column.name); });
}

std::string ColumnNames::parameters() const {
  int number = 0;
  return "unnest(" + joined([&](const Named& column) {
           return "$" + std::to_string(++number) + "::" + std::string(type_of_elements(column.type)) + "[]";
         }) +
         ")";
}

std::string ColumnNames::rows() const { return parameters() + " k(" + names() + ")"; }

std::string ColumnNames::rows_with_place() const { return parameters() + " WITH ORDINALITY k(" + names() + ", place)"; }

std::string ColumnNames::values() const {
  return joined([](const Named& column) {
    const auto name = "k." + std::string(column.name);
    if (is_instant(column.type)) return "instant(" + name + ")";
    return is_array(column.type) ? name + "::" + std::string(column.type) : name;
  });
}

std::string ColumnNames::fields() const {
  return joined([](const Named& column) {
    const auto name = "x." + std::string(column.name);
    return is_instant(column.type) ? "micros(" + name + ")" : name;
  });
}

}  // namespace wardlink::storage::postgres
