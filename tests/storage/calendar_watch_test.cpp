// What becomes of the sessions that are attached, and of whoever else dates something, when the database's calendar is
// set. TIME-1

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "storage/api/ingest_conversation.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr Instant noon{std::chrono::seconds{1'764'000'000}};

std::string urn(std::uint64_t boot) { return "urn:dev:os:32473-" + std::to_string(boot); }

/// What a conversation asks of the store, in order.
struct Asked {
  std::vector<std::vector<std::pair<std::uint64_t, Instant>>> attached;  // boots, and when their ticks were 0
  std::vector<std::size_t> attached_before;                              // each append: how many attaches there were
  std::function<void()> after_reading;                                   // once
  int refusals = 0;                                                      // so many attaches to come are refused
};

class AskedWriter final : public RecordWriter {
 public:
  AskedWriter(std::unique_ptr<RecordWriter> inner, Asked& asked) : inner_(std::move(inner)), asked_(asked) {}
  Instant calendar() override {
    const auto shown = inner_->calendar();
    if (const auto then = std::exchange(asked_.after_reading, nullptr)) then();
    return shown;
  }
  std::vector<Attached> attach(std::span<const AttachRequest> requests) override {
    if (asked_.refusals > 0) {
      --asked_.refusals;
      throw StoreError(StoreError::Kind::away, "the test says so");
    }
    auto& all = asked_.attached.emplace_back();
    for (const auto& each : requests) all.emplace_back(each.boot, each.anchor);
    return inner_->attach(requests);
  }
  std::vector<std::shared_ptr<const Session>> at_boots(std::span<const AttachRequest> requests) override {
    return inner_->at_boots(requests);
  }
  std::vector<RecordResult> append(std::span<const Record> records) override {
    asked_.attached_before.push_back(asked_.attached.size());
    return inner_->append(records);
  }
  bool audit(std::span<const AuditFact> facts) override { return inner_->audit(facts); }

 private:
  const std::unique_ptr<RecordWriter> inner_;
  Asked& asked_;
};

/// Streams from ingest to processes on one host, whose store's calendar and clock the test sets.
class CalendarWatchTest : public testing::Test {
 protected:
  void pass(microseconds time, microseconds set = {}) {
    clock += time;
    calendar += time + set;
  }
  ReadBootClock reads_clock() {
    return [this] { return clock; };
  }

  struct Stream {
    Stream(CalendarWatchTest& test, CalendarWatch& watch)
        : clock(test.clock),
          conversation(std::make_unique<AskedWriter>(test.store.open_writer(), asked), test.reads_clock(), watch,
                       [](auto, auto) {}) {
      v1::IngestRequest request;
      request.mutable_stamp_request()->set_number(1);
      say(request);
      stamped = clock;
    }
    std::optional<v1::IngestResponse> say(const v1::IngestRequest& request) {
      return conversation.handle(request, clock);
    }
    /// A session under the number of its boot, whose clock shows `tick` now.
    v1::AttachResult attach(std::uint64_t boot, std::uint64_t tick, microseconds uncertainty = {}) {
      v1::IngestRequest request;
      auto& attach = *request.mutable_attach();
      attach.set_session(boot);
      attach.set_device(urn(boot));
      attach.set_boot(boot);
      attach.set_stamp(1);
      attach.mutable_exchange()->set_tick_ms(tick);
      attach.mutable_exchange()->set_uncertainty_us(static_cast<std::uint64_t>(uncertainty.count()));
      attach.mutable_exchange()->set_after_us((clock - stamped).count());
      return say(request)->attach_result();
    }
    void detach(std::uint64_t session) {
      v1::IngestRequest request;
      request.mutable_detach()->set_session(session);
      say(request);
    }
    v1::IngestRequest set_of(std::uint64_t boot, std::uint64_t sequence) const {
      v1::IngestRequest request;
      request.mutable_append()->set_batch(sequence);
      request.mutable_append()->set_stamp(1);
      auto& record = *request.mutable_append()->add_records();
      record.set_session(boot);
      record.set_stream(v1::STREAM_VITALS);
      record.set_sequence(sequence);
      record.set_tick_ms(sequence * 1'000);
      record.set_received_after_us((clock - stamped).count());
      record.mutable_signs()->add_sign(1);
      record.mutable_signs()->add_value(72);
      record.mutable_signs()->add_quality(0);
      return request;
    }
    void append(std::uint64_t boot, std::uint64_t sequence) { say(set_of(boot, sequence)); }

    const Moment& clock;
    Moment stamped;
    Asked asked;
    IngestConversation conversation;
  };

  /// Of the set as people see it.
  std::optional<microseconds> uncertainty_of(std::uint64_t boot, std::uint64_t sequence) {
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, urn(boot)};
    for (const auto& row : store.readings(query))
      if (row.sequence == sequence) return row.uncertainty;
    return std::nullopt;
  }

  Instant calendar = noon;
  Moment clock{3h};
  MemoryStore store{{.now = [this] { return calendar; }, .new_id = [] { return std::string("id"); }}};
  CalendarWatch watch{store, "host", reads_clock()};
  Stream stream{*this, watch};
};

TEST_F(CalendarWatchTest, WhatIsAttachedIsDatedAnewBeforeAnythingElseIs) {
  stream.attach(7, 5'000);
  stream.attach(8, 60'000);
  Instant seven = noon - 5s, eight = noon - 60s;
  std::size_t attaches = 2;
  std::uint64_t sequence = 0;
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-1'100ms}}) {
    pass(10s, set);
    seven += set, eight += set;
    stream.append(7, ++sequence);
    // By the calendar of before first, as long as that was right.
    ASSERT_THAT(stream.asked.attached, SizeIs(attaches += 2)) << set.count();
    EXPECT_THAT(stream.asked.attached[attaches - 2], ElementsAre(Pair(7, seven - set), Pair(8, eight - set)));
    EXPECT_THAT(stream.asked.attached.back(), ElementsAre(Pair(7, seven), Pair(8, eight)));
    EXPECT_EQ(stream.asked.attached_before.back(), attaches);
    stream.append(8, ++sequence);
    EXPECT_THAT(stream.asked.attached, SizeIs(attaches)) << "once";
  }
  EXPECT_EQ(watch.first_seen(), 3u);
}

TEST_F(CalendarWatchTest, ASessionThatComesIsAttachedAfterTheOthersWereDatedAnew) {
  stream.attach(7, 5'000);
  for (std::uint64_t boot = 8; const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{5s}}) {
    pass(10s, set);
    EXPECT_EQ(stream.attach(boot, 0).refusal(), "");
    const auto& attached = stream.asked.attached;
    ASSERT_GE(attached.size(), 2u);
    EXPECT_THAT(attached.back(), ElementsAre(Pair(boot, calendar)));
    EXPECT_EQ(attached[attached.size() - 2].front().second, calendar - (clock - Moment{3h}) - 5s);
    EXPECT_THAT(attached[attached.size() - 2], SizeIs(boot - 7)) << "all that there were";
    ++boot;
  }
}

/// The last exchange of each dates it, and none that has ended is attached again.
TEST_F(CalendarWatchTest, OnlyWhatIsAttachedIsDatedAnew) {
  stream.attach(7, 5'000);
  stream.attach(8, 0);
  pass(10s);
  stream.attach(7, 15'200);  // another exchange
  stream.detach(8);
  pass(10s, 1h);
  stream.append(7, 1);
  EXPECT_THAT(stream.asked.attached.back(), ElementsAre(Pair(7, noon + 1h - 5'200ms)));
}

/// The other stream's session, too, though it was told of the step by nobody.
TEST_F(CalendarWatchTest, AStepThatAnotherStreamHasFoundDatesAnew) {
  Stream alarms(*this, watch);
  stream.attach(7, 5'000);
  alarms.attach(7, 5'000);
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-5s}}) {
    pass(10s, set);
    stream.append(7, 1);
    pass(10s);
    alarms.append(7, 1);
    EXPECT_EQ(alarms.asked.attached.back(), stream.asked.attached.back());
  }
  EXPECT_THAT(alarms.asked.attached, SizeIs(7));
  EXPECT_THAT(store.system_alarms({}), SizeIs(3));
}

/// What it measured while no session was attached is dated by the calendar of then: TIME-2.
TEST_F(CalendarWatchTest, AStartThatComesAfterStepsIsDatedByEachCalendarThatItRanUnder) {
  watch.look();
  Instant tick0 = calendar;  // of a start whose session comes late
  std::vector<Instant> anchors{tick0};
  for (const microseconds set : {microseconds{1h}, microseconds{-10min}, microseconds{-3s}}) {
    pass(100s, set);
    watch.look();
    anchors.push_back(tick0 += set);
  }
  pass(100s);
  stream.attach(7, 400'000);
  std::vector<Instant> dated;
  for (const auto& each : stream.asked.attached) {
    ASSERT_THAT(each, SizeIs(1));
    if (dated.empty() || dated.back() != each.front().second) dated.push_back(each.front().second);
  }
  EXPECT_EQ(dated, anchors);
}

/// A start that began after it knows of one calendar only.
TEST_F(CalendarWatchTest, AStartThatBeganAfterTheStepsIsDatedOnce) {
  watch.look();
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-5s}}) {
    pass(100s, set);
    watch.look();
  }
  pass(100s);
  stream.attach(7, 90'000);
  EXPECT_THAT(stream.asked.attached, ElementsAre(ElementsAre(Pair(7, calendar - 90s))));
}

/// A clock that is known to 3 s may have shown a tick before the step or after it, 3 s to either side.
TEST_F(CalendarWatchTest, WhatMayBeOfEitherSideOfAStepIsAsUncertainAsTheStep) {
  for (std::uint64_t boot = 7; const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-20s}}) {
    stream.attach(boot, 0, 3s);
    pass(60s, set);
    stream.append(boot, 60);
    pass(10s);
    for (const std::uint64_t sequence : {58, 62, 70}) stream.append(boot, sequence);
    for (const std::uint64_t sequence : {58, 60, 62}) EXPECT_GE(uncertainty_of(boot, sequence), std::chrono::abs(set));
    EXPECT_LT(uncertainty_of(boot, 70), 4s);
    ++boot;
  }
}

/// Measured before the calendar was set back, and sent after that: it claims nothing that was not.
TEST_F(CalendarWatchTest, WhatComesAfterAStepBackKeepsTheInstantOfBefore) {
  for (std::uint64_t boot = 7; const microseconds set : {microseconds{-1h}, microseconds{-5min}, microseconds{-20s}}) {
    stream.attach(boot, 0);
    const auto began = calendar;
    pass(15s, set);
    watch.look();
    pass(1s);
    stream.append(boot, 5);
    for (const auto& row : store.rows().sets) {
      if (row.boot != boot) continue;
      EXPECT_EQ(row.measured_at, began + 5s);
      EXPECT_FALSE(row.clock_jump);
    }
    ++boot;
  }
  EXPECT_THAT(store.rows().alarms, IsEmpty());
}

TEST_F(CalendarWatchTest, AReadingOfBeforeDatesNothingAnew) {
  Stream alarms(*this, watch);
  alarms.attach(7, 5'000);
  Instant tick0 = noon - 5s;
  std::uint64_t sequence = 0;
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{5s}}) {
    pass(10s);
    alarms.asked.after_reading = [&] {
      pass(0s, set);
      watch.look();  // another stream
    };
    alarms.append(7, ++sequence);
    EXPECT_THAT(alarms.asked.attached.back(), ElementsAre(Pair(7, tick0 += set)));
    EXPECT_EQ(store.rows().sets.back().received_at, calendar);
  }
}

TEST_F(CalendarWatchTest, AStreamThatBeginsAfterAStepDatesWhatItIsToldOnly) {
  stream.attach(7, 5'000);
  pass(10s, 1h);
  watch.look();
  Stream late(*this, watch);
  late.attach(7, 15'000);
  const auto attached = late.asked.attached;
  EXPECT_THAT(attached.back(), ElementsAre(Pair(7, noon + 1h - 5s)));
  late.append(7, 1);
  EXPECT_EQ(late.asked.attached, attached);
}

/// Where the database is away then, the same request is handled again, and nothing was dated by it.
TEST_F(CalendarWatchTest, WhatCouldNotBeDatedAnewIsTriedAgain) {
  stream.attach(7, 5'000);
  pass(10s, 1h);
  stream.asked.refusals = 3;
  const auto request = stream.set_of(7, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(stream.say(request), StoreError);
    EXPECT_THAT(stream.asked.attached_before, IsEmpty());
  }
  stream.say(request);
  EXPECT_THAT(stream.asked.attached_before, ElementsAre(3));
  EXPECT_THAT(store.system_alarms({}), SizeIs(1));
}

TEST_F(CalendarWatchTest, SmallStepsDateAnewOnceTheyAreOne) {
  stream.attach(7, 5'000);
  for (const microseconds each : {microseconds{400ms}, microseconds{-300ms}, microseconds{60ms}}) {
    const auto before = stream.asked.attached.size();
    microseconds sum{};
    for (std::uint64_t i = 1; stream.asked.attached.size() == before; ++i) {
      ASSERT_LT(std::chrono::abs(sum), 2s);
      pass(10s, each);
      sum += each;
      if (i % 2 == 0) watch.look();  // who looks after the process
      stream.append(7, i);
    }
    EXPECT_GT(std::chrono::abs(sum), 1s);
  }
}

/// --serve ingest and --serve api: each has a watch of its own.
TEST_F(CalendarWatchTest, TwoProcessesTellOfOneStepOnce) {
  CalendarWatch api(store, "host", reads_clock());
  const auto assign = [&] { api.check([&] { return store.calendar(); }); };
  assign();
  stream.attach(7, 5'000);
  std::size_t steps = 0;
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{3s}}) {
    pass(10s, set);
    if (steps == 1) stream.append(7, 1), assign();
    if (steps != 1) assign(), stream.append(7, 1);
    EXPECT_THAT(store.system_alarms({}), SizeIs(++steps));
  }
  EXPECT_EQ(api.first_seen() + watch.first_seen(), 3u);
  EXPECT_EQ(watch.first_seen(), 1u);
}

TEST_F(CalendarWatchTest, ARestartHidesNoStep) {
  stream.attach(7, 5'000);
  std::size_t steps = 0;
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-20s}}) {
    pass(1min, set);
    CalendarWatch restarted(store, "host", reads_clock());
    Stream anew(*this, restarted);
    anew.attach(7, 5'000);
    EXPECT_THAT(store.system_alarms({}), SizeIs(++steps));
    EXPECT_EQ(restarted.first_seen(), 1u);
  }
}

}  // namespace
}  // namespace wardlink::storage
