// The SDK as its user meets it: installed below a prefix, found by CMake or pkg-config, built in a folder outside of
// the tree, and talking to the real services.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "stack.hpp"

namespace wardlink::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::string shell(const std::string& command) { return run({"/bin/sh", "-c", command + " 2>&1"}); }

void install(const std::string& component, const std::string& prefix) {
  run({"cmake", "--install", WARDLINK_BUILD_DIR, "--component", component, "--prefix", prefix});
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) files.push_back(fs::relative(entry.path(), folder).string());
  }
  return files;
}

/// An installed SDK, and a folder of the user's with the examples in it.
class Embedding : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    // Not where it was installed at first: an installed tree may be moved.
    install("sdk", folder->path() + "/first");
    fs::rename(folder->path() + "/first", prefix());
    for (const auto& file : files_below(prefix())) {
      if (file.ends_with("wardlink.pc")) pkg_config_path = fs::path(prefix() + "/" + file).parent_path();
    }
    fs::copy(prefix() + "/share/doc/wardlink/examples", project());
  }
  static void TearDownTestSuite() { folder.reset(); }

  static std::string prefix() { return folder->path() + "/prefix"; }
  static std::string project() { return folder->path() + "/project"; }
  static std::string pkg_config(const std::string& arguments) {
    return "$(PKG_CONFIG_PATH=" + pkg_config_path + " pkg-config " + arguments + " wardlink)";
  }
  /// Configures the examples' project; what CMake said. Throws when it refused.
  static std::string configure(const std::string& arguments = {}) {
    return shell("cmake -S " + project() + " -B " + project() + "/build -DCMAKE_PREFIX_PATH=" + prefix() +
                 " -DCMAKE_C_COMPILER=" WARDLINK_C_COMPILER " -DCMAKE_CXX_COMPILER=" WARDLINK_CXX_COMPILER
                 " '-DCMAKE_C_FLAGS=" WARDLINK_C_FLAGS "' '-DCMAKE_CXX_FLAGS=" WARDLINK_CXX_FLAGS "' " +
                 arguments);
  }

  static inline std::unique_ptr<TemporaryFolder> folder;
  static inline std::string pkg_config_path;
};

/// The program has what the SDK needs, and nothing of the services.
void expect_no_grpc(const std::string& program) {
  const auto libraries = run({"ldd", program});
  EXPECT_THAT(libraries, HasSubstr("libssl"));
  const auto symbols = run({"nm", "-C", program});
  EXPECT_THAT(symbols, HasSubstr("wardlink::Device::report"));
  for (const char* word : {"grpc", "protobuf", "absl", "pqxx"}) {
    EXPECT_THAT(libraries, Not(HasSubstr(word))) << program;
    EXPECT_THAT(symbols, Not(HasSubstr(word))) << program;
  }
}

TEST_F(Embedding, TheSdkIsInstalledAndNothingElse) {
  std::vector<std::string> headers, others;
  for (const auto& file : files_below(prefix())) {
    if (file.starts_with("include/")) headers.push_back(file.substr(8));
    if (!file.starts_with("include/") && !file.starts_with("lib/") && !file.starts_with("share/doc/wardlink/")) {
      others.push_back(file);
    }
  }
  EXPECT_THAT(others, IsEmpty());
  EXPECT_THAT(headers, UnorderedElementsAre("coap/credentials.hpp", "signs/catalogue.hpp", "signs/waveforms.hpp",
                                            "wardlink/clock.hpp", "wardlink/device.hpp", "wardlink/journal.hpp",
                                            "wardlink/limits.hpp", "wardlink/measurement.hpp", "wardlink/waveform.hpp",
                                            "wardlink/wardlink.h"));
  for (const auto& header : headers) {
    const std::string language =
        header.ends_with(".h") ? WARDLINK_C_COMPILER " -std=c11 -xc" : WARDLINK_CXX_COMPILER " -std=c++20 -xc++";
    EXPECT_NO_THROW(shell("echo '#include <" + header + ">' | " + language + " -Wall -Wextra -Wpedantic -Werror " +
                          pkg_config("--cflags") + " -fsyntax-only -"))
        << header << " needs more than is installed";
  }
}

TEST_F(Embedding, TheProgramsAreAComponentOfTheirOwn) {
  const auto programs = folder->path() + "/programs";
  install("programs", programs);
  EXPECT_THAT(files_below(programs),
              UnorderedElementsAre("bin/wardlink", "bin/wardlink-ingest", "bin/wardlink-storage", "bin/wardlink-ward"));
  for (const auto& file : files_below(programs)) {
    EXPECT_THAT(run({programs + "/" + file, "--version"}), HasSubstr(WARDLINK_VERSION)) << file;
  }
}

TEST_F(Embedding, AnotherVersionIsNotTaken) {
  const auto lists = project() + "/CMakeLists.txt";
  const auto text = read_file(lists);
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    changed.replace(changed.find(from), from.size(), to);
    write_file(lists, changed);
    std::string refusal;
    try {
      configure("--fresh");
    } catch (const std::runtime_error& problem) {
      refusal = problem.what();
    }
    write_file(lists, text);
    return refusal;
  };
  EXPECT_THAT(with("find_package(wardlink 0.1", "find_package(wardlink 9.1"), HasSubstr(WARDLINK_VERSION));
  EXPECT_THAT(with("LANGUAGES C CXX", "LANGUAGES C"), HasSubstr("add CXX"));
}

TEST_F(Embedding, WhatIsBuiltAgainstItDeliversReadings) {
  configure("--fresh");
  shell("cmake --build " + project() + "/build --parallel 2");
  // A C compiler and pkg-config are enough; --static only names more.
  const auto c_program = project() + "/minimal-pkg-config";
  for (const char* how : {"--cflags --libs", "--static --cflags --libs"}) {
    shell(WARDLINK_C_COMPILER " " WARDLINK_C_FLAGS " -std=c11 -Wall -Wextra -Wpedantic -Werror " + project() +
          "/minimal.c " + pkg_config(how) + " -o " + c_program);
  }

  Stack stack;
  const std::vector<std::string> programs{project() + "/build/minimal", project() + "/build/minimal-c", c_program};
  std::vector<Process> running;
  const auto label = [](std::size_t i) { return "bed" + std::to_string(i); };
  for (std::size_t i = 0; i < programs.size(); ++i) {
    expect_no_grpc(programs[i]);
    stack.make_pki("device", {label(i)});
    const auto badge = stack.pki() + "/devices/" + label(i);
    running.emplace_back(std::vector{programs[i], badge + ".pem", badge + ".key", stack.pki() + "/service-ca.pem",
                                     std::to_string(stack.ingest_port()), std::string("2")},
                         stack.path(label(i) + ".log"));
  }
  for (std::size_t i = 0; i < programs.size(); ++i) {
    EXPECT_EQ(running[i].wait(), 0) << programs[i] << ": " << running[i].log();
    const auto parent = "devices/" + stack.urn(label(i));
    EXPECT_TRUE(eventually([&] { return stack.readings(parent).size() == 2; })) << programs[i];
    for (const auto& set : stack.readings(parent)) {
      ASSERT_GT(set.readings_size(), 0);
      EXPECT_EQ(set.readings(0).sign(), "hr");
      EXPECT_THAT(set.readings(0).value(), AnyOf(70, 71)) << programs[i];
    }
  }
}

}  // namespace
}  // namespace wardlink::testing
