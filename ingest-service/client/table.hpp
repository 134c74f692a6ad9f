#pragma once
// Text in columns: as wide as the widest cell, two spaces between, no trailing blanks.

#include <ostream>
#include <string>
#include <vector>

namespace wardlink::command_line {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell a column; an empty cell is printed as "-" unless its column has no title. Characters that would break a
  /// line or drive a terminal are shown as '?'.
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }
  void print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// The shortest decimal text that reads back as the same double.
std::string number_text(double value);

}  // namespace wardlink::command_line
