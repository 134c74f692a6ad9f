#pragma once
// Values as PostgreSQL's text, exact in both directions: a double is its shortest text that reads back the same, an
// instant its microseconds (functions instant() and micros() of the schema).

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/port/record.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::postgres {

std::string to_text(double value);
std::string to_text(std::uint64_t value);
std::string to_text(std::int64_t value);
std::string to_text(Instant at);
/// A timestamptz, for parameters that bound what is read: unlike instant(), it is a constant to the planner, who then
/// opens only the partitions that it leads to.
std::string stamp_text(Instant at);

double read_double(std::string_view text);
std::int64_t read_integer(std::string_view text);
std::uint16_t read_small(std::string_view text);
Instant read_instant(std::string_view micros);

/// The reverse of to_text_of_bytes().
std::string read_bytes(std::string_view text);

/// An array of one dimension, element by element; an element may be the text of another array.
class ArrayText {
 public:
  /// What needs no escape: no quotes, backslashes, commas, braces or spaces, not empty, not NULL.
  ArrayText& add(std::string_view plain);
  ArrayText& add(std::int64_t value);
  ArrayText& add(double value);
  /// Any text.
  ArrayText& add_quoted(std::string_view text);
  ArrayText& add_null() { return add("NULL"); }
  template <typename Number>
  ArrayText& add_array(const std::vector<Number>& numbers);
  std::string text() const& { return items_ + "}"; }
  std::string text() && { return std::move(items_ += '}'); }

 private:
  void separate();
  template <typename Number>
  void append(Number value);

  std::string items_ = "{";
  std::size_t size_ = 0;
};

template <typename Number>
void ArrayText::append(Number value) {
  std::array<char, 32> digits;
  items_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

template <typename Number>
ArrayText& ArrayText::add_array(const std::vector<Number>& numbers) {
  separate();
  // Quoted, so that its braces and commas are not taken for the outer array's.
  items_ += "\"{";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) items_ += ',';
    append(numbers[i]);
  }
  items_ += "}\"";
  return *this;
}

template <typename Number>
std::string array_of(const std::vector<Number>& numbers) {
  ArrayText array;
  for (const auto number : numbers) {
    if constexpr (std::is_floating_point_v<Number>) {
      array.add(number);
    } else {
      array.add(std::int64_t{number});
    }
  }
  return std::move(array).text();
}
std::string array_of(const std::vector<std::string>& texts);

/// The elements of an array of numbers.
std::vector<std::string_view> elements(std::string_view array);

template <typename Number>
std::vector<Number> read_array(std::string_view array) {
  std::vector<Number> numbers;
  for (const auto element : elements(array)) {
    if constexpr (std::is_floating_point_v<Number>) {
      numbers.push_back(read_double(element));
    } else {
      numbers.push_back(read_small(element));
    }
  }
  return numbers;
}

}  // namespace wardlink::storage::postgres
