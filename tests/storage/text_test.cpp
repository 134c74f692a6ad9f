#include "storage/postgres/link/text.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <random>

namespace wardlink::storage::postgres {
namespace {

TEST(Text, ADoubleIsItsShortestTextAndReadsBackTheSame) {
  EXPECT_EQ(to_text(37.6), "37.6");
  EXPECT_EQ(to_text(0.1), "0.1");
  std::mt19937_64 random(20240229);
  for (int i = 0; i < 100'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (value != value) continue;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read_double(to_text(value))), std::bit_cast<std::uint64_t>(value));
  }
}

TEST(Text, ArraysQuoteWhatNeedsIt) {
  EXPECT_EQ(ArrayText().text(), "{}");
  EXPECT_EQ(ArrayText().add(std::int64_t{-1}).add_null().add_array(std::vector<std::uint16_t>{1, 2}).text(),
            R"({-1,NULL,"{1,2}"})");
  EXPECT_EQ(array_of(std::vector<std::string>{R"(a"b\c)", "{,}", ""}), R"({"a\"b\\c","{,}",""})");
}

TEST(Text, ArraysReadBack) {
  EXPECT_EQ(read_array<double>("{1.5,-2,1e-300}"), (std::vector<double>{1.5, -2, 1e-300}));
  EXPECT_EQ(read_array<std::uint16_t>("{}"), std::vector<std::uint16_t>{});
}

TEST(Text, WhatIsNoNumberIsABug) { EXPECT_THROW(read_integer("12x"), std::logic_error); }

}  // namespace
}  // namespace wardlink::storage::postgres
