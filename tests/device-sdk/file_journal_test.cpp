#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kBoot = (1ull << 53) - 1;
const std::string kDevice = "urn:dev:os:32473-a";

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
    for (std::string line; std::getline(file, line);) {
      all.push_back(Json::parse(line));
      all.back().erase("crc");
    }
    return all;
  }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  std::unique_ptr<Journal> open() const { return open_file_journal(path_, kDevice); }

  std::filesystem::path folder_;
  std::string path_;
};

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

// -- what outlives the process --------------------------------------------------------------------------------------

SequencedAlarm numbered(std::uint64_t sequence) {
  auto record = raised();
  record.sequence = sequence;
  return record;
}

/// "boot/sequence", in order.
std::vector<std::string> names(const std::vector<OwedAlarm>& owed) {
  std::vector<std::string> all;
  for (const auto& one : owed) all.push_back(std::to_string(one.boot) + "/" + std::to_string(one.record.sequence));
  return all;
}

TEST_F(FileJournal, EachLineEndsWithItsChecksum) {
  open()->generated(1, SequencedSet{1, 0, {{1, 70}}});
  EXPECT_EQ(bytes().substr(0, bytes().find('\n')),
            R"({"type":"boot","device":"urn:dev:os:32473-a","boot":1,"crc":"f469b08d"})");
}

TEST_F(FileJournal, OwesWhatWasNotAcknowledgedInItsOrder) {  // I1
  {
    const auto journal = open();
    EXPECT_THAT(journal->owed(), IsEmpty());
    for (std::uint64_t i = 1; i <= 3; ++i) journal->generated(9, numbered(i));
    journal->acknowledged(9, 2, {});
  }
  {
    const auto journal = open();
    journal->generated(5, numbered(1));
    journal->acknowledged(9, 1, {});
    EXPECT_THAT(names(journal->owed()), ElementsAre("9/3", "5/1"));  // asked again, it knows what it wrote itself
  }
  EXPECT_THAT(names(open()->owed()), ElementsAre("9/3", "5/1"));
}

TEST_F(FileJournal, GivesAnOwedRecordBackWhole) {
  auto ended = raised();
  ended.sequence = 4;
  ended.event = SequencedAlarm::Event::ended;
  ended.onset_sequence = 3;
  ended.alarm = {AlarmKind::technical, AlarmPriority::medium, "lead-off", {}, {}, {}, {}};
  {
    const auto journal = open();
    journal->generated(kBoot, raised());
    journal->generated(kBoot, ended);
  }
  const auto owed = open()->owed();
  ASSERT_EQ(owed.size(), 2u);
  const auto& first = owed[0].record;
  EXPECT_EQ(owed[0].boot, kBoot);
  EXPECT_EQ(first.sequence, 3u);
  EXPECT_EQ(first.tick_ms, 147'600'000u);
  EXPECT_EQ(first.event, SequencedAlarm::Event::raised);
  EXPECT_EQ(first.alarm.kind, AlarmKind::physiological);
  EXPECT_EQ(first.alarm.priority, AlarmPriority::high);
  EXPECT_EQ(first.alarm.code, "temp-high");
  EXPECT_EQ(first.alarm.sign, signs::find("temp")->id);
  EXPECT_EQ(first.alarm.value, 39.3);
  EXPECT_EQ(first.alarm.limit, 39.1);
  const auto& second = owed[1].record;
  EXPECT_EQ(second.event, SequencedAlarm::Event::ended);
  EXPECT_EQ(second.onset_sequence, 3u);
  EXPECT_EQ(second.alarm.kind, AlarmKind::technical);
  EXPECT_EQ(second.alarm.priority, AlarmPriority::medium);
  EXPECT_FALSE(second.alarm.sign || second.alarm.value || second.alarm.limit);
}

/// What a file owes whose whole lines are these.
std::vector<std::string> owed_by(const std::string& whole_lines) {
  std::vector<std::string> owed;
  std::istringstream in(whole_lines);
  for (std::string text; std::getline(in, text);) {
    const auto line = Json::parse(text);
    if (line.at("type") != "alarm" && line.at("type") != "ack") continue;
    const auto name = line.at("boot").dump() + "/" + line.at("seq").dump();
    if (line.at("type") == "alarm") owed.push_back(name);
    if (line.at("type") == "ack") std::erase(owed, name);
  }
  return owed;
}

TEST_F(FileJournal, GoesOnFromAnyByteItWasKilledAt) {  // I1, I8
  {
    const auto journal = open();
    journal->generated(9, numbered(1));
    journal->generated(9, SequencedSet{1, 0, {{1, 70}}});
    journal->generated(9, numbered(2));
    journal->acknowledged(9, 1, {});
    journal->generated(5, numbered(1));
    journal->acknowledged(9, 2, {});
  }
  const auto whole = bytes();
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    write(whole.substr(0, length));
    const auto kept = length == 0 ? std::string() : whole.substr(0, whole.rfind('\n', length - 1) + 1);
    auto expected = owed_by(kept);
    {
      const auto journal = open();
      EXPECT_EQ(bytes(), kept) << length;
      EXPECT_EQ(names(journal->owed()), expected) << length;
      EXPECT_EQ(journal->damaged_lines(), 0u) << length;
      ASSERT_TRUE(journal->generated(6, numbered(1))) << length;
    }
    expected.push_back("6/1");
    EXPECT_EQ(names(open()->owed()), expected) << length;
    EXPECT_EQ(bytes().substr(0, kept.size()), kept) << length;
  }
}

TEST_F(FileJournal, OneAlteredByteIsFoundWhereverItIs) {
  {
    const auto journal = open();
    for (std::uint64_t i = 1; i <= 2; ++i) journal->generated(9, numbered(i));
  }
  const auto whole = bytes();
  const auto second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
  for (std::size_t at = second; at < whole.size(); ++at) {
    auto altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    write(altered);
    const bool last = at >= third;
    const auto journal = open();
    // A newline that goes takes the line behind it along.
    const bool joined = at == third - 1;
    if (joined) {
      EXPECT_THAT(journal->owed(), IsEmpty());
    } else {
      EXPECT_THAT(names(journal->owed()), ElementsAre(last ? "9/1" : "9/2")) << at;
    }
    EXPECT_EQ(bytes().size(), last ? third : joined ? second : whole.size()) << at;
    EXPECT_EQ(journal->damaged_lines(), last || joined ? 0u : altered[at] == '\n' ? 2u : 1u) << at;
  }
}

TEST_F(FileJournal, WhateverBytesItHoldsItOwesNothingThatWasNotWrittenAndGoesOn) {  // I8
  {
    const auto journal = open();
    for (std::uint64_t i = 1; i <= 3; ++i) journal->generated(9, numbered(i));
  }
  const auto whole = bytes();
  std::mt19937 random(2026);
  for (int round = 0; round < 100; ++round) {
    auto damaged = whole;
    for (auto wounds = random() % 4; wounds > 0; --wounds) {
      const auto at = random() % damaged.size(), length = std::min<std::size_t>(random() % 64, damaged.size() - at);
      if (random() % 3 == 0)
        damaged.erase(at, length);
      else if (random() % 2 == 0)
        damaged.replace(at, length, length, random() % 2 == 0 ? '\0' : '\n');
      else
        damaged.insert(at, damaged.substr(random() % damaged.size(), length));
    }
    write(damaged);
    const auto before = names(open()->owed());
    EXPECT_THAT(before, ::testing::IsSubsetOf({"9/1", "9/2", "9/3"})) << round;
    ASSERT_TRUE(open()->generated(6, numbered(1))) << round;
    auto after = before;
    after.push_back("6/1");
    EXPECT_EQ(names(open()->owed()), after) << round;
  }
}

TEST_F(FileJournal, DamageInTheMiddleIsPassedOverAndCounted) {
  {
    const auto journal = open();
    for (std::uint64_t i = 1; i <= 2; ++i) journal->generated(9, numbered(i));
  }
  const auto whole = bytes();
  write(whole + "{\"type\":\"alarm\"}\n" + std::string(100, '\0') + "\n" + whole.substr(whole.find('\n') + 1));
  const auto journal = open();
  EXPECT_EQ(journal->damaged_lines(), 2u);
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1", "9/2"));
}

TEST_F(FileJournal, AnotherDevicesDebtsAreNotDelivered) {  // I4
  open_file_journal(path_, "urn:dev:os:32473-b")->generated(8, numbered(1));
  open()->generated(9, numbered(1));
  EXPECT_THAT(names(open()->owed()), ElementsAre("9/1"));
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
