// An array that an enumeration indexes has a place for each enumerator.

#include "ingest/payload/enum_count.hpp"

#include <gtest/gtest.h>

#include "ingest/shard/shard_stats.hpp"

namespace wardlink::ingest {
namespace {

template <class Enum>
constexpr std::size_t up_to(Enum last) {
  return static_cast<std::size_t>(last) + 1;
}

TEST(EnumCount, IsOfAllEnumerators) {
  EXPECT_EQ(count_of<QuarantineReason>(), up_to(QuarantineReason::bad_run));
  EXPECT_EQ(count_of<RecordResult>(), up_to(RecordResult::superseded));
  EXPECT_EQ(count_of<PostEnd>(), up_to(PostEnd::shed));
  EXPECT_EQ(count_of<coap::CloseReason>(), up_to(coap::CloseReason::protocol));
}

}  // namespace
}  // namespace wardlink::ingest
