// The simulator as a script uses it: flags, a PKI folder, recordings at full speed, journals and a status file.

#include "ward.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "loopback_gateway.hpp"

namespace ward {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wardlink::testing::eventually;
using wardlink::testing::LoopbackGateway;

const std::string kUrn = "urn:dev:os:32473-00000000000000b";  // and a digit

class WardTest : public ::testing::Test {
 protected:
  WardTest() {
    std::string pattern = (fs::temp_directory_path() / "wardlink-ward-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::create_directories(folder_ / "pki/devices");
    write("pki/service-ca.pem", coap::testing::Authorities::get().services.certificate_pem());
    for (int i = 1; i <= 2; ++i) {
      const auto badge = wardlink::testing::badge(kUrn + std::to_string(i));
      write("pki/devices/bed-" + std::to_string(i) + ".pem", badge.certificate_pem);
      write("pki/devices/bed-" + std::to_string(i) + ".key", badge.private_key_pem);
    }
  }
  ~WardTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  Json json(const std::string& name) const { return Json::parse(std::ifstream(folder_ / name)); }

  Config config(std::vector<std::string> flags) const {
    std::vector<const char*> argv{"wardlink-ward", "--pki"};
    const auto pki = path("pki");
    argv.push_back(pki.c_str());
    for (const auto& flag : flags) argv.push_back(flag.c_str());
    Config parsed;
    EXPECT_EQ(parse(static_cast<int>(argv.size()), argv.data(), parsed), std::nullopt);
    return parsed;
  }

  fs::path folder_;
};

TEST_F(WardTest, ReadsItsFlags) {
  const auto all = config({"--port", "5000", "--replay", "a.csv", "b.csv", "--speed", "max", "--seconds", "61",
                           "--hysteresis", "0", "--shortest", "0"});
  EXPECT_EQ(all.port, 5000);
  EXPECT_THAT(all.replay, ElementsAre("a.csv", "b.csv"));
  EXPECT_EQ(all.speed, std::nullopt);
  EXPECT_EQ(all.seconds, 61);
  EXPECT_EQ(all.hysteresis, 0);
  EXPECT_EQ(config({"--replay", "a.csv", "--speed", "8"}).speed, 8);
  EXPECT_EQ(config({"--replay", "a.csv"}).speed, 1);
}

TEST_F(WardTest, UsesTheFirstCertificatesInOrder) {
  const auto badges = load_badges(config({"--replay", "a.csv"}));
  ASSERT_EQ(badges.size(), 1u);
  EXPECT_EQ(badges[0].label, "bed-1");
  EXPECT_EQ(badges[0].urn, kUrn + "1");
  EXPECT_EQ(load_badges(config({})).size(), 2u);
}

TEST_F(WardTest, SaysWhenCertificatesAreMissing) {
  try {
    load_badges(config({"--devices", "3"}));
    FAIL() << "there are only two";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("has 2 device certificates; 3 are needed"));
  }
}

TEST_F(WardTest, ReplaysRecordingsToTheLastValueAndAlarm) {
  LoopbackGateway gateway;
  const std::string header = "t_seconds,heart_rate_bpm,spo2_percent,temperature_celsius\n";
  std::string first = header;
  for (int t = 0; t < 3000; ++t) {
    first += std::to_string(t) + "," + std::to_string(t < 100 || t >= 2990 ? 140 : 70) + ",97,37.6\n";
  }
  write("first.csv", first);
  write("second.csv", header + "0,,,\n3600,74.419,,\n7200,,90,\n10800,,,\n");
  auto settings = config({"--replay", path("first.csv"), path("second.csv"), "--speed", "max", "--hysteresis", "0",
                          "--shortest", "0", "--journal-dir", path("journals"), "--audit-dir", path("audit"),
                          "--status-file", path("status.json"), "--ready-file", path("ready.json")});
  settings.port = gateway.port();
  const std::atomic<bool> interrupted = false;
  Ward ward(settings, load_badges(settings));
  EXPECT_TRUE(ward.run(interrupted)) << ward.report();

  // The last notifications are Non-confirmable and may still be on their way.
  ASSERT_TRUE(eventually([&] {
    auto arrived = gateway.arrived();
    return arrived[kUrn + "1"].sets.size() == 3000 && arrived[kUrn + "2"].sets.size() == 2;
  }));
  const auto one = gateway.arrived().at(kUrn + "1");
  EXPECT_EQ(one.alarms.size(), 4u);  // the second episode is closed by the recording's end
  EXPECT_EQ(one.alarms.at(1), "raised hr-high");
  EXPECT_EQ(one.alarms.at(4), "ended hr-high");
  ASSERT_EQ(one.sets.size(), 3000u);
  EXPECT_EQ(one.repeated_sets, 0u);
  EXPECT_EQ(one.sets.at(3000).at("tk"), 2'999'000);
  EXPECT_EQ(one.sets.at(3000).at("temp"), 37.6);
  EXPECT_GT(one.non, one.con);
  const auto two = gateway.arrived().at(kUrn + "2");
  ASSERT_EQ(two.sets.size(), 2u);
  EXPECT_EQ(two.sets.at(1).at("hr"), 74.419);
  EXPECT_EQ(two.sets.at(2), (std::map<std::string, double>{{"tk", 7'200'000}, {"spo2", 90}}));

  const auto status = json("status.json");
  EXPECT_EQ(status.at("running"), false);
  EXPECT_EQ(status.at("totals").at("sets_sent"), 3002);
  EXPECT_EQ(status.at("totals").at("alarms_acknowledged"), 6);
  EXPECT_EQ(status.at("devices").at(1).at("label"), "bed-2");
  EXPECT_EQ(json("ready.json").at("devices"), 2);
  EXPECT_THAT(ward.report(), HasSubstr("bed-1"));
  std::ifstream journal(folder_ / "audit/bed-1.jsonl");
  std::size_t sets = 0, acks = 0;
  for (std::string line; std::getline(journal, line);) {
    sets += Json::parse(line).at("type") == "set";
    acks += Json::parse(line).at("type") == "ack";
  }
  EXPECT_EQ(sets, 3000u);
  EXPECT_EQ(acks, 4u);
}

TEST_F(WardTest, AnInterruptEndsItAndWhatIsLeftIsTold) {
  auto settings = config({"--devices", "1", "--drain", "0"});
  settings.port = 1;  // nobody there
  const std::atomic<bool> interrupted = true;
  Ward ward(settings, load_badges(settings));
  EXPECT_TRUE(ward.run(interrupted));  // nothing was measured, so nothing is owed
  EXPECT_THAT(ward.report(), HasSubstr("total"));
}

}  // namespace
}  // namespace ward
