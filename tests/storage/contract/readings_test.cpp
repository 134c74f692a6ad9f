// What a store promises to who reads measurements: order, pages, bounds, scope and attribution.

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string nurse = "urn:wardlink:client:nurse";

class ReadingContract : public ContractTest {
 protected:
  ReadingsQuery of_device(const std::string& device = device_a) const {
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, device};
    return query;
  }
  std::vector<std::uint64_t> sequences(ReadingsQuery query) {
    std::vector<std::uint64_t> all;
    for (;;) {
      const auto page = records.readings(query);
      for (const auto& row : page) all.push_back(row.sequence);
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  RunsQuery runs_between(std::chrono::milliseconds start, std::chrono::milliseconds end) const {
    RunsQuery query;
    query.subject = {Subject::Kind::device, device_a};
    query.stream = waveform_stream(1);
    query.start = anchor + start;
    query.end = anchor + end;
    return query;
  }
  std::vector<std::uint64_t> sequences(const RunsQuery& query) {
    std::vector<std::uint64_t> all;
    for (const auto& row : records.runs(query)) all.push_back(row.sequence);
    return all;
  }
  AggregatesQuery buckets(std::chrono::seconds length, std::chrono::seconds bucket) const {
    AggregatesQuery query;
    query.subject = {Subject::Kind::device, device_a};
    query.start = anchor;
    query.end = anchor + length;
    query.bucket = bucket;
    return query;
  }
};
WARDLINK_FOR_ALL_STORES(ReadingContract);

TEST_P(ReadingContract, AReadingIsToldWhole) {
  Record both = set(3, 1500, 0);
  both.body = MeasurementSet{{2, 1}, {97.5, 72}, {0, 1}};
  append(both);
  const auto row = records.readings(of_device()).at(0);
  EXPECT_EQ(row.device, device_a);
  EXPECT_EQ(row.device_id, session->device_id);
  EXPECT_EQ(row.boot, 7U);
  EXPECT_EQ(row.stream, Stream::vitals);
  EXPECT_EQ(row.tick_ms, 1500U);
  EXPECT_EQ(row.measured_at, anchor + 1500ms);
  EXPECT_EQ(row.received_at, received);
  EXPECT_THAT(row.set.signs, ElementsAre(2, 1));
  EXPECT_THAT(row.set.values, ElementsAre(97.5, 72));
  EXPECT_THAT(row.set.qualities, ElementsAre(0, 1));
}

TEST_P(ReadingContract, PagesHoldEveryReadingOnceAndInOrder) {
  std::vector<Record> sets;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 1; i <= 50; ++i) {
    sets.push_back(set(i, i / 3 * 1000, static_cast<double>(i)));
    expected.push_back(i);
  }
  append(sets);
  append(set(1, 1000, 1, attach(device_b)));
  auto query = of_device();
  query.limit = 7;
  EXPECT_EQ(sequences(query), expected);
  query.limit = 50;
  EXPECT_FALSE(records.readings(query).size() < 50U && !records.readings(query).next);
}

TEST_P(ReadingContract, BoundsHoldTheirStartAndNotTheirEnd) {
  append({set(1, 1000, 1), set(2, 2000, 2), set(3, 3000, 3), set(4, 4000, 4)});
  auto query = of_device();
  query.start = anchor + 2s;
  query.end = anchor + 4s;
  EXPECT_THAT(sequences(query), ElementsAre(2, 3));
  query.end.reset();
  EXPECT_THAT(sequences(query), ElementsAre(2, 3, 4));
  query.end = query.start;
  EXPECT_THAT(sequences(query), IsEmpty());
}

TEST_P(ReadingContract, OfCertainSignsAreTheSetsThatHoldOne) {
  append({set(1, 1000, 1), set(2, 2000, 2, nullptr, 2), set(3, 3000, 3, nullptr, 3), set(4, 4000, 4)});
  auto query = of_device();
  query.signs = {1, 3};
  query.limit = 1;
  EXPECT_THAT(sequences(query), ElementsAre(1, 3, 4));
}

TEST_P(ReadingContract, WhoIsNotThereIsNotFound) {
  EXPECT_EQ(kind_of([&] { records.readings(of_device(device_b)); }), StoreError::Kind::not_found);
  auto query = of_device();
  query.subject = {Subject::Kind::patient, counted_id()};
  EXPECT_EQ(kind_of([&] { records.readings(query); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { records.latest({}, query.subject); }), StoreError::Kind::not_found);
  auto aggregates = buckets(60s, 10s);
  aggregates.subject = query.subject;
  EXPECT_EQ(kind_of([&] { records.aggregates(aggregates); }), StoreError::Kind::not_found);
  auto runs = runs_between(0s, 1s);
  runs.subject = query.subject;
  EXPECT_EQ(kind_of([&] { records.runs(runs); }), StoreError::Kind::not_found);
}

TEST_P(ReadingContract, AWardSeesOfADeviceWhatItsPatientsWore) {
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  registry.assign({}, device_a, ann, anchor + 2s, nurse);
  registry.release({}, device_a, anchor + 4s, nurse);
  append({set(1, 1000, 1), set(2, 2000, 2), set(3, 3999, 3), set(4, 4000, 4)});
  auto query = of_device();
  query.scope = std::vector<std::string>{"icu"};
  EXPECT_THAT(sequences(query), ElementsAre(2, 3));
  query.scope = std::vector<std::string>{"maternity"};
  EXPECT_THAT(sequences(query), IsEmpty());
  query.scope = std::vector<std::string>{};
  EXPECT_THAT(sequences(query), IsEmpty());
}

TEST_P(ReadingContract, TheLatestOfSeveralDevicesComesInPages) {
  for (const char letter : std::string("bcdefg")) {
    const auto other = attach(std::string("urn:dev:os:32473-") + letter);
    append(set(1, 1000, letter, other));
  }
  std::vector<std::string> devices;
  for (std::optional<std::int64_t> after = 0; after;) {
    const auto page = records.latest({}, {}, *after, 3);
    EXPECT_LE(page.size(), 3U);
    for (const auto& row : page) devices.push_back(row.device.substr(17));
    after = page.next;
  }
  EXPECT_THAT(devices, testing::UnorderedElementsAre("a", "b", "c", "d", "e", "f", "g"));
}

TEST_P(ReadingContract, TheLatestIsPerSign) {
  append({set(1, 1000, 72), set(2, 2000, 97, nullptr, 2), set(3, 3000, 73)});
  const auto row = records.latest({}, {Subject::Kind::device, device_a}).at(0);
  ASSERT_EQ(row.values.size(), 2U);
  EXPECT_EQ(row.values[0].sign, 1U);
  EXPECT_EQ(row.values[0].value, 73);
  EXPECT_EQ(row.values[1].sign, 2U);
  EXPECT_EQ(row.values[1].measured_at, anchor + 2s);
  EXPECT_EQ(row.last_received_at, received);
  EXPECT_EQ(row.patient, "");
}

TEST_P(ReadingContract, AggregatesAreByBucketThenSign) {
  append({set(1, 1000, 60), set(2, 1500, 64), set(3, 2000, 80, nullptr, 1, 1), set(4, 11'000, 50),
          set(5, 11'500, 97, nullptr, 2), set(6, 21'000, 90), set(7, 30'000, 99)});
  const auto page = records.aggregates(buckets(30s, 10s));
  EXPECT_FALSE(page.next);
  ASSERT_EQ(page.size(), 4U);
  EXPECT_EQ(page[0].bucket, 0U);
  EXPECT_EQ(page[0].min, 60);
  EXPECT_EQ(page[0].mean, 62);
  EXPECT_EQ(page[0].max, 64);
  EXPECT_EQ(page[0].count, 2U);
  EXPECT_EQ(page[0].implausible, 1U);
  EXPECT_EQ(page[0].seconds, 1U);
  EXPECT_EQ(page[0].all_min, 60);
  EXPECT_EQ(page[0].all_mean, 68);
  EXPECT_EQ(page[0].all_max, 80);
  EXPECT_EQ(page[0].all_seconds, 2U);
  EXPECT_EQ(std::tuple(page[1].bucket, page[1].sign), std::tuple(1U, 1));
  EXPECT_EQ(std::tuple(page[2].bucket, page[2].sign), std::tuple(1U, 2));
  EXPECT_EQ(page[3].bucket, 2U);
}

// A flag hides no value: a heart rate of 0 for as long as the bucket lasts.
TEST_P(ReadingContract, ABucketOfImplausibleValuesShowsThem) {
  append({set(1, 1000, 300, nullptr, 1, 1), set(2, 2000, 0, nullptr, 1, 1)});
  const auto row = records.aggregates(buckets(10s, 10s)).at(0);
  EXPECT_FALSE(row.min);
  EXPECT_FALSE(row.mean);
  EXPECT_FALSE(row.max);
  EXPECT_EQ(row.count, 0U);
  EXPECT_EQ(row.implausible, 2U);
  EXPECT_EQ(row.seconds, 0U);
  EXPECT_EQ(row.all_min, 0);
  EXPECT_EQ(row.all_mean, 150);
  EXPECT_EQ(row.all_max, 300);
  EXPECT_EQ(row.all_seconds, 2U);
}

TEST_P(ReadingContract, APageOfAggregatesDividesNoBucket) {
  std::vector<Record> sets;
  for (std::uint64_t i = 0; i < 12; ++i) sets.push_back(set(i + 1, i * 5000, 70, nullptr, 1 + i % 2));
  append(sets);
  auto query = buckets(60s, 10s);
  query.limit = 3;
  std::vector<std::uint64_t> found;
  for (;;) {
    const auto page = records.aggregates(query);
    for (const auto& row : page) found.push_back(row.bucket);
    if (!page.next) break;
    query.first_bucket = *page.next;
  }
  EXPECT_THAT(found, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5));
  query.first_bucket = 0;
  query.limit = 1000;
  query.signs = {2};
  EXPECT_EQ(records.aggregates(query).size(), 6U);
}

TEST_P(ReadingContract, AggregatesOfAPatientAreOfWhatWasMeasuredWhileWorn) {
  append({set(1, 1000, 60), set(2, 11'000, 70), set(3, 21'000, 80)});
  const auto ann = registry.create_patient("Ann", {}, "").id;
  registry.assign({}, device_a, ann, anchor + 10s, nurse);
  registry.release({}, device_a, anchor + 20s, nurse);
  auto query = buckets(60s, 60s);
  query.subject = {Subject::Kind::patient, ann};
  const auto page = records.aggregates(query);
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].mean, 70);
  EXPECT_EQ(page[0].count, 1U);
}

TEST_P(ReadingContract, ARunIsToldWhole) {
  append(run(4, 2000, 150));
  const auto row = records.runs(runs_between(0s, 10s)).at(0);
  EXPECT_EQ(row.device, device_a);
  EXPECT_EQ(row.boot, 7U);
  EXPECT_EQ(row.stream, waveform_stream(1));
  EXPECT_EQ(row.sequence, 4U);
  EXPECT_EQ(row.tick_ms, 2000U);
  EXPECT_EQ(row.measured_at, anchor + 2s);
  EXPECT_EQ(row.received_at, received);
  EXPECT_EQ(row.run, std::get<WaveformRun>(run(4, 2000, 150).body));
}

TEST_P(ReadingContract, ASpanHoldsEveryRunWithASampleInIt) {
  append({run(1, 0, 200), run(2, 2000, 200), run(3, 4000, 200), run(4, 6000, 200)});
  EXPECT_THAT(sequences(runs_between(2s, 4s)), ElementsAre(2));
  EXPECT_THAT(sequences(runs_between(1999ms, 4001ms)), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences(runs_between(8s, 9s)), IsEmpty());
  auto other = runs_between(0s, 9s);
  other.stream = waveform_stream(2);
  EXPECT_THAT(sequences(other), IsEmpty());
}

TEST_P(ReadingContract, RunsComeInPages) {
  std::vector<Record> all;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    all.push_back(run(i, (i - 1) / 2 * 1000, 10));
    expected.push_back(i);
  }
  append(all);
  auto query = runs_between(0s, 30s);
  query.limit = 3;
  std::vector<std::uint64_t> found;
  for (;;) {
    const auto page = records.runs(query);
    if (page.empty()) break;
    for (const auto& row : page) found.push_back(row.sequence);
    const auto& last = page.back();
    query.after = Position{last.measured_at, last.device_id, last.boot, last.stream, last.sequence};
  }
  EXPECT_EQ(found, expected);
}

TEST_P(ReadingContract, TheLastRunsEndBehindTheirNewestSample) {
  auto query = runs_between(0s, 10s);
  EXPECT_EQ(records.end_of_runs(query), std::nullopt);
  append({run(1, 0, 100), run(2, 1000, 150), run(3, 10'000, 100)});
  EXPECT_EQ(records.end_of_runs(query), anchor + 2500ms);
  query.end.reset();
  EXPECT_EQ(records.end_of_runs(query), anchor + 11s);
}

TEST_P(ReadingContract, RunsThatBeginAtMidnightAreOfTheDayThatBegins) {
  const Instant midnight = std::chrono::floor<std::chrono::days>(now()) - std::chrono::days{1};
  const auto other = writer->attach({device_b, 1, midnight - 1h}).session;
  auto query = runs_between(0s, 0s);
  query.subject = {Subject::Kind::device, device_b};
  query.end = midnight;
  append(run(1, 3600'000, 100, other));
  EXPECT_EQ(records.end_of_runs(query), std::nullopt);
  append(run(2, 0, 100, other));
  EXPECT_EQ(records.end_of_runs(query), midnight - 1h + 1s);
  // Of a day that was another wearer's there is nothing: then it is the day before.
  const auto ann = registry.create_patient("Ann", {}, "").id;
  registry.assign({}, device_b, ann, midnight - 2h, nurse);
  registry.release({}, device_b, midnight, nurse);
  query.subject = {Subject::Kind::patient, ann};
  query.end = midnight + 12h;
  EXPECT_EQ(records.end_of_runs(query), midnight - 1h + 1s);
}

TEST_P(ReadingContract, ARunIsThePatientsWhoWoreTheDeviceAsItBegan) {  // I4
  append({run(1, 0, 200), run(2, 2000, 200), run(3, 4000, 200)});
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  registry.assign({}, device_a, ann, anchor + 1s, nurse);
  registry.release({}, device_a, anchor + 4s, nurse);
  auto query = runs_between(0s, 10s);
  query.subject = {Subject::Kind::patient, ann};
  EXPECT_THAT(sequences(query), ElementsAre(2));
  EXPECT_EQ(records.end_of_runs(query), anchor + 4s);
  query.scope = std::vector<std::string>{"maternity"};
  EXPECT_THAT(sequences(query), IsEmpty());
}

}  // namespace
}  // namespace wardlink::storage::test
