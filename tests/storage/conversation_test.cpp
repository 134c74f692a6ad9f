// What one stream from ingest says is dated by storage's calendar, whatever the calendar and the clocks are. TIME-1

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <tuple>
#include <utility>

#include "storage/api/ingest_conversation.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr char device[] = "urn:dev:os:32473-a";
constexpr Instant noon{seconds{1'764'000'000}};

/// A stream to a store in memory whose calendar and clock the test sets.
class ConversationTest : public testing::Test {
 protected:
  void pass(microseconds time) {
    clock += time;
    calendar += time;
  }
  v1::IngestResponse say(const v1::IngestRequest& request) { return conversation.handle(request, clock).value(); }
  v1::Stamp stamp(std::uint64_t number) {
    v1::IngestRequest request;
    request.mutable_stamp_request()->set_number(number);
    return say(request).stamp();
  }
  /// The device's clock showed `tick` so long after the stamp.
  v1::AttachResult attach(std::uint64_t boot, std::uint64_t tick, std::uint64_t number, microseconds after,
                          microseconds uncertainty = {}) {
    v1::IngestRequest request;
    auto& attach = *request.mutable_attach();
    attach.set_session(boot);
    attach.set_device(device);
    attach.set_boot(boot);
    attach.set_stamp(number);
    attach.mutable_exchange()->set_tick_ms(tick);
    attach.mutable_exchange()->set_after_us(after.count());
    attach.mutable_exchange()->set_uncertainty_us(static_cast<std::uint64_t>(uncertainty.count()));
    return say(request).attach_result();
  }
  v1::IngestRequest set_of(std::uint64_t boot, std::uint64_t sequence, std::uint64_t tick, std::uint64_t number,
                           microseconds after) const {
    v1::IngestRequest request;
    request.mutable_append()->set_batch(sequence);
    request.mutable_append()->set_stamp(number);
    auto& record = *request.mutable_append()->add_records();
    record.set_session(boot);
    record.set_stream(v1::STREAM_VITALS);
    record.set_sequence(sequence);
    record.set_tick_ms(tick);
    record.set_received_after_us(after.count());
    record.mutable_signs()->add_sign(1);
    record.mutable_signs()->add_value(72);
    record.mutable_signs()->add_quality(0);
    return request;
  }
  StoredSet stored(std::uint64_t sequence) const {
    for (const auto& row : store.rows().sets)
      if (row.sequence == sequence) return row;
    ADD_FAILURE() << "it is not there";
    return {};
  }

  Instant calendar = noon;
  Moment clock{hours{3}};
  /// The next looks at the calendar wait so long for the database before it is read, and again for the answer.
  std::deque<std::pair<microseconds, microseconds>> waits;
  Instant read() {
    if (waits.empty()) return calendar;
    const auto [before, after] = waits.front();
    waits.pop_front();
    pass(before);
    const auto shown = calendar;
    pass(after);
    return shown;
  }
  MemoryStore store{{.now = [this] { return read(); }, .new_id = [] { return std::string("id"); }}};
  CalendarWatch watch{store, "host", [this] { return clock; }};
  IngestConversation conversation{store.open_writer(), [this] { return clock; }, watch, [](auto, auto) {}};
};

TEST_F(ConversationTest, WhatIngestTellsIsSoLongAfterItsStamp) {
  stamp(1);
  pass(seconds{10});
  EXPECT_EQ(attach(7, 5'000, 1, seconds{4}).refusal(), "");  // received at noon + 4 s
  pass(seconds{20});
  say(set_of(7, 1, 6'500, 1, milliseconds{5'700}));
  EXPECT_EQ(stored(1).measured_at, noon + milliseconds{5'500});
  EXPECT_EQ(stored(1).received_at, noon + milliseconds{5'700});
  say(set_of(7, 2, 1'000, 1, seconds{-2}));  // it was received before the stream began
  EXPECT_EQ(stored(2).received_at, noon - seconds{2});
}

/// However long a batch waits on its way, or for the database, it was received when it was.
TEST_F(ConversationTest, NoQueueCountsAsTime) {
  stamp(1);
  const auto request = set_of(7, 1, 6'500, 1, milliseconds{5'700});
  pass(minutes{5});
  attach(7, 5'000, 1, seconds{4});
  say(request);
  EXPECT_EQ(stored(1).measured_at, noon + milliseconds{5'500});
  EXPECT_EQ(stored(1).received_at, noon + milliseconds{5'700});
}

/// A database that hung, or a connection to it that was made anew, while the calendar was asked for.
TEST_F(ConversationTest, NoWaitForTheCalendarCountsAsTime) {
  std::uint64_t last = 0;
  for (const auto& [before, after] :
       {std::pair{seconds{15}, seconds{0}}, {seconds{0}, seconds{15}}, {seconds{1}, seconds{0}}}) {
    const std::uint64_t boot = ++last;
    stamp(boot);
    const auto then = calendar;
    waits = {{before, after}};
    attach(boot, 5'000, boot, {});
    waits = {{before, after}, {before, after}};
    say(set_of(boot, boot, 6'000, boot, milliseconds{1'100}));
    EXPECT_EQ(stored(boot).measured_at, then + seconds{1});
    EXPECT_EQ(stored(boot).received_at, then + milliseconds{1'100});
  }
}

/// Then the quickest look counts, and no more are taken.
TEST_F(ConversationTest, ADatabaseThatIsAlwaysSlowIsStillWrittenTo) {
  stamp(1);
  attach(7, 5'000, 1, {});
  const auto then = calendar;
  waits = {{seconds{3}, {}}, {milliseconds{200}, {}}, {seconds{3}, {}}, {seconds{3}, {}}};
  say(set_of(7, 1, 6'000, 1, {}));
  EXPECT_LE(std::chrono::abs(stored(1).received_at - then), milliseconds{100});
}

/// The calendar that holds when it is stored dates it: one that was set meanwhile does not date some of it by the one
/// and some by the other.
TEST_F(ConversationTest, ACalendarThatWasSetDatesWhatIsMeasuredFromThenOn) {
  std::uint64_t last = 0;
  for (const auto step : {microseconds{hours{1}}, microseconds{hours{-1}}, microseconds{seconds{-1}}}) {
    const std::uint64_t boot = ++last, number = boot;
    stamp(number);
    pass(seconds{2});
    calendar += step;
    const auto then = calendar - seconds{2};  // what it would have shown at the stamp
    attach(boot, 5'000, number, seconds{1});
    pass(seconds{1});
    say(set_of(boot, boot, 6'500, number, milliseconds{2'600}));
    EXPECT_EQ(stored(boot).measured_at, then + milliseconds{2'500});
    EXPECT_EQ(stored(boot).received_at, then + milliseconds{2'600});
  }
}

TEST_F(ConversationTest, TheSecondStampBearsTheCalendarThoughNothingIsAttached) {
  EXPECT_FALSE(stamp(1).has_calendar()) << "the first one is answered at once";
  pass(seconds{1});
  EXPECT_EQ(stamp(2).calendar().seconds(), (noon + seconds{1}).time_since_epoch() / seconds{1});
}

TEST_F(ConversationTest, AStampBearsTheCalendarOnceItIsKnown) {
  EXPECT_FALSE(stamp(1).has_calendar());
  attach(7, 0, 1, {});
  pass(seconds{30});
  const auto told = stamp(2).calendar();
  EXPECT_EQ(told.seconds(), (noon + seconds{30}).time_since_epoch() / seconds{1});
}

TEST_F(ConversationTest, AStreamWithoutStampsIsRefusedWithOneSentence) {
  const auto refusal = [&](const v1::IngestRequest& request) -> std::string {
    try {
      conversation.handle(request, clock);
    } catch (const StoreError& error) {
      EXPECT_EQ(error.kind(), StoreError::Kind::precondition);
      return error.what();
    }
    return "";
  };
  v1::IngestRequest attach;
  attach.mutable_attach()->set_device(device);
  v1::IngestRequest all;
  all.mutable_attach_all()->add_attaches()->set_device(device);
  for (const auto& request : {attach, all, set_of(7, 1, 0, 0, {})})
    EXPECT_THAT(refusal(request), HasSubstr("this ingest sends no stamps: bring wardlink-ingest to storage's version"));
  stamp(4);
  for (const std::uint64_t number : {0, 3, 5}) EXPECT_THAT(refusal(set_of(7, 1, 0, number, {})), HasSubstr("a stamp"));
  constexpr auto longest = microseconds::max();
  EXPECT_THAT(refusal(set_of(7, 1, 0, 4, longest)), HasSubstr("a stamp"));
  v1::IngestRequest again;
  again.mutable_stamp_request()->set_number(4);
  EXPECT_THAT(refusal(again), HasSubstr("must be above"));
  EXPECT_TRUE(store.rows().sets.empty());
}

/// TIME-2: one that differs by no more than it may be wrong by and half a second agrees, and moves nothing.
TEST_F(ConversationTest, AnExchangeThatAgreesMovesNothing) {
  stamp(1);
  attach(7, 5'000, 1, seconds{4});
  std::uint64_t tick = 5'000;
  for (const auto& [off, moves] : {std::pair{milliseconds{0}, false},
                                   {milliseconds{520}, false},
                                   {milliseconds{-520}, false},
                                   {milliseconds{521}, true},
                                   {milliseconds{521 + 520}, false},
                                   {milliseconds{0}, true}}) {
    tick += 60'000;
    attach(7, tick, 1, milliseconds{tick} - seconds{1} + off, milliseconds{20});
    const auto last = store.rows().starts.at(0).exchanges.back();
    EXPECT_EQ(last.from_tick.has_value(), moves) << off.count() << " ms";
    EXPECT_EQ(last.tick_ms, tick);
  }
  EXPECT_EQ(store.rows().starts.at(0).anchor, noon - seconds{1}) << "the first one stays";
}

// TIME-2: what no calendar holds the beginning of is attached, and what it brings is dated by its reception.
TEST_F(ConversationTest, WhatBeganOutsideOfAnyCalendarIsDatedByItsReception) {
  stamp(1);
  for (const std::uint64_t tick : {(1ULL << 53) - 1, 1ULL << 53, ~0ULL}) {
    const auto boot = 7 + tick % 3;
    EXPECT_EQ(attach(boot, tick, 1, {}).refusal(), "");
    const auto answer = say(set_of(boot, 1 + tick % 5, (1ULL << 53) - 1, 1, seconds{2}));
    EXPECT_EQ(answer.append_result().results(0), v1::RECORD_RESULT_COMMITTED);
  }
  ASSERT_EQ(store.rows().sets.size(), 3U);
  for (const auto& row : store.rows().sets) {
    EXPECT_EQ(row.measured_at, noon + seconds{2});
    EXPECT_GT(row.clock_jump, microseconds{hours{24}});
  }
  EXPECT_TRUE(store.rows().quarantine.empty());
}

// TIME-2: a debt of a start that nobody knows, whose tick says that it began before any calendar.
TEST_F(ConversationTest, ADebtIsTakenWhateverItsTickSays) {
  stamp(1);
  attach(7, 1000, 1, {});
  for (const std::uint64_t tick : {1ULL << 40, 1ULL << 46, 1ULL << 61}) {
    auto debt = set_of(7, 1, tick, 1, seconds{2});
    debt.mutable_append()->mutable_records(0)->set_boot(8 + tick % 5);
    EXPECT_EQ(say(debt).append_result().results(0), v1::RECORD_RESULT_COMMITTED) << tick;
  }
  for (const auto& row : store.rows().sets) EXPECT_EQ(row.measured_at, noon + seconds{2}) << row.tick_ms;
  EXPECT_TRUE(store.rows().quarantine.empty());
}

}  // namespace
}  // namespace wardlink::storage
