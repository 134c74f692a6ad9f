#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

using Json = nlohmann::json;

class FileJournal : public ::testing::Test {
 protected:
  FileJournal() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wardlink-journal-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = (folder_ / "bed-7.jsonl").string();
  }
  ~FileJournal() override { std::filesystem::remove_all(folder_); }

  std::vector<Json> lines() const {
    std::ifstream file(path_);
    std::vector<Json> all;
    for (std::string line; std::getline(file, line);) all.push_back(Json::parse(line));
    return all;
  }

  std::filesystem::path folder_;
  std::string path_;
};

constexpr std::uint64_t kBoot = (1ull << 53) - 1;

SequencedAlarm raised() {
  Alarm alarm;
  alarm.code = "temp-high";
  alarm.sign = signs::find("temp")->id;
  alarm.value = 39.3;
  alarm.limit = 39.1;
  return {3, 147'600'000, SequencedAlarm::Event::raised, 0, alarm};
}

TEST_F(FileJournal, WritesOneObjectALineAtOnce) {
  const auto journal = open_file_journal(path_, "urn:dev:os:32473-a");
  EXPECT_TRUE(
      journal->generated(kBoot, SequencedSet{1, 1000, {{signs::find("hr")->id, 94}, {signs::find("temp")->id, 37.6}}}));
  EXPECT_TRUE(journal->generated(kBoot, raised()));
  EXPECT_TRUE(journal->acknowledged(
      kBoot, 3, std::chrono::system_clock::time_point{std::chrono::microseconds{1'700'000'000'123'456}}));
  const auto all = lines();  // while it is open: another process may read along
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0], Json({{"type", "boot"}, {"device", "urn:dev:os:32473-a"}, {"boot", kBoot}}));
  EXPECT_EQ(all[1],
            Json::parse(R"({"type":"set","boot":9007199254740991,"seq":1,"tk":1000,"signs":{"hr":94,"temp":37.6}})"));
  EXPECT_EQ(all[2], Json::parse(R"({"type":"alarm","boot":9007199254740991,"seq":3,"tk":147600000,"event":"raised",
    "code":"temp-high","kind":"physiological","priority":3,"sign":"temp","value":39.3,"limit":39.1})"));
  EXPECT_EQ(all[3], Json::parse(R"({"type":"ack","boot":9007199254740991,"seq":3,"at_us":1700000000123456})"));
}

TEST_F(FileJournal, AnEndedRecordNamesItsOnset) {
  auto record = raised();
  record.event = SequencedAlarm::Event::ended;
  record.onset_sequence = 2;
  open_file_journal(path_, "urn:dev:x")->generated(1, record);
  EXPECT_EQ(lines()[1].at("event"), "ended");
  EXPECT_EQ(lines()[1].at("onset_seq"), 2);
}

TEST_F(FileJournal, DoublesReadBackExactly) {
  const std::vector<double> values{37.6, 0.1, 1.0 / 3.0, 80.5, -0.0, 5e-324, 1.7976931348623157e308, 74.419};
  const auto journal = open_file_journal(path_, "urn:dev:x");
  for (std::size_t i = 0; i < values.size(); ++i) journal->generated(1, SequencedSet{i + 1, 0, {{4, values[i]}}});
  const auto all = lines();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(all[i + 1].at("signs").at("temp").get<double>(), values[i]);
}

TEST_F(FileJournal, AppendsToWhatIsThere) {
  open_file_journal(path_, "urn:dev:x")->generated(1, SequencedSet{1, 0, {{1, 70}}});
  open_file_journal(path_, "urn:dev:x")->generated(2, SequencedSet{1, 0, {{1, 70}}});
  const auto all = lines();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[2].at("type"), "boot");
  EXPECT_EQ(all[2].at("boot"), 2);
}

TEST_F(FileJournal, IsForItsOwnerOnly) {
  open_file_journal(path_, "urn:dev:x")->generated(1, SequencedSet{1, 0, {{1, 70}}});
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions() & (perms::group_all | perms::others_all), perms::none);
}

TEST_F(FileJournal, LinesOfManyThreadsStayWhole) {
  const auto journal = open_file_journal(path_, "urn:dev:x");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= 200; ++i) journal->generated(1, SequencedSet{i, 0, {{1, 70}}});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lines().size(), 601u);
}

TEST_F(FileJournal, SaysWhyItCannotBeOpened) {
  try {
    open_file_journal((folder_ / "none" / "x.jsonl").string(), "urn:dev:x");
    FAIL() << "it was opened";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("No such file or directory"));
  }
}

TEST(FileJournalOnAFullDisk, SaysThatItCouldNotWrite) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this host has no /dev/full";
  const auto journal = open_file_journal("/dev/full", "urn:dev:x");
  EXPECT_FALSE(journal->generated(1, SequencedSet{1, 0, {{1, 70}}}));
  EXPECT_FALSE(journal->generated(1, raised()));
}

}  // namespace
}  // namespace wardlink
