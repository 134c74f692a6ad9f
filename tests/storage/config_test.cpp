#include "storage/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "places.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/status.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {
namespace {

// LIFE-3: a ward would confine no ingest.
TEST(Config, GrantsAreSubjectRoleAndPerhapsWard) {
  const auto grant = parse_grant("urn:wardlink:client:a=viewer");
  EXPECT_EQ(grant.subject, "urn:wardlink:client:a");
  EXPECT_EQ(grant.role, "viewer");
  EXPECT_EQ(parse_grant("urn:wardlink:client:a=clinician@icu").ward, "icu");
  for (const auto* wrong : {"", "urn:wardlink:client:a", "urn:wardlink:client:a=king", "urn:other:a=viewer",
                            "urn:wardlink:client:a=viewer@", "urn:wardlink:client:a=viewer@I C U",
                            "urn:wardlink:service:ingest=ingest@icu"}) {
    EXPECT_THROW(parse_grant(wrong), std::runtime_error) << wrong;
  }
}

/// A settings file, with the PEM files that storage asks for beside it.
class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    std::filesystem::create_directories(folder_);
    for (const auto& [key, file] : {std::pair{"cert", "storage.pem"}, {"key", "storage.key"}, {"ca", "service-ca.pem"}})
      needed_ += std::string(key) + " = \"" + pki() + "/" + file + "\"\n";
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  /// Made once.
  static const std::string& pki() {
    static const std::string folder = [] {
      auto made = ::testing::TempDir() + "storage-config-pki-" + std::to_string(::getpid());
      const auto command = "'" + places::source("certs/make-pki") + "' init '" + made + "'";
      EXPECT_EQ(std::system(command.c_str()), 0);
      return made;
    }();
    return folder;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(pki()); }

  std::optional<ProgramConfig> read(const std::string& text, std::vector<const char*> flags = {}) {
    std::ofstream(file_) << text;
    flags.insert(flags.begin(), {"wardlink-storage", "--config", file_.c_str()});
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    auto config = read_config(static_cast<int>(flags.size()), flags.data(), exit_code_);
    printed_ = ::testing::internal::GetCapturedStdout();
    said_ = ::testing::internal::GetCapturedStderr();
    return config;
  }

  const std::string folder_ = ::testing::TempDir() + "storage-config-" + std::to_string(::getpid());
  const std::string file_ = folder_ + "/storage.toml";
  std::string needed_, printed_, said_;
  int exit_code_ = -1;
};

TEST_F(SettingsTest, AFileSaysAllAndAFlagWins) {
  const auto text = needed_ +
                    "database = \"host=/run/db password='a#b, c'\"\n"
                    "listen = \"[::1]:50051\"\n"
                    "grant-recheck = 7\n"
                    "grant = [\"urn:wardlink:client:a=viewer\", \"urn:wardlink:service:ingest=ingest\"]\n";
  const auto config = read(text, {"--grant-recheck", "9"});
  ASSERT_TRUE(config) << said_;
  EXPECT_EQ(config->database, "host=/run/db password='a#b, c'");
  EXPECT_EQ(config->server.address, "[::1]:50051");
  EXPECT_EQ(config->server.grant_recheck, std::chrono::seconds(9));
  ASSERT_EQ(config->grants.size(), 2U);
  EXPECT_EQ(config->grants[1].role, "ingest");
  EXPECT_THAT(config->server.credentials.key, ::testing::HasSubstr("PRIVATE KEY"));
}

TEST_F(SettingsTest, AnUnknownKeyOrAWrongTypeIsToldInOneSentence) {
  EXPECT_FALSE(read(needed_ + "databse = \"x\"\n"));
  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(said_,
              ::testing::StartsWith("wardlink-storage: " + file_ +
                                    ", line 4, holds the unknown key \"databse\": --print-config lists the keys.\n"));
  EXPECT_FALSE(read("max-connections = \"many\"\n"));
  EXPECT_THAT(said_,
              ::testing::HasSubstr("gives \"max-connections\" a value of the wrong type: it is a whole number."));
  EXPECT_FALSE(read("grant = \"urn:wardlink:client:a=viewer\"\n"));
  EXPECT_THAT(said_, ::testing::HasSubstr("gives \"grant\" a value of the wrong type: it is a list."));
  EXPECT_FALSE(read("grant-recheck = 61\n"));
  EXPECT_THAT(said_, ::testing::HasSubstr("--grant-recheck"));
}

TEST_F(SettingsTest, AKeyOfAnotherCertificateIsToldInOneSentence) {
  try {
    read_credentials({pki() + "/storage.pem", pki() + "/ingest.key", pki() + "/service-ca.pem", "", false},
                     Server::Serves::api);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(),
              pki() + "/ingest.key (--key) is not the private key of the certificate " + pki() + "/storage.pem.");
  }
}

TEST_F(SettingsTest, AnAuthorityThatWasHalfWrittenIsToldInOneSentence) {
  std::ifstream whole(pki() + "/service-ca.pem");
  std::string text{std::istreambuf_iterator<char>(whole), {}};
  const auto half = folder_ + "/half-ca.pem";
  std::ofstream(half) << text.substr(0, text.size() / 2);
  try {
    read_credentials({pki() + "/storage.pem", pki() + "/storage.key", half, "", false}, Server::Serves::api);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(
        error.what(),
        half + " (--ca) must hold whole certificates and nothing else: one is broken, cut off or something other.");
  }
}

TEST_F(SettingsTest, WhatIsPrintedCanBeReadBack) {
  EXPECT_FALSE(read("", {"--print-config"}));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_THAT(printed_, ::testing::HasSubstr("\nlisten = \"127.0.0.1:50051\"\n"));
  EXPECT_THAT(printed_, ::testing::HasSubstr("\n# grant = []\n"));
  const auto taught = printed_;
  const auto config = read(taught + needed_ + "database = \"x\"\n");
  ASSERT_TRUE(config) << said_ << taught;
  EXPECT_EQ(config->server.limits.connections, ListeningPort::Limits{}.connections);
  EXPECT_TRUE(config->grants.empty());

  EXPECT_FALSE(read(needed_ + "grant = [\"urn:wardlink:client:a=viewer\"]\n", {"--print-config"}));
  const auto again = printed_;
  EXPECT_THAT(again, ::testing::HasSubstr("\ngrant = [\"urn:wardlink:client:a=viewer\"]\n"));
  EXPECT_FALSE(read(again, {"--print-config"}));
  EXPECT_EQ(printed_, again);
}

TEST(Names, OnlyWhatTheServerGivesOutParses) {
  EXPECT_EQ(parse_device("f", "devices/urn:dev:os:32473-a"), "urn:dev:os:32473-a");
  EXPECT_EQ(parse_patient("f", "patients/0A000000-0000-4000-8000-000000000000"),
            "0a000000-0000-4000-8000-000000000000");
  EXPECT_EQ(parse_parent("f", "").kind, Subject::Kind::all);
  for (const auto* wrong : {"devices/", "devices/x", "devices/urn:a b", "devices/urn:a/b", "patients/1", "beds/1"}) {
    EXPECT_THROW(parse_parent("f", wrong), InvalidArgument) << wrong;
  }
  EXPECT_FALSE(is_urn("urn:dev:" + std::string(56, 'a')));
  EXPECT_TRUE(is_urn("urn:dev:" + std::string(55, 'a')));
}

TEST(Instants, SurviveTheWireToTheMicrosecond) {
  for (const std::int64_t micros : {0L, -1L, 1'763'851'234'567'891L, -62'135'596'800'000'000L}) {
    const Instant at{std::chrono::microseconds{micros}};
    EXPECT_EQ(to_instant(to_stamp(at)), at);
  }
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(253'402'300'800);
  EXPECT_FALSE(to_instant(stamp));
  stamp.set_seconds(0);
  stamp.set_nanos(1'000'000'000);
  EXPECT_FALSE(to_instant(stamp));
}

TEST(PageToken, ComesBackForTheSameRequest) {
  v1::ListReadingsRequest request;
  request.set_parent("patients/x");
  const Position position{Instant{std::chrono::microseconds{5}}, 7, (1ULL << 53) - 1, Stream::manual, 9};
  const auto back = read_place(read_page_token(request, make_page_token(request, to_place(position))));
  EXPECT_EQ(back.at, position.at);
  EXPECT_EQ(back.device_id, 7);
  EXPECT_EQ(back.boot, position.boot);
  EXPECT_EQ(back.stream, Stream::manual);
  EXPECT_EQ(back.sequence, 9U);
}

TEST(PageToken, AForgedPlaceIsRefused) {
  const v1::ListReadingsRequest request;
  for (const auto* place :
       {"", "1", "1,2,3,4", "1,2,3,4,5,6", "1,2,-3,1,5", "1,2,3,256,5", "x,2,3,1,5", "9223372036854775807,2,3,1,5"}) {
    EXPECT_THROW(read_place(read_page_token(request, make_page_token(request, place))), InvalidArgument) << place;
  }
}

TEST(PageToken, SizesHaveABound) {
  EXPECT_EQ(page_size_of(0), 1000U);
  EXPECT_EQ(page_size_of(20000), 10000U);
  EXPECT_THROW(page_size_of(-1), InvalidArgument);
}

}  // namespace
}  // namespace wardlink::storage
