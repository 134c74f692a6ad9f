#include "client/journal_file.hpp"

#include "client/exit_code.hpp"
#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

constexpr auto boot_line = R"({"type":"boot","device":"urn:a","boot":5})"
                           "\n";
constexpr auto set_line = R"({"type":"set","boot":5,"seq":1,"tk":1000,"signs":{"hr":94,"temp":37.6}})"
                          "\n";

class JournalFile : public testing::Test {
 protected:
  std::string failure_of(const std::string& text) {
    std::map<std::string, DeviceJournal> journals;
    try {
      read_journal(scratch_.write("journal", text), journals);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code, exit_file);
      return failure.sentence;
    }
    return {};
  }
  std::map<std::string, DeviceJournal> read(const std::string& text) {
    std::map<std::string, DeviceJournal> journals;
    read_journal(scratch_.write("journal", text), journals);
    return journals;
  }
  ScratchFolder scratch_;
};

TEST_F(JournalFile, TellsSetsAlarmsAndAcknowledgements) {
  const auto journals = read(
      std::string(boot_line) + set_line +
      R"({"type":"alarm","boot":5,"seq":1,"tk":2000,"event":"raised","kind":"physiological","priority":3,)"
      R"("code":"hr-high","sign":"hr","value":131,"limit":131})"
      "\n"
      R"({"type":"alarm","boot":5,"seq":2,"tk":9000,"event":"ended","code":"hr-high","kind":"physiological","priority":3,"onset_seq":1})"
      "\n"
      R"({"type":"ack","boot":5,"seq":1,"at_us":1700000000000000})"
      "\n"
      R"({"type":"boot","device":"urn:a","boot":6})"
      "\n"
      R"({"type":"set","boot":6,"seq":1,"tk":7,"signs":{"hr":95}})"
      "\n");
  ASSERT_EQ(journals.size(), 1U);
  const DeviceJournal& journal = journals.at("urn:a");
  ASSERT_EQ(journal.sets.size(), 2U);
  EXPECT_EQ(journal.sets.at({5, 1}).signs.at("temp"), 37.6);
  EXPECT_EQ(journal.sets.at({6, 1}).tick_ms, 7U);
  const JournaledAlarm& raised = journal.alarms.at({5, 1});
  EXPECT_FALSE(raised.ended);
  EXPECT_EQ(raised.kind, "physiological");
  EXPECT_EQ(raised.priority, 3);
  EXPECT_EQ(raised.code, "hr-high");
  EXPECT_EQ(raised.sign, "hr");
  EXPECT_EQ(raised.limit, 131);
  EXPECT_TRUE(journal.alarms.at({5, 2}).ended);
  EXPECT_EQ(journal.alarms.at({5, 2}).onset, 1U);
  EXPECT_EQ(journal.alarms.at({5, 2}).value, std::nullopt);
  EXPECT_TRUE(journal.acknowledged.contains({5, 1}));
  EXPECT_EQ(journal.torn_lines, 0U);
}

TEST_F(JournalFile, CountsLinesThatWereCutShort) {
  const std::string torn = R"({"type":"set","boot":5,"se)";
  const auto journals = read(std::string(boot_line) + torn + "\n" + set_line + torn);
  EXPECT_EQ(journals.at("urn:a").torn_lines, 2U);
  EXPECT_EQ(journals.at("urn:a").sets.size(), 1U);
}

TEST_F(JournalFile, NamesTheLineThatIsNone) {
  EXPECT_THAT(failure_of(std::string(boot_line) + "[]\n" + set_line), HasSubstr("Line 2 of "));
  EXPECT_THAT(failure_of(std::string(boot_line) + R"({"type":"set","boot":5,"seq":1})"
                                                  "\n"),
              HasSubstr("Line 2 of "));
  EXPECT_THAT(failure_of(set_line), HasSubstr("Line 1 of "));
  EXPECT_THAT(failure_of(""), HasSubstr("names no device"));
}

TEST_F(JournalFile, IsNotAJournalOfDebts) {  // DUR-2
  constexpr auto header = R"({"type":"journal","format":2,"device":"urn:a"})"
                          "\n";
  EXPECT_THAT(failure_of(header + std::string(boot_line)), HasSubstr("audit book"));
  EXPECT_THAT(failure_of(std::string(boot_line) + header), HasSubstr("audit book"));
}

TEST_F(JournalFile, NamesTheFileThatIsNotThere) {
  std::map<std::string, DeviceJournal> journals;
  EXPECT_THROW(read_journal((scratch_.path() / "none").string(), journals), Failure);
}

}  // namespace
}  // namespace wardlink::command_line
