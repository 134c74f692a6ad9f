#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "crc32c.hpp"
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

SequencedAlarm numbered(std::uint64_t sequence) {
  auto record = raised();
  record.sequence = sequence;
  return record;
}

TEST_F(FileJournal, WritesOneObjectALineAtOnce) {
  const auto journal = open_file_journal(path_, "urn:dev:os:32473-a");
  EXPECT_TRUE(journal->generated(kBoot, SequencedSet{1, 1000, {{signs::find("hr")->id, 94}}}));
  EXPECT_TRUE(journal->generated(kBoot, raised()));
  EXPECT_TRUE(journal->acknowledged(
      kBoot, 3, std::chrono::system_clock::time_point{std::chrono::microseconds{1'700'000'000'123'456}}));
  const auto all = lines();  // while it is open: another process may read along
  ASSERT_EQ(all.size(), 4u) << "a set is owed to nobody";
  EXPECT_EQ(all[0], Json({{"type", "journal"}, {"format", 2}, {"device", "urn:dev:os:32473-a"}}));
  EXPECT_EQ(all[1], Json({{"type", "boot"}, {"device", "urn:dev:os:32473-a"}, {"boot", kBoot}}));
  EXPECT_EQ(all[2], Json::parse(R"({"type":"alarm","boot":9007199254740991,"seq":3,"tk":147600000,"event":"raised",
    "code":"temp-high","kind":"physiological","priority":3,"sign":"temp","value":39.3,"limit":39.1})"));
  EXPECT_EQ(all[3], Json::parse(R"({"type":"ack","boot":9007199254740991,"seq":3,"at_us":1700000000123456})"));
}

TEST_F(FileJournal, AnEndedRecordNamesItsOnset) {
  auto record = raised();
  record.event = SequencedAlarm::Event::ended;
  record.onset_sequence = 2;
  open_file_journal(path_, "urn:dev:x")->generated(1, record);
  EXPECT_EQ(lines()[2].at("event"), "ended");
  EXPECT_EQ(lines()[2].at("onset_seq"), 2);
}

TEST_F(FileJournal, AppendsToWhatIsThere) {
  open()->generated(1, numbered(1));
  open()->generated(2, numbered(1));
  const auto all = lines();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[3].at("type"), "boot");
  EXPECT_EQ(all[3].at("boot"), 2);
}

TEST_F(FileJournal, IsForItsOwnerOnly) {
  open()->generated(1, numbered(1));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions() & (perms::group_all | perms::others_all), perms::none);
}

TEST_F(FileJournal, IsForOneDeviceAtATime) {
  const auto first = open();
  try {
    open();
    FAIL() << "it was opened twice";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("in use"));
  }
}

TEST_F(FileJournal, LinesOfManyThreadsStayWhole) {
  const auto journal = open();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 1; i <= 50; ++i) EXPECT_TRUE(journal->generated(t, numbered(i)));
      for (std::uint64_t i = 1; i <= 50; ++i) EXPECT_TRUE(journal->acknowledged(t, i, {}));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lines().size(), 304u);
  EXPECT_THAT(journal->owed(), IsEmpty());
}

// -- the audit book --------------------------------------------------------------------------------------------------

TEST_F(FileJournal, TheAuditBookHasAllThatWasGenerated) {
  for (std::uint64_t boot = 1; boot <= 2; ++boot) {
    const auto book = open_audit_book(path_, kDevice);
    book->generated(boot, SequencedSet{1, 1000, {{signs::find("hr")->id, 94}, {signs::find("temp")->id, 37.6}}});
    book->generated(boot, raised());
    book->acknowledged(boot, 3, {});
  }
  const auto all = lines();
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[0], Json({{"type", "boot"}, {"device", kDevice}, {"boot", 1}}));
  EXPECT_EQ(all[1], Json::parse(R"({"type":"set","boot":1,"seq":1,"tk":1000,"signs":{"hr":94,"temp":37.6}})"));
  EXPECT_EQ(all[2].at("type"), "alarm");
  EXPECT_EQ(all[3].at("type"), "ack");
  EXPECT_EQ(all[4], Json({{"type", "boot"}, {"device", kDevice}, {"boot", 2}}));
}

/// The line of a full disk that one of them takes back would be the other's.
TEST_F(FileJournal, TheAuditBookIsForOneDeviceAtATime) {  // DUR-2
  auto first = open_audit_book(path_, kDevice);
  for (const char* device : {"urn:dev:os:32473-a", "urn:dev:os:32473-b"}) {
    try {
      open_audit_book(path_, device);
      FAIL() << "it was opened twice";
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("audit book"));
      EXPECT_THAT(error.what(), ::testing::HasSubstr("in use"));
    }
  }
  EXPECT_THROW(open(), std::runtime_error) << "nor is it a journal besides";
  EXPECT_TRUE(first->generated(1, numbered(1)));
  first.reset();
  EXPECT_TRUE(open_audit_book(path_, kDevice)->generated(2, numbered(1)));
  EXPECT_EQ(lines().size(), 4u);
}

TEST_F(FileJournal, DoublesInTheAuditBookReadBackExactly) {
  const std::vector<double> values{37.6, 0.1, 1.0 / 3.0, 80.5, -0.0, 5e-324, 1.7976931348623157e308, 74.419};
  const auto journal = open_audit_book(path_, "urn:dev:x");
  for (std::size_t i = 0; i < values.size(); ++i) journal->generated(1, SequencedSet{i + 1, 0, {{4, values[i]}}});
  const auto all = lines();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(all[i + 1].at("signs").at("temp").get<double>(), values[i]);
}

TEST_F(FileJournal, TheAuditBookGoesOnBehindALineThatWasCutShort) {
  { open_audit_book(path_, kDevice)->generated(1, numbered(1)); }
  write(bytes() + R"({"type":"al)");
  { open_audit_book(path_, kDevice)->generated(2, numbered(1)); }
  std::ifstream file(path_);
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[2], R"({"type":"al)");
  EXPECT_TRUE(Json::accept(all[3]));
}

// -- what outlives the process --------------------------------------------------------------------------------------

/// "boot/sequence", in order.
std::vector<std::string> names(const std::vector<OwedAlarm>& owed) {
  std::vector<std::string> all;
  for (const auto& one : owed) all.push_back(std::to_string(one.boot) + "/" + std::to_string(one.record.sequence));
  return all;
}

TEST_F(FileJournal, EachLineEndsWithItsChecksum) {
  open_audit_book(path_, kDevice)->generated(1, SequencedSet{1, 0, {{1, 70}}});
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
  const auto boot = whole.find('\n') + 1;
  const auto second = whole.find('\n', boot) + 1, third = whole.find('\n', second) + 1;
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

/// The n-th line, with its newline.
std::string line_of(const std::string& text, int number) {
  std::istringstream in(text);
  std::string line;
  for (int i = 0; i < number; ++i) std::getline(in, line);
  return line + '\n';
}

TEST_F(FileJournal, DamageInTheMiddleIsPassedOverAndCounted) {
  {
    const auto journal = open();
    for (std::uint64_t i = 1; i <= 2; ++i) journal->generated(9, numbered(i));
  }
  const auto whole = bytes();
  write(whole + "{\"type\":\"alarm\"}\n" + std::string(100, '\0') + "\n" + line_of(whole, 3));
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

// -- what another version wrote --------------------------------------------------------------------------------------

/// The line that this version would write with these members, its checksum right.
std::string sealed(std::string object) {
  object.pop_back();
  char crc[9];
  std::snprintf(crc, sizeof crc, "%08x", static_cast<unsigned>(crc32c(object)));
  return object + R"(,"crc":")" + crc + "\"}\n";
}

/// 100 KB of lines that owe nothing in the end, so that the file is written anew.
void rotate(Journal& journal, std::uint64_t boot) {
  std::vector<SequencedAlarm> many;
  for (std::uint64_t i = 1; i <= 300; ++i) many.push_back(numbered(i));
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(journal.generated_all(boot, many), many.size());
    for (const auto& one : many) ASSERT_TRUE(journal.acknowledged(boot, one.sequence, {}));
  }
  ASSERT_TRUE(journal.generated(boot, numbered(1)));
  ASSERT_TRUE(journal.acknowledged(boot, 1, {}));
}

constexpr auto kAlarmOf9 =
    R"({"type":"alarm","boot":9,"seq":7,"tk":1,"event":"raised","code":"x","kind":"technical","priority":3)";

class NotUnderstood : public FileJournal, public ::testing::WithParamInterface<std::string> {};

TEST_P(NotUnderstood, IsKeptByteForByteAndNotSent) {  // DUR-2
  const auto strange = sealed(GetParam());
  { open()->generated(9, numbered(1)); }
  write(bytes() + strange);  // the last line: it is whole, though it is not understood
  {
    const auto journal = open();
    EXPECT_EQ(journal->kept_lines(), 1u);
    EXPECT_EQ(journal->damaged_lines(), 0u);
    EXPECT_THAT(names(journal->owed()), ElementsAre("9/1"));
    EXPECT_THAT(bytes(), ::testing::HasSubstr(strange));
    rotate(*journal, 6);
  }
  EXPECT_LT(bytes().size(), 64u << 10);
  EXPECT_THAT(bytes(), ::testing::HasSubstr(strange));
  EXPECT_THAT(bytes(), ::testing::HasSubstr(R"({"type":"boot","device":"urn:dev:os:32473-a","boot":9,)"));
  const auto journal = open();
  EXPECT_EQ(journal->kept_lines(), 1u);
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1"));
}

INSTANTIATE_TEST_SUITE_P(
    Lines, NotUnderstood,
    ::testing::Values(
        std::string(kAlarmOf9) + R"(,"sign":"lactate","value":4.1})",  // a newer catalogue's sign
        R"({"type":"alarm","boot":9,"seq":7,"tk":1,"event":"paused","code":"x","kind":"technical","priority":3})",
        R"({"type":"alarm","boot":9,"seq":7,"tk":1,"event":"raised","code":"x","kind":"advisory","priority":3})",
        R"({"type":"alarm","boot":9,"seq":7,"tk":1,"event":"raised","code":"x","kind":"technical","priority":4})",
        R"({"type":"alarm","boot":9,"seq":7,"tk":1.5,"event":"raised","code":"x","kind":"technical","priority":3})",
        R"({"type":"alarm","boot":9,"seq":7,"tk":1,"event":"ended","code":"x","kind":"technical","priority":3})",
        std::string(kAlarmOf9) + R"(,"value":"high"})",
        R"({"type":"escalation","boot":9,"seq":7})",  // a kind of line that there is not yet
        R"({"kind":"note"})", R"({"type":7})"));

TEST_F(FileJournal, AnAlarmWithAMemberThatIsNotKnownIsSentAndKeptByteForByte) {  // DUR-2
  const auto strange = sealed(std::string(kAlarmOf9) + R"(,"sign":"hr","uncertainty_ms":12})");
  { open()->generated(9, numbered(1)); }
  write(bytes() + strange);
  const auto journal = open();
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1", "9/7"));
  rotate(*journal, 6);
  EXPECT_THAT(bytes(), ::testing::HasSubstr(strange));
}

TEST_F(FileJournal, TheAckOfAnAlarmThatIsNotUnderstoodSettlesIt) {
  { open()->generated(9, numbered(1)); }
  write(bytes() + sealed(std::string(kAlarmOf9) + R"(,"sign":"lactate"})") +
        sealed(R"({"type":"ack","boot":9,"seq":7,"at_us":1})"));
  EXPECT_EQ(open()->kept_lines(), 0u);
}

/// As the first version of the format had it: sets among the lines, and no first line of its own.
constexpr auto kFormat1 =
    R"({"type":"boot","device":"urn:dev:os:32473-b","boot":8,"crc":"30a505f3"})"
    "\n"
    R"({"type":"alarm","boot":8,"seq":1,"tk":5,"event":"raised","code":"fall","kind":"physiological","priority":3,"crc":"f6f8401f"})"
    "\n"
    R"({"type":"boot","device":"urn:dev:os:32473-a","boot":9,"crc":"7eb0e842"})"
    "\n"
    R"({"type":"set","boot":9,"seq":1,"tk":1000,"signs":{"hr":94,"temp":37.6},"crc":"7ff6c80f"})"
    "\n"
    R"({"type":"alarm","boot":9,"seq":1,"tk":1000,"event":"raised","code":"temp-high","kind":"physiological","priority":3,"sign":"temp","value":39.3,"limit":39.1,"crc":"7c699aec"})"
    "\n"
    R"({"type":"set","boot":9,"seq":2,"tk":2000,"signs":{"hr":95},"crc":"aa58a120"})"
    "\n"
    R"({"type":"alarm","boot":9,"seq":2,"tk":2000,"event":"raised","code":"lead-off","kind":"technical","priority":2,"crc":"3689d43d"})"
    "\n"
    R"({"type":"ack","boot":9,"seq":1,"at_us":1700000000123456,"crc":"7ec66702"})"
    "\n"
    R"({"type":"alarm","boot":9,"seq":3,"tk":3000,"event":"ended","code":"lead-off","kind":"technical","priority":2,"onset_seq":2,"crc":"4bd6fecb"})"
    "\n"
    R"({"type":"boot","device":"urn:dev:os:32473-a","boot":4503599627370495,"crc":"469ae665"})"
    "\n"
    R"({"type":"alarm","boot":4503599627370495,"seq":1,"tk":10,"event":"raised","code":"hr-high","kind":"physiological","priority":3,"sign":"hr","value":140,"limit":131,"crc":"974c5dc7"})"
    "\n";

TEST_F(FileJournal, AJournalOfFormat1BecomesOneOfFormat2WithItsDebts) {  // DUR-2
  for (const std::string tail : {"", R"({"type":"alarm","boot":45035996)"}) {
    write(kFormat1 + tail);
    {
      const auto journal = open();
      EXPECT_THAT(names(journal->owed()), ElementsAre("9/2", "9/3", "4503599627370495/1"));
      EXPECT_EQ(journal->damaged_lines() + journal->kept_lines(), 0u);
      EXPECT_THAT(bytes(), ::testing::StartsWith(R"({"type":"journal","format":2,)"));
      EXPECT_THAT(bytes(), ::testing::Not(::testing::HasSubstr(R"("type":"set")")));
      journal->acknowledged(9, 3, {});
      ASSERT_TRUE(journal->generated(5, numbered(1)));
    }
    const auto owed = open()->owed();
    EXPECT_THAT(names(owed), ElementsAre("9/2", "4503599627370495/1", "5/1"));
    EXPECT_EQ(owed[1].record.alarm.sign, signs::find("hr")->id);
    EXPECT_EQ(owed[1].record.alarm.value, 140);
    // The other device's debt is still that device's.
    EXPECT_THAT(names(open_file_journal(path_, "urn:dev:os:32473-b")->owed()), ElementsAre("8/1"));
  }
}

TEST_F(FileJournal, DamageInAJournalOfFormat1CutsOffNothingBehindIt) {  // DUR-2
  std::string damaged = kFormat1;
  damaged[damaged.find("lead-off")] = 'L';
  write(damaged);
  const auto journal = open();
  EXPECT_EQ(journal->damaged_lines(), 1u);
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/3", "4503599627370495/1"));
  EXPECT_THAT(bytes(), ::testing::HasSubstr("\"Lead-off")) << "a person may still read it";
}

// -- its size --------------------------------------------------------------------------------------------------------

TEST_F(FileJournal, StaysBounded) {  // DUR-2
  const auto journal = open();
  std::size_t largest = 0;
  for (std::uint64_t i = 1; i <= 2000; i += 10) {
    std::vector<SequencedAlarm> some;
    for (std::uint64_t next = i; next < i + 10; ++next) some.push_back(numbered(next));
    ASSERT_EQ(journal->generated_all(9, some), 10u);
    for (const auto& one : some) {
      if (one.sequence % 100 != 0) journal->acknowledged(9, one.sequence, {});
    }
    largest = std::max<std::size_t>(largest, std::filesystem::file_size(path_));
  }
  EXPECT_LE(largest, (64u << 10) + 5000);
  EXPECT_EQ(journal->owed().size(), 20u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

// -- the latest good date ---------------------------------------------------------------------------------------------

constexpr std::int64_t kGood = 1'790'000'000, kDay = 86'400;

TEST_F(FileJournal, KnowsTheLatestGoodDate) {
  {
    const auto journal = open();
    EXPECT_EQ(journal->latest_good_date(), 0);
    EXPECT_TRUE(journal->good_date(kGood));
    EXPECT_EQ(journal->latest_good_date(), kGood);
    EXPECT_TRUE(journal->generated(9, numbered(1)));
  }
  EXPECT_THAT(lines().at(1), (Json{{"type", "good_date"}, {"at_s", kGood}}));
  const auto journal = open();
  EXPECT_EQ(journal->latest_good_date(), kGood);
  EXPECT_EQ(journal->kept_lines() + journal->damaged_lines(), 0u);
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1"));
  EXPECT_TRUE(journal->good_date(kGood - kDay));
  EXPECT_EQ(journal->latest_good_date(), kGood) << "an earlier one says nothing";
}

TEST_F(FileJournal, KeepsTheLatestGoodDateWhereItIsWrittenAnew) {  // DUR-2
  {
    const auto journal = open();
    for (int day = 0; day <= 400; ++day) ASSERT_TRUE(journal->good_date(kGood + day * kDay));
    ASSERT_TRUE(journal->generated(9, numbered(1)));
    rotate(*journal, 6);
  }
  EXPECT_EQ(std::ranges::count_if(lines(), [](const Json& line) { return line["type"] == "good_date"; }), 1);
  EXPECT_EQ(open()->latest_good_date(), kGood + 400 * kDay);
  EXPECT_THAT(names(open()->owed()), ElementsAre("9/1"));
}

TEST_F(FileJournal, AGoodDateThatIsNoneIsKeptAndDoesNotCount) {
  for (const auto* strange :
       {R"({"type":"good_date"})", R"({"type":"good_date","at_s":-1})", R"({"type":"good_date","at_s":253402300800})",
        R"({"type":"good_date","at_s":"1 May"})"}) {
    std::filesystem::remove(path_);
    { open()->good_date(kGood); }
    write(bytes() + sealed(strange));
    EXPECT_EQ(open()->latest_good_date(), kGood) << strange;
    EXPECT_EQ(open()->kept_lines(), 1u) << strange;
  }
}

TEST_F(FileJournal, OwesMoreThanItsBoundWhereMoreIsOwed) {  // DUR-2
  const auto journal = open();
  std::vector<SequencedAlarm> many;
  for (std::uint64_t i = 1; i <= 1000; ++i) many.push_back(numbered(i));
  EXPECT_EQ(journal->generated_all(9, many), 1000u);
  rotate(*journal, 6);
  EXPECT_EQ(journal->owed().size(), 1000u);
  EXPECT_LE(bytes().size(), 2 * 1000 * 220u);
}

TEST_F(FileJournal, RotatesAFileThatALinkNames) {
  const auto real = (folder_ / "real.jsonl").string();
  std::ofstream(real).flush();
  std::filesystem::create_symlink(real, path_);
  rotate(*open(), 6);
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
  EXPECT_LT(std::filesystem::file_size(real), 64u << 10);
}

TEST_F(FileJournal, AFileThatARotationLeftBehindDoesNotCount) {
  { open()->generated(9, numbered(1)); }
  std::ofstream(path_ + ".new") << bytes().substr(0, 20);
  const auto journal = open();
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1"));
  rotate(*journal, 6);
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1"));
}

// -- a full disk -----------------------------------------------------------------------------------------------------

/// The kernel lets no file of this process grow beyond that: it cuts writes short, then fails them.
class Room {
 public:
  explicit Room(std::size_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit less{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &less);
  }
  ~Room() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(FileJournal, OnAFullDiskSaysSoAndLeavesNoHalfLine) {  // DUR-2
  const auto journal = open();
  ASSERT_TRUE(journal->generated(9, numbered(1)));
  const auto whole = bytes();
  for (std::size_t room = 0; room < 400; ++room) {
    std::vector<SequencedAlarm> two{numbered(2), numbered(3)};
    std::size_t written;
    {
      const Room little(whole.size() + room);
      written = journal->generated_all(9, two);
    }
    const auto kept = names(journal->owed());
    EXPECT_EQ(kept.size(), 1 + written) << room;
    EXPECT_EQ(bytes().back(), '\n') << room;
    EXPECT_EQ(lines().size(), 3 + written) << room;
    if (written > 0) break;
    EXPECT_EQ(bytes(), whole) << room;
  }
  EXPECT_EQ(journal->generated_all(9, std::vector<SequencedAlarm>{numbered(2), numbered(3)}), 2u);  // there is room
  EXPECT_THAT(names(journal->owed()), ElementsAre("9/1", "9/2", "9/3"));
  EXPECT_EQ(lines().size(), 5u);
}

TEST_F(FileJournal, AnAckThatTheDiskHadNoRoomForIsWrittenWithTheNextLine) {  // DUR-2
  {
    const auto journal = open();
    ASSERT_TRUE(journal->generated(9, numbered(1)));
    {
      const Room none(bytes().size() + 10);
      EXPECT_FALSE(journal->acknowledged(9, 1, {}));
    }
    ASSERT_TRUE(journal->generated(9, numbered(2)));
  }
  EXPECT_THAT(names(open()->owed()), ElementsAre("9/2"));
}

TEST_F(FileJournal, WhereThereIsNoRoomForTheNewFileTheOldOneGoesOn) {  // DUR-2
  const auto journal = open();
  std::vector<SequencedAlarm> many;
  for (std::uint64_t i = 1; i <= 300; ++i) many.push_back(numbered(i));
  ASSERT_EQ(journal->generated_all(9, many), 300u);
  for (std::uint64_t i = 1; i <= 290; ++i) journal->acknowledged(9, i, {});
  const auto before = bytes();
  std::filesystem::create_directory(path_ + ".new");  // it cannot be made
  ASSERT_TRUE(journal->generated(9, numbered(301)));
  EXPECT_THAT(bytes(), ::testing::StartsWith(before));
  EXPECT_EQ(journal->owed().size(), 11u);
  std::filesystem::remove(path_ + ".new");
  rotate(*journal, 6);
  EXPECT_LT(bytes().size(), 64u << 10);
  EXPECT_EQ(journal->owed().size(), 11u);
}

TEST_F(FileJournal, TheAuditBookWritesWhatItCouldNotWriteWhenThereIsRoom) {  // DUR-2
  const auto book = open_audit_book(path_, kDevice);
  book->generated(1, numbered(1));
  {
    const Room none(bytes().size() + 10);
    for (std::uint64_t i = 2; i <= 4; ++i) EXPECT_TRUE(book->generated(1, numbered(i)));
    EXPECT_EQ(lines().size(), 2u);
  }
  EXPECT_TRUE(book->generated(1, numbered(5)));
  EXPECT_EQ(lines().size(), 6u);
}

TEST(FileJournalOnAFullDisk, SaysThatItCouldNotWrite) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this host has no /dev/full";
  const auto journal = open_file_journal("/dev/full", "urn:dev:x");
  EXPECT_FALSE(journal->generated(1, raised()));
  EXPECT_FALSE(journal->generated(1, raised()));
}

}  // namespace
}  // namespace wardlink
