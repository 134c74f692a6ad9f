#include "client/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace wardlink::command_line {
namespace {

std::string printed(const Table& table) {
  std::ostringstream out;
  table.print(out);
  return out.str();
}

TEST(Table, AlignsByTheWidestCellAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"hr [/min]", Align::right}, {"NOTE"}});
  table.add({"Bed 1", "72", "fine"});
  table.add({"Bed 10 by the door", "131", ""});
  EXPECT_EQ(printed(table),
            "NAME                hr [/min]  NOTE\n"
            "Bed 1                      72  fine\n"
            "Bed 10 by the door        131  -\n");
}

TEST(Table, CountsLettersNotBytes) {
  Table table({{"NAME"}, {"X"}});
  table.add({"Zoë", "1"});
  table.add({"Anna", "2"});
  EXPECT_EQ(printed(table), "NAME  X\nZoë   1\nAnna  2\n");
}

TEST(Table, LetsNoNameDriveTheTerminal) {
  Table table({{"NAME"}});
  table.add({"a\x1b[2Jb\nc"});
  EXPECT_EQ(printed(table), "NAME\na?[2Jb?c\n");
}

TEST(NumberText, IsTheShortestThatReadsBack) {
  EXPECT_EQ(number_text(72), "72");
  EXPECT_EQ(number_text(37.6), "37.6");
  EXPECT_EQ(number_text(0.1 + 0.2), "0.30000000000000004");
}

}  // namespace
}  // namespace wardlink::command_line
