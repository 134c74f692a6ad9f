// Real recordings go in at the wrist and come back through the gRPC API, value by value; what crossed the air said
// nothing. I1, I2, I3

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "recording.hpp"
#include "stack.hpp"
#include "udp_relay.hpp"

namespace wardlink::testing {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> recordings(const std::string& prefix, std::size_t most = 100) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(recordings_folder())) {
    const auto name = entry.path().filename().string();
    const bool vitals = !name.ends_with("_ecg.csv") && !name.ends_with("_ppg.csv") && !name.ends_with("_events.csv");
    if (name.starts_with(prefix) && name.ends_with(".csv") && vitals) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  files.resize(std::min(files.size(), most));
  return files;
}

/// Every value of the recording is there once, equal as a double; nothing else is there.
void expect_stored(const Stack& stack, const std::string& device, const std::string& file) {
  const auto samples = read_recording(file);
  // What the devices let go of may still be on its way through ingest.
  std::vector<v1::MeasurementSet> sets;
  eventually([&] { return (sets = stack.readings("devices/" + device)).size() >= samples.size(); });
  std::map<std::uint64_t, std::map<std::string, double>> stored;
  for (const auto& set : sets) {
    auto& signs = stored[set.tick_ms()];
    EXPECT_TRUE(signs.empty()) << file << ": two sets at tick " << set.tick_ms();
    for (const auto& reading : set.readings()) signs[reading.sign()] = reading.value();
    EXPECT_LE(set.measured_at().seconds(), set.received_at().seconds() + 1) << "measured in the future";
  }
  EXPECT_EQ(stored.size(), samples.size()) << file;
  std::size_t missing = 0;
  for (const auto& sample : samples) {
    if (stored[sample.tick_ms] != sample.signs) ++missing;
  }
  EXPECT_EQ(missing, 0u) << file;
}

std::vector<Episode> raised(const Stack& stack, const std::string& device) {
  std::vector<Episode> episodes;
  for (const auto& alarm : stack.alarms("devices/" + device)) {
    EXPECT_TRUE(alarm.has_end_tick_ms()) << alarm.name();
    episodes.push_back({alarm.code(), alarm.start_tick_ms(), alarm.end_tick_ms()});
  }
  std::sort(episodes.begin(), episodes.end());
  return episodes;
}

// -- what crossed the air ------------------------------------------------------------------------------------------

struct DtlsRecord {
  std::uint8_t type;
  std::uint16_t epoch;
  coap::ByteView fragment;
};

/// The datagram as DTLS 1.2 records (RFC 6347 §4.1); empty when it is not made of them.
std::vector<DtlsRecord> dtls_records(coap::ByteView datagram) {
  std::vector<DtlsRecord> records;
  while (!datagram.empty()) {
    constexpr std::size_t header = 13;
    if (datagram.size() < header || datagram[0] < 20 || datagram[0] > 23 || datagram[1] != 0xfe) return {};
    const auto epoch = static_cast<std::uint16_t>(datagram[3] << 8 | datagram[4]);
    const auto length = static_cast<std::size_t>(datagram[11] << 8 | datagram[12]);
    if (datagram.size() < header + length) return {};
    records.push_back({datagram[0], epoch, datagram.subspan(header, length)});
    datagram = datagram.subspan(header + length);
  }
  return records;
}

bool contains(coap::ByteView bytes, const std::string& text) {
  return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
}

bool is_certificate(const DtlsRecord& record) {
  return record.type == 22 && record.epoch == 0 && !record.fragment.empty() && record.fragment[0] == 11;
}

void expect_opaque(const std::vector<coap::Bytes>& captured, const std::vector<std::string>& secrets,
                   const std::vector<std::string>& urns) {
  std::size_t urns_in_certificates = 0;
  for (const auto& datagram : captured) {
    const auto records = dtls_records(datagram);
    ASSERT_FALSE(records.empty()) << "a datagram that is not DTLS";
    for (const auto& secret : secrets) ASSERT_FALSE(contains(datagram, secret)) << secret << " in clear";
    for (const auto& record : records) {
      for (const auto& urn : urns) {
        if (!contains(record.fragment, urn)) continue;
        ASSERT_TRUE(is_certificate(record)) << "the URN outside of a Certificate message";
        ++urns_in_certificates;
      }
    }
  }
  EXPECT_GE(urns_in_certificates, urns.size()) << "the search found nothing at all: it does not work";
}

class Replay : public ::testing::Test {
 protected:
  void SetUp() override {
    if (recordings_folder().empty()) {
      GTEST_SKIP() << "the recordings are not here: set WARDLINK_REALDATA to the folder that holds them";
    }
  }

  /// Replays the files, one device each, and waits for the end. The devices' URNs, in the files' order.
  std::vector<std::string> replay(Stack& stack, const std::vector<std::string>& files,
                                  std::vector<std::string> arguments, std::uint16_t port = 0) {
    stack.make_pki("devices", {std::to_string(files.size())});
    std::vector<std::string> urns;
    for (std::size_t i = 1; i <= files.size(); ++i) {
      const auto number = std::to_string(i);
      urns.push_back(stack.urn("device-" + std::string(4 - number.size(), '0') + number));
    }
    arguments.insert(arguments.end(), {"--drain", "300", "--replay"});
    arguments.insert(arguments.end(), files.begin(), files.end());
    auto ward = stack.ward(arguments, port);
    const auto code = ward.wait();
    EXPECT_EQ(code, 0) << ward.log();
    return urns;
  }
};

TEST_F(Replay, EveryValueArrivesOnceAndNothingCanBeReadOnTheWay) {
  Stack stack;
  UdpRelay relay(stack.ingest_port());
  relay.keep();
  const auto files = recordings("bidmc_", 8);
  const auto urns = replay(stack, files, {"--speed", "60"}, relay.port());
  for (std::size_t i = 0; i < files.size(); ++i) expect_stored(stack, urns[i], files[i]);

  EXPECT_EQ(stack.metric_sum("wardlink_ingest_kernel_drops"), 0);
  EXPECT_EQ(stack.metric("wardlink_ingest_notifications_total{resource=\"vitals\",type=\"con\"}"), 0);
  EXPECT_GT(stack.metric("wardlink_ingest_notifications_total{resource=\"vitals\",type=\"non\"}"), 0);
  EXPECT_GT(stack.metric("wardlink_ingest_notifications_total{resource=\"alarms\",type=\"con\"}"), 0);
  expect_opaque(relay.captured(), {"vitals", "alarms", "bidmc", "patient"}, urns);
}

TEST_F(Replay, TheAlarmsAreTheEpisodesOfTheRecordings) {
  Stack stack;
  auto files = recordings("bidmc_");
  const auto hourly = recordings("challenge2019_");
  files.insert(files.end(), hourly.begin(), hourly.end());
  ASSERT_EQ(files.size(), 28u);
  const auto urns = replay(stack, files, {"--speed", "max", "--hysteresis", "0", "--shortest", "0"});
  auto expected = read_episodes(recordings_folder() + "/THRESHOLD_EPISODES.csv");
  std::size_t compared = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto episodes = expected[fs::path(files[i]).stem()];
    std::sort(episodes.begin(), episodes.end());
    EXPECT_EQ(raised(stack, urns[i]), episodes) << files[i];
    expect_stored(stack, urns[i], files[i]);
    compared += episodes.size();
  }
  EXPECT_EQ(compared, 81u);
}

}  // namespace
}  // namespace wardlink::testing
