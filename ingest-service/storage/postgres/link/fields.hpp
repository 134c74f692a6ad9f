#pragma once
// Rows on their way out: a SELECT list, and what each of its columns becomes.

#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/postgres/link/types.hpp"

namespace wardlink::storage::postgres {

/// An expression of a SELECT list and the member of a T that it becomes.
template <typename T>
struct Field {
  std::string expression;
  void (*get)(const pqxx::field&, T&);
};

/// `column` is of the member's type; an instant is asked for as microseconds. T is said where the member is a base's.
template <auto member, typename Kept = Type<typename MemberPointer<decltype(member)>::Value>,
          typename T = typename MemberPointer<decltype(member)>::Owner>
Field<T> field(const std::string& column) {
  return {Kept::sql == Type<Instant>::sql ? "micros(" + column + ")" : column,
          [](const pqxx::field& field, T& row) { row.*member = Kept::get(field); }};
}

template <typename T>
class Fields {
 public:
  Fields(std::vector<Field<T>> fields) : fields_(std::move(fields)) {
    for (const auto& each : fields_) list_ += (list_.empty() ? "" : ", ") + each.expression;
  }
  /// a, micros(b)
  const std::string& list() const { return list_; }
  pqxx::row::size_type size() const { return static_cast<pqxx::row::size_type>(fields_.size()); }
  /// The row's columns from `first` on are list().
  T read(const pqxx::row& row, pqxx::row::size_type first = 0) const {
    T made;
    for (const auto& field : fields_) field.get(row[first++], made);
    return made;
  }

 private:
  std::vector<Field<T>> fields_;
  std::string list_;
};

}  // namespace wardlink::storage::postgres
