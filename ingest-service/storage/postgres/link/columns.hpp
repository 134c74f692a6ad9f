#pragma once
// Rows on their way into a statement: a parameter a column, each an array with an element a row. Names and types stand
// once, where the values are said; statements are written from them.

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/link/types.hpp"

namespace wardlink::storage::postgres {

/// Columns as a statement writes them.
class ColumnNames {
 public:
  void add(std::string_view name, std::string_view type) { columns_.push_back({name, type}); }
  /// a, b
  std::string names() const;
  /// The rows k of the parameters from $1 on: unnest($1::bigint[], $2::text[]) k(a, b). Instants are microseconds in
  /// it, and arrays their text.
  std::string rows() const;
  /// The same with a column `place`: 1 for the first row.
  std::string rows_with_place() const;
  /// What the table's columns become of k: instant(k.a), k.b::smallint[]
  std::string values() const;
  /// What is read of x, so that Type::get() takes it: micros(x.a), x.b
  std::string fields() const;

 private:
  struct Named {
    std::string_view name, type;
  };
  template <typename Write>
  std::string joined(Write&& write) const;
  std::string parameters() const;
  std::vector<Named> columns_;
};

/// A column and what a row says in it.
template <typename Row>
struct Column {
  std::string_view name, type;
  void (*put)(ArrayText&, const Row&);
};

/// `value` takes a row and captures nothing; what it returns says the column's type.
template <typename Row, typename Value>
Column<Row> column(std::string_view name, Value) {
  using Kept = Type<std::decay_t<std::invoke_result_t<Value, const Row&>>>;
  return {name, Kept::sql, [](ArrayText& array, const Row& row) { Kept::put(array, Value{}(row)); }};
}

template <typename Row>
class Columns : public ColumnNames {
 public:
  Columns(std::vector<Column<Row>> columns) : columns_(std::move(columns)) {
    for (const auto& each : columns_) add(each.name, each.type);
  }
  /// The statement's parameters, of a range of rows.
  template <typename Rows>
  Parameters arrays(const Rows& rows) const {
    Parameters arrays;
    arrays.reserve(columns_.size());
    for (const auto& column : columns_) {
      ArrayText array;
      for (const auto& row : rows) column.put(array, row);
      arrays.push_back(std::move(array).text());
    }
    return arrays;
  }

 private:
  std::vector<Column<Row>> columns_;
};

}  // namespace wardlink::storage::postgres
