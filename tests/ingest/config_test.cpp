// What the administrator says, by flags and in a file: a slip of the pen is told in one sentence and never becomes a
// default in silence.

#include "ingest/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "coap/dtls_peers.hpp"

namespace wardlink::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class IngestConfigTest : public ::testing::Test {
 protected:
  IngestConfigTest() {
    const auto& authorities = coap::testing::Authorities::get();
    const auto server = authorities.services.issue({}), client = authorities.services.issue({});
    std::filesystem::create_directories(folder_);
    name_file("cert", server.certificate_pem);
    name_file("key", server.private_key_pem);
    name_file("device-ca", authorities.devices.certificate_pem());
    name_file("storage-cert", client.certificate_pem);
    name_file("storage-key", client.private_key_pem);
    name_file("storage-ca", authorities.services.certificate_pem());
  }
  ~IngestConfigTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  void name_file(const std::string& key, const std::string& text) {
    std::ofstream(path(key)) << text;
    credentials_ += key + " = \"" + path(key) + "\"\n";
  }

  std::string write(const std::string& text) const {
    std::ofstream(path("ingest.toml")) << text;
    return path("ingest.toml");
  }

  std::optional<Config> read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "wardlink-ingest");
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    auto config = read_config(static_cast<int>(arguments.size()), arguments.data(), exit_code_);
    printed_ = ::testing::internal::GetCapturedStdout();
    said_ = ::testing::internal::GetCapturedStderr();
    return config;
  }

  std::optional<Config> read_file(const std::string& text) {
    const auto file = write(text);
    return read({"--config", file.c_str()});
  }

  std::string credentials_;  // the keys that name PEM files
  std::string printed_, said_;
  int exit_code_ = -1;

 private:
  const std::string folder_ = ::testing::TempDir() + "ingest-config-" + std::to_string(::getpid());
};

TEST_F(IngestConfigTest, ReadsAFileAndThePemFilesThatItNames) {
  const auto config = read_file(credentials_ + "port = 7000\nlisten = \"127.0.0.1\" # here\nallow-ccm-8 = true\n");
  ASSERT_TRUE(config) << said_;
  EXPECT_EQ(config->port, 7000);
  EXPECT_EQ(config->listen, "127.0.0.1");
  EXPECT_TRUE(config->allow_ccm_8);
  EXPECT_EQ(config->credentials.dtls.trusted_ca_pem, coap::testing::Authorities::get().devices.certificate_pem());
  EXPECT_THAT(config->credentials.storage.private_key_pem, HasSubstr("PRIVATE KEY"));
}

TEST_F(IngestConfigTest, AFlagWinsOverTheFile) {
  const auto file = write(credentials_ + "port = 7000\nshards = 3\n");
  const auto config = read({"--port", "7001", "--config", file.c_str()});
  ASSERT_TRUE(config) << said_;
  EXPECT_EQ(config->port, 7001);
  EXPECT_EQ(config->shards, 3U);
}

TEST_F(IngestConfigTest, RefusesAnUnknownKeyAndNamesIt) {
  EXPECT_FALSE(read_file(credentials_ + "prot = 7000\n"));
  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(said_, HasSubstr("wardlink-ingest: " + path("ingest.toml") + ", line 7, holds the unknown key \"prot\""));
  EXPECT_FALSE(read_file(credentials_ + "[dtls]\nport = 7000\n"));
  EXPECT_THAT(said_, HasSubstr("the unknown key \"dtls\""));
}

TEST_F(IngestConfigTest, RefusesWhatIsForTheCommandLineOnly) {
  EXPECT_FALSE(read_file("healthcheck = true\n"));
  EXPECT_THAT(said_, HasSubstr("\"healthcheck\", which is for the command line only"));
}

TEST_F(IngestConfigTest, RefusesAValueOfTheWrongType) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"port = \"7000\"\n", "gives \"port\" a value of the wrong type: it is a whole number"},
      {"listen = 7\n", "gives \"listen\" a value of the wrong type: it is a text in quotes"},
      {"allow-ccm-8 = 1\n", "gives \"allow-ccm-8\" a value of the wrong type: it is true or false"},
      {"port = [1, 2]\n", "gives \"port\" a value of the wrong type"}};
  for (const auto& [text, sentence] : wrong) {
    EXPECT_FALSE(read_file(credentials_ + text)) << text;
    EXPECT_EQ(exit_code_, 1);
    EXPECT_THAT(said_, HasSubstr(sentence));
  }
}

TEST_F(IngestConfigTest, RefusesAValueOutOfRangeAndNamesKeyAndFile) {
  for (const auto* text : {"shards = 257\n", "port = 65536\n", "port = -1\n", "drain = 301\n"}) {
    const std::string key = std::string(text).substr(0, std::string(text).find(' '));
    EXPECT_FALSE(read_file(credentials_ + text)) << text;
    EXPECT_THAT(said_, HasSubstr("--" + key));
    EXPECT_THAT(said_, HasSubstr(path("ingest.toml")));
  }
}

TEST_F(IngestConfigTest, RefusesWhatIsNotToml) {
  EXPECT_FALSE(read_file("port = 7000\nport = 7001\n"));
  EXPECT_THAT(said_, HasSubstr("ingest.toml, line 2, cannot be read as TOML"));
  EXPECT_FALSE(read_file("listen = ::\n"));
  EXPECT_THAT(said_, HasSubstr("cannot be read as TOML"));
}

TEST_F(IngestConfigTest, RefusesAFileThatIsNotThere) {
  EXPECT_FALSE(read({"--config", "/nonexistent/ingest.toml"}));
  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(said_, HasSubstr("/nonexistent/ingest.toml"));
}

TEST_F(IngestConfigTest, SaysWhichPemFileIsAtFault) {
  const auto sentence = [&](const CredentialFiles& files) -> std::string {
    try {
      read_credentials(files);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  const CredentialFiles good{path("cert"),         path("key"),         path("device-ca"),
                             path("storage-cert"), path("storage-key"), path("storage-ca")};
  EXPECT_EQ(sentence(good), "");
  auto files = good;
  files.cert = "";
  EXPECT_EQ(sentence(files), "--cert is missing: it names a PEM file. See --help.");
  files = good;
  files.key = path("storage-key");
  EXPECT_EQ(sentence(files),
            path("storage-key") + " (--key) is not the private key of the certificate " + path("cert") + ".");
  files = good;
  files.storage_key = path("storage-cert");
  EXPECT_EQ(sentence(files),
            path("storage-cert") + " (--storage-key) holds no private key that can be read without a password.");
  files = good;
  files.device_ca = path("ingest.toml");
  write("x = 1\n");
  EXPECT_EQ(sentence(files),
            path("ingest.toml") + " (--device-ca) is not a PEM file: it holds no \"-----BEGIN\" line.");
  const auto whole = coap::testing::Authorities::get().services.certificate_pem();
  for (const auto& broken :
       {whole.substr(0, whole.size() / 2), whole + whole.substr(0, whole.size() / 2),
        std::string("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"), std::string("-----BEGIN ")}) {
    name_file("broken-ca", broken);
    const std::string why =
        " must hold whole certificates and nothing else: one is broken, cut off or something other.";
    files = good;
    files.storage_ca = path("broken-ca");
    EXPECT_EQ(sentence(files), path("broken-ca") + " (--storage-ca)" + why);
    files = good;
    files.device_ca = path("broken-ca");
    EXPECT_EQ(sentence(files), path("broken-ca") + " (--device-ca)" + why);
  }
  name_file("two-ca",
            "# Ours, and the one before.\n" + whole + coap::testing::Authorities::get().devices.certificate_pem());
  files = good;
  files.storage_ca = path("two-ca");
  EXPECT_EQ(sentence(files), "");
  files.device_ca = path("nowhere");
  EXPECT_EQ(sentence(files), "Cannot read " + path("nowhere") + " (--device-ca): No such file or directory.");
}

TEST_F(IngestConfigTest, PrintsEveryKeyWithItsMeaningAndDefault) {
  EXPECT_FALSE(read({"--print-config"}));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_THAT(printed_, HasSubstr("\n# UDP port for DTLS; 0 = any that is free\nport = 5684\n"));
  EXPECT_THAT(printed_, HasSubstr("\nlisten = \"::\"\n"));
  EXPECT_THAT(printed_, HasSubstr("\ndrain = 8\n"));
  EXPECT_THAT(printed_, HasSubstr("\nallow-ccm-8 = false\n"));
  EXPECT_THAT(printed_, HasSubstr("\n# cert = \"\"\n"));
  for (const auto* not_for_files : {"config =", "print-config =", "healthcheck =", "version =", "help ="})
    EXPECT_THAT(printed_, Not(HasSubstr(std::string("\n") + not_for_files)));
}

TEST_F(IngestConfigTest, ReadsBackWhatItPrinted) {
  const auto first = write(credentials_ + "port = 7000\nlisten = 'fe80::1 \"#'\nallow-ccm-8 = true\n");
  EXPECT_FALSE(read({"--config", first.c_str(), "--shards", "2", "--print-config"}));
  const auto printed = printed_;
  const auto config = read_file(printed);
  ASSERT_TRUE(config) << said_ << printed;
  EXPECT_EQ(config->port, 7000);
  EXPECT_EQ(config->listen, "fe80::1 \"#");
  EXPECT_EQ(config->shards, 2U);
  EXPECT_TRUE(config->allow_ccm_8);
  EXPECT_EQ(config->files.storage_ca, path("storage-ca"));
  const auto again = path("ingest.toml");
  EXPECT_FALSE(read({"--config", again.c_str(), "--print-config"}));
  EXPECT_EQ(printed_, printed);
}

}  // namespace
}  // namespace wardlink::ingest
