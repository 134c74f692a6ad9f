// Aggregates by buckets of time against a plain oracle.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "service.hpp"
#include "signs/catalogue.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;

constexpr const char* device = "urn:dev:os:32473-a";
constexpr std::int64_t start = 1'700'000'000;

struct Value {
  std::uint64_t tick_ms;
  std::uint32_t sign;
  double value;
  bool plausible;
};

class AggregateTest : public testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> granted() {
    service.store.ensure_grants(
        {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:admin", "admin", ""}});
    return service.channel("ingest-client");
  }

  void store(const std::vector<Value>& values) {
    test::IngestTalk talk(granted());
    talk.attach(1, device, 7, start);
    v1::Append batch;
    std::uint64_t sequence = 0;
    for (const auto& each : values) {
      test::add_set(batch, 1, ++sequence, each.tick_ms, each.value, each.sign);
      auto& signs = *batch.mutable_records(batch.records_size() - 1)->mutable_signs();
      signs.set_quality(0, each.plausible ? 0 : 1);
    }
    talk.append(batch);
  }

  grpc::Status ask(const v1::AggregateReadingsRequest& request, v1::AggregateReadingsResponse& response) {
    grpc::ClientContext context;
    return v1::VitalsService::NewStub(service.channel("clients/admin"))
        ->AggregateReadings(&context, request, &response);
  }

  static v1::AggregateReadingsRequest request(std::int64_t seconds, std::int64_t bucket) {
    v1::AggregateReadingsRequest asked;
    asked.set_parent(std::string("devices/") + device);
    asked.mutable_start_time()->set_seconds(start);
    asked.mutable_end_time()->set_seconds(start + seconds);
    asked.mutable_bucket()->set_seconds(bucket);
    return asked;
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
};

TEST_F(AggregateTest, AreWhatAPlainOracleSays) {
  std::mt19937 random(7);
  std::vector<Value> values;
  for (std::uint64_t tick = 0; tick < 1'000'000; tick += 1 + random() % 2500) {
    if (tick > 300'000 && tick < 460'000) continue;  // a gap of several buckets
    values.push_back({tick, 1 + static_cast<std::uint32_t>(random() % 2), static_cast<double>(random() % 2000) / 10,
                      random() % 10 != 0});
  }
  store(values);
  constexpr std::int64_t span = 950, bucket = 70;  // the last bucket is shorter, some values lie behind
  std::map<std::pair<std::int64_t, std::uint32_t>, std::vector<Value>> expected;
  for (const auto& each : values) {
    if (each.tick_ms < span * 1000) expected[{each.tick_ms / (bucket * 1000), each.sign}].push_back(each);
  }
  v1::AggregateReadingsResponse response;
  ASSERT_TRUE(ask(request(span, bucket), response).ok());
  ASSERT_EQ(static_cast<std::size_t>(response.aggregates_size()), expected.size());
  auto got = response.aggregates().begin();
  for (const auto& [key, all] : expected) {
    std::vector<double> plausible, every;
    std::set<std::uint64_t> seconds, all_seconds;
    double sum = 0, all_sum = 0;
    for (const auto& each : all) {
      every.push_back(each.value);
      all_sum += each.value;
      all_seconds.insert((each.tick_ms - static_cast<std::uint64_t>(key.first * bucket * 1000)) / 1000);
      if (!each.plausible) continue;
      plausible.push_back(each.value);
      sum += each.value;
      seconds.insert((each.tick_ms - static_cast<std::uint64_t>(key.first * bucket * 1000)) / 1000);
    }
    const auto length = std::min(bucket, span - key.first * bucket);
    EXPECT_EQ(got->start_time().seconds(), start + key.first * bucket);
    EXPECT_EQ(got->sign(), signs::find(static_cast<signs::SignId>(key.second))->wire);
    EXPECT_EQ(got->count(), plausible.size());
    EXPECT_EQ(got->implausible_count(), all.size() - plausible.size());
    EXPECT_DOUBLE_EQ(got->coverage(), static_cast<double>(seconds.size()) / static_cast<double>(length));
    EXPECT_EQ(got->all_min(), *std::ranges::min_element(every));
    EXPECT_EQ(got->all_max(), *std::ranges::max_element(every));
    EXPECT_NEAR(got->all_mean(), all_sum / static_cast<double>(every.size()), 1e-9);
    EXPECT_DOUBLE_EQ(got->all_coverage(), static_cast<double>(all_seconds.size()) / static_cast<double>(length));
    ASSERT_EQ(got->has_min(), !plausible.empty());
    if (!plausible.empty()) {
      EXPECT_EQ(got->min(), *std::ranges::min_element(plausible));
      EXPECT_EQ(got->max(), *std::ranges::max_element(plausible));
      EXPECT_NEAR(got->mean(), sum / static_cast<double>(plausible.size()), 1e-9);
    }
    ++got;
  }
}

TEST_F(AggregateTest, OfAPatientAreThoseMeasuredWhileWorn) {
  store({{1000, 1, 60, true}, {11'000, 1, 70, true}, {21'000, 1, 80, true}});
  const auto patient = service.store.create_patient("Ann", {}, "").id;
  service.store.assign({}, device, patient, Instant(std::chrono::seconds(start + 10)), "test");
  service.store.release({}, device, Instant(std::chrono::seconds(start + 20)), "test");
  auto asked = request(60, 60);
  asked.set_parent("patients/" + patient);
  v1::AggregateReadingsResponse response;
  ASSERT_TRUE(ask(asked, response).ok());
  ASSERT_EQ(response.aggregates_size(), 1);
  EXPECT_EQ(response.aggregates(0).mean(), 70);
  EXPECT_EQ(response.aggregates(0).count(), 1U);
}

TEST_F(AggregateTest, WhatCannotBeAskedIsNamed) {
  store({{1000, 1, 60, true}});
  const auto refused = [&](const v1::AggregateReadingsRequest& asked, const char* field) {
    v1::AggregateReadingsResponse response;
    const auto status = ask(asked, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), testing::StartsWith(field));
  };
  refused(request(60, 0), "bucket");
  refused(request(2001, 1), "bucket");
  refused(request(-1, 1), "end_time");
  auto asked = request(60, 60);
  asked.clear_start_time();
  refused(asked, "start_time");
  asked = request(60, 60);
  asked.clear_parent();
  refused(asked, "parent");
  asked = request(60, 60);
  asked.add_signs("mood");
  refused(asked, "signs");
  v1::AggregateReadingsResponse response;
  EXPECT_TRUE(ask(request(2000, 1), response).ok());
}

}  // namespace
}  // namespace wardlink::storage
