// The option registry and what a message's options are checked for. COAP-03, MSG-08.

#include "coap/option.hpp"

#include <gtest/gtest.h>

#include "coap/message.hpp"
#include "hex.hpp"

namespace {

using namespace coap;
using coap::test::hex;
using N = OptionNumber;

// RFC 7252 §5.10 Table 4, RFC 7641 §2, RFC 7959 §2.1, RFC 9175: number, repeatable, lengths.
struct Row {
  int number;
  bool repeatable;
  int shortest, longest;
};
const Row kTable[] = {{1, true, 0, 8},      {3, false, 1, 255},  {4, true, 1, 8},    {5, false, 0, 0},
                      {6, false, 0, 3},     {7, false, 0, 2},    {8, true, 0, 255},  {11, true, 0, 255},
                      {12, false, 0, 2},    {14, false, 0, 4},   {15, true, 0, 255}, {17, false, 0, 2},
                      {20, true, 0, 255},   {23, false, 0, 3},   {27, false, 0, 3},  {28, false, 0, 4},
                      {35, false, 1, 1034}, {39, false, 1, 255}, {60, false, 0, 4},  {252, false, 1, 40},
                      {258, false, 0, 1},   {292, true, 0, 8}};

TEST(Registry, IsTheRfcs) {
  for (const Row& row : kTable) {
    const OptionRule* rule = find_option(static_cast<N>(row.number));
    ASSERT_NE(rule, nullptr) << row.number;
    EXPECT_EQ(static_cast<int>(rule->number), row.number);
    EXPECT_EQ(rule->repeatable, row.repeatable) << rule->name;
    EXPECT_EQ(rule->min_length, row.shortest) << rule->name;
    EXPECT_EQ(rule->max_length, row.longest) << rule->name;
  }
}

TEST(Registry, KnowsNoOther) {
  std::size_t known = 0;
  for (int number = 0; number <= 0xffff; ++number) known += find_option(static_cast<N>(number)) != nullptr ? 1 : 0;
  EXPECT_EQ(known, std::size(kTable));
}

TEST(Registry, OddIsCritical) {
  EXPECT_TRUE(is_critical(N::uri_path));
  EXPECT_TRUE(is_critical(N::block2));
  EXPECT_FALSE(is_critical(N::observe));
  EXPECT_FALSE(is_critical(N::request_tag));
}

TEST(CriticalFault, TakesEveryAllowedLengthAndNoOther) {
  for (const Row& row : kTable) {
    const auto number = static_cast<N>(row.number);
    if (!is_critical(number)) continue;
    for (const int length : {row.shortest - 1, row.shortest, row.longest, row.longest + 1}) {
      if (length < 0) continue;
      Options options;
      options.add(number, Bytes(static_cast<std::size_t>(length), 'x'));
      const bool allowed = length >= row.shortest && length <= row.longest;
      EXPECT_EQ(critical_fault(options), allowed ? std::nullopt : std::optional(number)) << row.number << " " << length;
    }
  }
}

TEST(CriticalFault, FindsTheRepeatedOnesThatMayNotBe) {
  for (const Row& row : kTable) {
    const auto number = static_cast<N>(row.number);
    Options options;
    for (int i = 0; i < 2; ++i) options.add(number, Bytes(static_cast<std::size_t>(row.shortest), 'x'));
    const bool fault = is_critical(number) && !row.repeatable;
    EXPECT_EQ(critical_fault(options), fault ? std::optional(number) : std::nullopt) << row.number;
  }
}

TEST(CriticalFault, FindsUnknownCriticalOnesOnly) {
  Options options;
  options.add(static_cast<N>(2048), hex("01"));
  EXPECT_EQ(critical_fault(options), std::nullopt);
  options.add(static_cast<N>(9), hex("01"));  // OSCORE: not spoken here
  EXPECT_EQ(critical_fault(options), static_cast<N>(9));
}

TEST(CriticalFault, NamesTheFirst) {
  Options options;
  options.add(static_cast<N>(2049), hex(""));
  options.add(static_cast<N>(9), hex(""));
  EXPECT_EQ(critical_fault(options), static_cast<N>(9));
}

TEST(OptionOrder, IsByNumberAndThenByAdding) {
  Options options;
  options.add(N::uri_query, "b");
  options.add(N::uri_path, "x");
  options.add_uint(N::observe, 0);
  options.add(N::uri_query, "a");
  options.add(N::uri_path, "y");
  std::vector<N> numbers;
  for (const auto& option : options.all()) numbers.push_back(option.number);
  EXPECT_EQ(numbers, (std::vector{N::observe, N::uri_path, N::uri_path, N::uri_query, N::uri_query}));
  EXPECT_EQ(options.strings(N::uri_path), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(options.strings(N::uri_query), (std::vector<std::string>{"b", "a"}));
}

TEST(OptionUint, IsWrittenInItsShortestForm) {
  const std::pair<std::uint32_t, const char*> forms[] = {
      {0, ""}, {1, "01"}, {255, "ff"}, {256, "01 00"}, {0x10000, "01 00 00"}, {0xffffffff, "ff ff ff ff"}};
  for (const auto& [number, bytes] : forms) {
    Options options;
    options.add_uint(N::max_age, number);
    EXPECT_EQ(options.all()[0].value, hex(bytes));
    EXPECT_EQ(options.uint(N::max_age), number);
  }
}

// RFC 7252 §3.2: a recipient takes leading zeros.
TEST(OptionUint, IsReadWithLeadingZeros) {
  Options options;
  options.add(N::max_age, hex("00 00 01"));
  EXPECT_EQ(options.uint(N::max_age), 1u);
}

TEST(OptionUint, IsNotReadFromAnAbsentOrOverlongOne) {
  Options options;
  EXPECT_EQ(options.uint(N::uri_port), std::nullopt);
  options.add(N::uri_port, hex("01 02 03 04 05"));
  EXPECT_EQ(options.uint(N::uri_port), std::nullopt);
}

// RFC 7252 §5.4.5: of an option that may not be repeated the first counts.
TEST(OptionFirst, IsTheFirst) {
  Options options;
  options.add_uint(N::observe, 5);
  options.add_uint(N::observe, 6);
  EXPECT_EQ(options.uint(N::observe), 5u);
  EXPECT_FALSE(options.first(N::etag).has_value());
}

}  // namespace
