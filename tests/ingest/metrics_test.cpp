// What ingest counts is seen by whoever looks after it.

#include "ingest/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "daemon/metrics_port.hpp"

namespace wardlink::ingest {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, TellWhatBecomesOfRecordsAndDatagrams) {
  ServiceStats stats;
  stats.shards.send_drops = 11;
  stats.shards.session.records[index_of(Stream::alarms)][static_cast<std::size_t>(RecordResult::superseded)] = 12;
  stats.lanes.readings.queue.appended = 13;
  stats.lanes.alarms.queue.appended = 14;
  stats.lanes.readings.queue.parked = 15;
  stats.lanes.alarms.queue.parked = 16;
  std::ostringstream text;
  daemon::print_summary(text, metrics(stats));
  for (const auto* line : {"send_drops_total 11", "records_total{stream=\"alarms\",result=\"superseded\"} 12",
                           "sink_appended_total{stream=\"vitals\"} 13", "sink_appended_total{stream=\"alarms\"} 14",
                           "sink_parked_total{stream=\"vitals\"} 15", "sink_parked_total{stream=\"alarms\"} 16"})
    EXPECT_THAT(text.str(), HasSubstr(std::string("wardlink_ingest_") + line));
}

}  // namespace
}  // namespace wardlink::ingest
