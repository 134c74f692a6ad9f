// What a store promises of what it cannot take as a record, and that no alarm which it answered for is out of sight.
// LIFE-2.

#include <gmock/gmock.h>

#include <limits>
#include <random>
#include <set>

#include "contract/tenant.hpp"
#include "storage/rules/content.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::SizeIs;

constexpr auto quarantined = RecordResult::quarantined;
constexpr std::uint64_t beyond = 1ULL << 63;
const std::string nurse = "urn:wardlink:client:nurse";

class QuarantineContract : public ContractTest {
 protected:
  std::vector<QuarantineRow> quarantine(QuarantineQuery query = {}) {
    std::vector<QuarantineRow> all;
    for (;;) {
      auto page = records.quarantine(query);
      EXPECT_LE(page.size(), query.limit);
      std::ranges::move(page, std::back_inserter(all));
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  std::vector<AlarmCondition> alarms() {
    std::vector<AlarmCondition> all;
    AlarmsQuery query;
    query.limit = 50;
    for (;;) {
      auto page = records.alarms(query);
      std::ranges::move(page, std::back_inserter(all));
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  static std::vector<std::uint64_t> sequences(const std::vector<QuarantineRow>& rows) {
    std::vector<std::uint64_t> all;
    for (const auto& row : rows) all.push_back(row.sequence);
    return all;
  }
  /// Received its sequence in seconds after the anchor.
  Record unreadable(std::uint64_t sequence, const std::string& payload = "?",
                    std::shared_ptr<const Session> of = nullptr) const {
    return {of ? of : session,
            Stream::alarms,
            sequence,
            0,
            anchor + std::chrono::seconds(sequence),
            Unusable{"undecodable", "alarms", payload}};
  }
  std::string ward_patient(const std::string& name, const std::string& ward) {
    return registry.create_patient(name, {}, ward).id;
  }
};
WARDLINK_FOR_ALL_STORES(QuarantineContract);

TEST_P(QuarantineContract, IsListedAsItCame) {
  append(alarm(1, raised("hr-high")));
  auto other = alarm(1, raised("hr-low"));
  auto far = alarm(beyond + 5, raised("fall"));
  far.received_at = received + 1s;
  auto strange = unreadable(9, std::string("\0\xff", 2));
  strange.received_at = received + 2s;
  EXPECT_THAT(append({other, far, strange, strange}), ElementsAre(quarantined, quarantined, quarantined, quarantined));
  QuarantineQuery whole;
  whole.payload = true;
  const auto all = quarantine(whole);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].reason, "undecodable");
  EXPECT_EQ(all[0].resource, "alarms");
  EXPECT_EQ(all[0].seen, 2U);
  EXPECT_EQ(all[0].size, 2U);
  EXPECT_EQ(all[0].payload, std::string("\0\xff", 2));
  EXPECT_EQ(all[1].reason, "bad_sequence");
  EXPECT_EQ(all[1].sequence, beyond - 1);
  EXPECT_EQ(all[1].payload, described(far));
  EXPECT_EQ(all[2].reason, "conflict");
  EXPECT_EQ(all[2].device, device_a);
  EXPECT_EQ(all[2].boot, 7U);
  EXPECT_EQ(all[2].stream, Stream::alarms);
  EXPECT_EQ(all[2].sequence, 1U);
  EXPECT_EQ(all[2].received_at, received);
  EXPECT_EQ(all[2].seen, 1U);
  EXPECT_EQ(all[2].payload, described(other));
  EXPECT_EQ(all[2].size, described(other).size());
  EXPECT_EQ(std::set({all[0].id, all[1].id, all[2].id}).size(), 3U);
  for (const auto& row : quarantine()) EXPECT_EQ(row.payload, "") << "nobody asked for it";
}

TEST_P(QuarantineContract, IsPagedNewestFirst) {
  const auto other = attach(device_b);
  std::vector<Record> all;
  for (std::uint64_t i = 1; i <= 12; ++i) {
    all.push_back(unreadable(i));
    all.push_back(unreadable(i, "?", other));
    all.back().received_at = all[all.size() - 2].received_at = anchor + std::chrono::seconds(i / 3);
  }
  append(all);
  QuarantineQuery query;
  query.limit = 5;
  const auto found = quarantine(query);
  ASSERT_THAT(found, SizeIs(24));
  std::set<std::int64_t> ids;
  for (const auto& row : found) EXPECT_TRUE(ids.insert(row.id).second);
  for (std::size_t i = 1; i < found.size(); ++i)
    EXPECT_GT(std::tuple(found[i - 1].received_at, found[i - 1].id), std::tuple(found[i].received_at, found[i].id));
}

TEST_P(QuarantineContract, IsFilteredByDeviceAndTime) {
  append({unreadable(1), unreadable(2), unreadable(3), unreadable(4)});
  QuarantineQuery bounded;
  bounded.start = anchor + 2s;
  bounded.end = anchor + 4s;
  EXPECT_THAT(sequences(quarantine(bounded)), ElementsAre(3, 2));
  QuarantineQuery of_b;
  of_b.subject = {Subject::Kind::device, device_b};
  EXPECT_EQ(kind_of([&] { quarantine(of_b); }), StoreError::Kind::not_found);
  append(unreadable(5, "?", attach(device_b)));
  EXPECT_THAT(sequences(quarantine(of_b)), ElementsAre(5));
  QuarantineQuery of_a;
  of_a.subject = {Subject::Kind::device, device_a};
  EXPECT_THAT(sequences(quarantine(of_a)), ElementsAre(4, 3, 2, 1));
}

TEST_P(QuarantineContract, BelongsToWhoWoreTheDeviceWhenItWasReceivedAndNobodysToEveryone) {
  const auto ann = ward_patient("Ann", "icu"), bob = ward_patient("Bob", "maternity"), eve = ward_patient("Eve", "");
  registry.assign({}, device_a, ann, anchor + 10s, nurse);
  registry.release({}, device_a, anchor + 20s, nurse);
  registry.assign({}, device_a, bob, anchor + 30s, nurse);
  registry.release({}, device_a, anchor + 40s, nurse);
  registry.assign({}, device_a, eve, anchor + 50s, nurse);
  append({unreadable(15), unreadable(20), unreadable(25), unreadable(35), unreadable(55)});
  const auto all = quarantine();
  ASSERT_THAT(sequences(all), ElementsAre(55, 35, 25, 20, 15));
  EXPECT_EQ(all[0].patient_name, "Eve");
  EXPECT_EQ(all[1].patient, bob);
  EXPECT_EQ(all[2].patient, "");
  EXPECT_EQ(all[3].patient_name, "");
  EXPECT_EQ(all[4].patient_name, "Ann");
  const auto seen = [&](const Scope& scope, const Subject& subject = {}) {
    QuarantineQuery query;
    query.scope = scope;
    query.subject = subject;
    query.limit = 2;
    return sequences(quarantine(query));
  };
  const Scope icu(std::vector<std::string>{"icu"}), both(std::vector<std::string>{"icu", "maternity"});
  const Subject of_ann{Subject::Kind::patient, ann}, of_bob{Subject::Kind::patient, bob};
  EXPECT_THAT(seen(icu), ElementsAre(25, 20, 15));
  EXPECT_THAT(seen(both), ElementsAre(35, 25, 20, 15));
  EXPECT_THAT(seen(icu, {Subject::Kind::device, device_a}), ElementsAre(25, 20, 15));
  EXPECT_THAT(seen({}, of_ann), ElementsAre(15));
  EXPECT_THAT(seen(icu, of_ann), ElementsAre(15));
  EXPECT_THAT(seen(icu, of_bob), ElementsAre());
  EXPECT_THAT(seen({}, of_bob), ElementsAre(35));
  // It was Bob from the start: what came moves with the correction.
  registry.release({}, device_a, anchor + 50s, nurse);
  EXPECT_THAT(seen(icu), ElementsAre(55, 25, 20, 15)) << "now nobody wore it";
}

// FAIR-2: a page of bytes ends where they are a mebibyte.
TEST_P(QuarantineContract, PagesWithPayloadsAreBoundedByTheirSize) {
  for (std::uint64_t i = 1; i <= 5; ++i) append(unreadable(i, std::string(400'000, static_cast<char>('a' + i))));
  QuarantineQuery query;
  query.payload = true;
  auto page = records.quarantine(query);
  EXPECT_THAT(sequences(page), ElementsAre(5, 4, 3));
  ASSERT_TRUE(page.next);
  query.after = page.next;
  page = records.quarantine(query);
  EXPECT_THAT(sequences(page), ElementsAre(2, 1));
  EXPECT_EQ(page.back().payload, std::string(400'000, 'b'));
  EXPECT_FALSE(page.next);
  EXPECT_THAT(records.quarantine({}), SizeIs(5));
}

/// Alarm records by chance, with all that may be wrong with one.
class AlarmsByChance {
 public:
  AlarmsByChance(unsigned seed, Instant anchor) : random_(seed), anchor_(anchor) {}

  std::uint64_t pick(std::uint64_t count) { return random_() % count; }

  Record record(const std::shared_ptr<const Session>& session) {
    Record made{session, pick(6) == 0 ? Stream::manual : Stream::alarms, sequence(), tick(), received(), {}};
    if (pick(6) == 0) {
      made.body = Unusable{"undecodable", pick(2) == 0 ? "alarms" : "", std::string(pick(3), '\xff')};
    } else {
      made.body = fact();
    }
    return made;
  }

 private:
  /// Few, so that keys are used twice; some that no database keeps.
  std::uint64_t sequence() {
    switch (pick(10)) {
      case 0:
        return beyond + pick(3);
      case 1:
        return std::numeric_limits<std::uint64_t>::max() - pick(2);
      case 2:
        return pick(2) == 0 ? 0 : beyond - 1;
      default:
        return 1 + pick(12);
    }
  }
  std::uint64_t tick() { return pick(8) == 0 ? (1ULL << 63) - 1 + pick(2) : pick(4) * 1000; }
  /// By a calendar that may be wrong.
  Instant received() {
    switch (pick(8)) {
      case 0:
        return Instant{};
      case 1:
        return Instant{std::chrono::sys_days{std::chrono::year{2106} / 2 / 7}};
      case 2:
        return Instant{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31}} + 23h;
      default:
        return anchor_ + std::chrono::seconds(pick(3600));
    }
  }
  AlarmFact fact() {
    auto fact = pick(3) == 0 ? ended("hr-high", pick(3) == 0 ? 0 : pick(12)) : raised("hr-high");
    fact.priority = std::array{AlarmPriority::low, AlarmPriority::medium, AlarmPriority::high}[pick(3)];
    switch (pick(10)) {
      case 0:
        fact.code = "\xff";  // what the database itself refuses
        break;
      case 1:
        fact.code.clear();
        break;
      case 2:
        fact.value = std::numeric_limits<double>::quiet_NaN();
        break;
      case 3:
        fact.onset_sequence = beyond + 1;
        break;
      default:
        break;
    }
    return fact;
  }

  std::mt19937_64 random_;
  const Instant anchor_;
};

// LIFE-2
TEST_P(QuarantineContract, EveryAlarmThatWasAnsweredForIsFoundAsAnAlarmOrHere) {
  std::map<std::string, int> tried;  // how often each that may go wrong was
  for (unsigned seed = 1; seed <= 3; ++seed) {
    AlarmsByChance chance(seed, anchor);
    const auto urn = [&] { return device_a + std::to_string(seed) + std::to_string(chance.pick(3)); };
    const auto ann = ward_patient("Ann", "icu"), bob = ward_patient("Bob", "");
    std::vector<std::shared_ptr<const Session>> sessions = {attach(urn(), 1)};
    std::vector<std::pair<Record, RecordResult>> answered;
    for (int step = 0; step < 80; ++step) {
      const auto what = chance.pick(16);
      const auto at = anchor + std::chrono::minutes(chance.pick(60));
      const auto device = urn();
      // Some devices were created, others nobody knows; some starts came to storage, others are known by their debts.
      if (what == 0) sessions.push_back(attach(device, 1 + chance.pick(2)));
      const std::vector<AttachRequest> earlier = {{device, 5 + chance.pick(2), at}};
      if (what == 1) sessions.push_back(writer->at_boots(earlier).front());
      try {
        if (what == 2) registry.create_device(device);
        if (what == 3) registry.assign({}, device, chance.pick(2) == 0 ? ann : bob, at, nurse);
        if (what == 4) registry.release({}, device, at, nurse);
      } catch (const StoreError&) {
        // Some of these cannot be.
      }
      if (what < 5) continue;
      std::vector<Record> batch;
      for (auto left = 1 + chance.pick(6); left > 0; --left)
        batch.push_back(chance.record(sessions[chance.pick(sessions.size())]));
      if (chance.pick(4) == 0) batch.push_back(batch.front());
      const auto results = append(batch);
      for (std::size_t i = 0; i < batch.size(); ++i) answered.emplace_back(batch[i], results[i]);
    }
    std::set<AlarmKey> conditions, ended;
    for (const auto& each : alarms()) {
      const AlarmKey key{each.device, each.boot, each.stream, each.sequence};
      conditions.insert(key);
      if (each.end) ended.insert(key);
      if (!each.start) ++tried["an end without onset"];
      if (each.boot >= 5) ++tried["a debt of another start"];
    }
    std::set<std::pair<AlarmKey, std::string>> kept;
    QuarantineQuery query;
    query.payload = true;
    query.limit = 50;
    for (const auto& each : quarantine(query)) {
      kept.emplace(AlarmKey{each.device, each.boot, each.stream, each.sequence}, each.payload);
      ++tried[each.reason];
      if (each.sequence == beyond - 1) ++tried["a sequence beyond the database's"];
      if (each.boot >= 5) ++tried["a debt in quarantine"];
    }
    for (const auto& [record, result] : answered) {
      if (result == RecordResult::duplicate) ++tried["a duplicate"];
      AlarmKey key{record.session->device, record.session->boot, record.stream,
                   static_cast<std::uint64_t>(capped(record.sequence))};
      const auto* unusable = std::get_if<Unusable>(&record.body);
      const auto payload = unusable ? unusable->payload : described(record);
      if (result == quarantined) {
        EXPECT_TRUE(kept.contains({key, payload})) << "seed " << seed << ": " << payload;
        continue;
      }
      ASSERT_TRUE(result == RecordResult::committed || result == RecordResult::duplicate);
      auto onset = key;
      onset.sequence = std::get<AlarmFact>(record.body).onset_sequence;
      EXPECT_TRUE(conditions.contains(key) || ended.contains(onset)) << "seed " << seed << ": " << payload;
    }
  }
  for (const auto* what : {"conflict", "undecodable", "bad_sequence", "bad_alarm", "not_a_number", "bad_tick",
                           "refused_by_database", "a duplicate", "an end without onset", "a debt of another start",
                           "a debt in quarantine", "a sequence beyond the database's"})
    EXPECT_GE(tried[what], 3) << what;
}

}  // namespace
}  // namespace wardlink::storage::test
