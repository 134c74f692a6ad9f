// The catalogue of signs, and that docs/wire.md shows the same one.

#include "signs/catalogue.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>

#include "places.hpp"

namespace {

TEST(Catalogue, FindsEverySignByIdAndByBothNames) {
  for (const signs::Sign& sign : signs::catalogue()) {
    EXPECT_EQ(signs::find(sign.id), &sign);
    EXPECT_EQ(signs::find(sign.wire), &sign);
    EXPECT_EQ(signs::find(sign.long_name), &sign);
  }
}

TEST(Catalogue, FindsNothingElse) {
  EXPECT_EQ(signs::find(signs::SignId{0}), nullptr);
  EXPECT_EQ(signs::find(static_cast<signs::SignId>(signs::catalogue().size() + 1)), nullptr);
  EXPECT_EQ(signs::find(std::numeric_limits<signs::SignId>::max()), nullptr);
  for (const char* name : {"", "HR", "h", "hrx", "q", "tk", "ev", "on", "owed", "time"})
    EXPECT_EQ(signs::find(std::string_view(name)), nullptr) << name;
}

// These ids are in databases.
TEST(Catalogue, IdsArePermanent) {
  const std::pair<signs::SignId, const char*> permanent[] = {{1, "hr"},        {2, "spo2"},   {3, "rr"},  {4, "temp"},
                                                             {5, "sbp"},       {6, "dbp"},    {7, "map"}, {8, "pr"},
                                                             {9, "skin-temp"}, {10, "etco2"}, {11, "pi"}};
  for (const auto& [id, wire] : permanent) {
    ASSERT_NE(signs::find(id), nullptr) << id;
    EXPECT_EQ(signs::find(id)->wire, wire);
  }
}

TEST(Catalogue, KeepsLikeSignsApart) {
  EXPECT_NE(signs::find("temp"), signs::find("skin-temp"));
  EXPECT_NE(signs::find("hr"), signs::find("pr"));
  EXPECT_NE(signs::find("hr")->loinc, signs::find("pr")->loinc);
}

TEST(Catalogue, EveryRowIsComplete) {
  std::set<std::string_view> displays;
  for (const signs::Sign& sign : signs::catalogue()) {
    EXPECT_TRUE(displays.insert(sign.display).second) << sign.display;
    EXPECT_FALSE(sign.ucum.empty()) << sign.wire;
    EXPECT_LT(sign.plausible_low, sign.plausible_high) << sign.wire;
    EXPECT_GT(sign.resolution, 0) << sign.wire;
    EXPECT_NE(sign.senml_unit, "%") << "SenML's % is the plain ratio: " << sign.wire;
  }
}

// LOINC's last digit is a check digit (mod 10, Luhn): a code that was typed wrong shows.
TEST(Catalogue, LoincCheckDigitsHold) {
  for (const signs::Sign& sign : signs::catalogue()) {
    const std::string code(sign.loinc.substr(0, sign.loinc.find('-')));
    int sum = 0;
    for (std::size_t i = 0; i < code.size(); ++i) {
      const int digit = code[code.size() - 1 - i] - '0';
      const int doubled = i % 2 == 0 ? 2 * digit : digit;
      sum += doubled / 10 + doubled % 10;
    }
    EXPECT_EQ((10 - sum % 10) % 10, sign.loinc.back() - '0') << sign.wire << " " << sign.loinc;
  }
}

// ISO/IEEE 11073-10101: every sign here is of partition 2 (metrics).
TEST(Catalogue, MdcCodesAreMetrics) {
  for (const signs::Sign& sign : signs::catalogue()) EXPECT_EQ(sign.mdc >> 16, 2u) << sign.wire;
}

TEST(Plausible, TakesItsBoundsIn) {
  const signs::Sign& spo2 = *signs::find("spo2");
  EXPECT_TRUE(signs::plausible(spo2, spo2.plausible_low));
  EXPECT_TRUE(signs::plausible(spo2, spo2.plausible_high));
  EXPECT_FALSE(signs::plausible(spo2, spo2.plausible_low - 0.1));
  EXPECT_FALSE(signs::plausible(spo2, spo2.plausible_high + 0.1));
  EXPECT_FALSE(signs::plausible(spo2, std::numeric_limits<double>::quiet_NaN()));
}

// An artefact of real recordings, and values that real patients had.
TEST(Plausible, FlagsArtefactsAndSparesTheSick) {
  EXPECT_FALSE(signs::plausible(*signs::find("rr"), 0));
  EXPECT_TRUE(signs::plausible(*signs::find("hr"), 220));
  EXPECT_TRUE(signs::plausible(*signs::find("spo2"), 57));
  EXPECT_TRUE(signs::plausible(*signs::find("temp"), 30.1));
  EXPECT_TRUE(signs::plausible(*signs::find("sbp"), 45));
}

// TIME-5: what is measured without a break is not current for long; what is measured now and then is until it is again.
TEST(Stale, GoesByHowTheSignIsMeasured) {
  using namespace std::chrono_literals;
  for (const char* sign : {"hr", "spo2", "rr", "pr", "skin-temp", "etco2", "pi"}) {
    EXPECT_FALSE(signs::stale(signs::find(sign)->id, 75s)) << sign;
    EXPECT_TRUE(signs::stale(signs::find(sign)->id, 75s + 1us)) << sign;
  }
  for (const char* sign : {"temp", "sbp", "dbp", "map"}) EXPECT_FALSE(signs::stale(signs::find(sign)->id, 24h)) << sign;
  EXPECT_FALSE(signs::stale(signs::find("hr")->id, -1s));
  EXPECT_TRUE(signs::stale(999, 76s)) << "a newer version's";
}

TEST(Documentation, ShowsEveryRow) {
  std::ifstream file(places::source("docs/wire.md"));
  std::stringstream page;
  page << file.rdbuf();
  ASSERT_FALSE(page.str().empty());
  for (const signs::Sign& sign : signs::catalogue()) {
    std::stringstream row;
    row << "| " << sign.id << " | `" << sign.wire << "` | `" << sign.long_name << "` | " << sign.display << " | "
        << sign.ucum << " | ";
    if (sign.senml_unit.empty()) {
      row << "–";
    } else {
      row << "`" << sign.senml_unit << "`";
    }
    row << " | " << sign.loinc << " | " << sign.mdc << " |\n";
    EXPECT_NE(page.str().find(row.str()), std::string::npos) << "docs/wire.md lacks: " << row.str();
  }
}

}  // namespace
