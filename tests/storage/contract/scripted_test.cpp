// Commits that fail, of every store: whoever writes calls again, and nothing is lost, and nothing is there twice.

#include <gmock/gmock.h>

#include <deque>
#include <random>

#include "contract/tenant.hpp"
#include "storage/memory/scripted_writer.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Kind = CommitOutcome::Kind;

constexpr CommitOutcome happened{Kind::unknown, true}, lost{Kind::unknown, false}, away{Kind::away},
    refused{Kind::fail};

class FailingCommits : public ContractTest {
 protected:
  CommitOutcome outcome(CommitKind kind) {
    asked.push_back(kind);
    if (script.empty()) return {};
    const auto next = script.front();
    script.pop_front();
    return next;
  }
  /// As ingest's stream does: until it is done.
  template <typename Work>
  auto persist(Work&& work) {
    for (;;) {
      try {
        return work();
      } catch (const StoreError& error) {
        if (error.kind() != StoreError::Kind::away) throw;
        ++retries;
      }
    }
  }
  std::vector<RecordResult> append_again(const std::vector<Record>& batch) {
    return persist([&] { return failing.append(batch); });
  }

  std::deque<CommitOutcome> script;
  std::vector<CommitKind> asked;
  std::vector<std::chrono::microseconds> passed;
  int retries = 0;
  ScriptedWriter failing{records.open_writer(),
                         {.outcome = [this](CommitKind kind) { return outcome(kind); },
                          .pass = [this](std::chrono::microseconds delay) { passed.push_back(delay); }}};
};
INSTANTIATE_TEST_SUITE_P(All, FailingCommits, testing::Values("postgres", "memory"), name_of);

TEST_P(FailingCommits, WhatHappenedUnansweredIsADuplicateWhenItComesAgain) {  // I1, I2
  script = {happened};
  EXPECT_THAT(append_again({set(1, 1000, 72), alarm(1, raised("hr-high"))}),
              ElementsAre(RecordResult::duplicate, RecordResult::duplicate));
  EXPECT_EQ(retries, 1);
  EXPECT_EQ(tenant->rows().sets.size(), 1U);
  EXPECT_EQ(tenant->rows().alarms.size(), 1U);
}

TEST_P(FailingCommits, WhatWasLostIsCommittedWhenItComesAgain) {
  script = {lost, happened, lost};
  EXPECT_THAT(append_again({set(1, 1000, 72)}), ElementsAre(RecordResult::duplicate));
  script = {lost};
  EXPECT_THAT(append_again({set(2, 2000, 72)}), ElementsAre(RecordResult::committed));
  EXPECT_EQ(tenant->rows().sets.size(), 2U);
}

TEST_P(FailingCommits, AwayChangesNothingUntilItIsBack) {
  script = {away, away, away};
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(kind_of([&] { failing.append(std::vector{set(1, 1000, 72)}); }), StoreError::Kind::away);
  EXPECT_TRUE(tenant->rows().sets.empty());
  EXPECT_THAT(append_again({set(1, 1000, 72)}), ElementsAre(RecordResult::committed));
}

TEST_P(FailingCommits, ARefusedCommitChangesNothing) {
  script = {refused, refused, refused, refused};
  const std::vector<AttachRequest> requests = {{device_b, 1, anchor}};
  EXPECT_EQ(kind_of([&] { failing.attach(requests); }), StoreError::Kind::precondition);
  EXPECT_EQ(kind_of([&] { failing.at_boots(requests); }), StoreError::Kind::precondition);
  EXPECT_EQ(kind_of([&] { failing.append(std::vector{set(1, 1000, 72)}); }), StoreError::Kind::precondition);
  EXPECT_EQ(kind_of([&] { failing.audit(std::vector{AuditFact{"device", "m"}}); }), StoreError::Kind::precondition);
  EXPECT_THAT(asked, ElementsAre(CommitKind::attach, CommitKind::at_boots, CommitKind::append, CommitKind::audit));
  EXPECT_EQ(tenant->rows().starts.size(), 1U);
  EXPECT_TRUE(tenant->rows().sets.empty());
  EXPECT_TRUE(tenant->audited().empty());
}

TEST_P(FailingCommits, ASlowCommitHappensAfterItsDelay) {
  script = {{Kind::slow, false, 3s}};
  EXPECT_THAT(append_again({set(1, 1000, 72)}), ElementsAre(RecordResult::committed));
  EXPECT_THAT(passed, ElementsAre(3s));
}

TEST_P(FailingCommits, CallsWithoutContentAreNoCommits) {
  EXPECT_TRUE(append_again({}).empty());
  EXPECT_TRUE(failing.audit({}));
  EXPECT_TRUE(failing.attach(std::span<const AttachRequest>()).empty());
  EXPECT_TRUE(asked.empty());
}

TEST_P(FailingCommits, AnAttachThatHappenedUnansweredBeginsNothingTwice) {
  script = {happened, happened};
  const std::vector<AttachRequest> requests = {{device_a, 7, anchor + 1s, 0s, {}, false, 9000}, {device_b, 1, anchor}};
  const auto attached = persist([&] { return failing.attach(requests); });
  EXPECT_EQ(attached[0].session->anchor, anchor);
  EXPECT_EQ(attached[1].session->anchor, anchor);
  const auto starts = tenant->rows().starts;
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_THAT(starts[0].exchanges,
              ElementsAre(ClockExchange{0, anchor, 0s}, ClockExchange{9000, anchor + 1s, 0s, 9000}));
  EXPECT_THAT(starts[1].exchanges, ElementsAre(ClockExchange{0, anchor, 0s}));
}

TEST_P(FailingCommits, AQuarantineThatHappenedUnansweredIsOneRowAndOneAlarm) {
  script = {happened};
  const Record record{session, Stream::vitals, 0, 0, received, Unusable{"undecodable", "/vitals", "x"}};
  EXPECT_THAT(append_again({record}), ElementsAre(RecordResult::quarantined));
  ASSERT_EQ(tenant->rows().quarantine.size(), 1U);
  EXPECT_EQ(tenant->rows().quarantine[0].seen, 2U);
  EXPECT_EQ(tenant->rows().alarms.size(), 1U);
}

TEST_P(FailingCommits, WhateverFailsTheRowsAreThoseOfCommitsThatDoNot) {  // I1, I2, I6
  std::mt19937 random(20261129);
  const auto plain = make_tenant("memory");
  const auto without = plain->records().open_writer();
  const auto same = without->attach({device_a, 7, anchor}).session;
  std::vector<RecordResult> first, second;
  for (std::uint64_t i = 0; i < 60; ++i) {
    for (auto left = random() % 4; left > 0; --left) script.push_back(std::array{happened, lost, away}[random() % 3]);
    std::vector<Record> batch = {set(1 + random() % 30, 1000, static_cast<double>(random() % 3)),
                                 alarm(1 + random() % 30, raised("hr-high")), set(100 + i, 1000 * i, 72)};
    append_again(batch);
    for (auto& record : batch) record.session = same;
    without->append(batch);
  }
  EXPECT_GT(retries, 30);
  auto rows = tenant->rows(), expected = plain->rows();
  for (auto* each : {&rows, &expected})
    for (auto& quarantined : each->quarantine) quarantined.seen = 1;
  EXPECT_EQ(rows.sets, expected.sets);
  EXPECT_EQ(rows.alarms, expected.alarms);
  EXPECT_EQ(rows.latest, expected.latest);
  EXPECT_EQ(rows.streams, expected.streams);
  EXPECT_EQ(rows.quarantine, expected.quarantine);
}

}  // namespace
}  // namespace wardlink::storage::test
