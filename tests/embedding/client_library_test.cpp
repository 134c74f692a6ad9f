// The client library as its user meets it: installed below a prefix, found by CMake, its example built in a folder
// outside of the tree, and watching the real services.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "stack.hpp"
#include "wardlink/device.hpp"

namespace wardlink::testing {
namespace {

namespace fs = std::filesystem;

/// Installs it below `folder`, moves it, and builds its example against it; the program's path.
std::string build_example(const std::string& folder) {
  const auto prefix = folder + "/prefix", project = folder + "/project";
  run({"cmake", "--install", WARDLINK_BUILD_DIR, "--component", "client-library", "--prefix", folder + "/first"});
  fs::rename(folder + "/first", prefix);
  fs::copy(prefix + "/share/doc/wardlink-client/examples", project);
  run({"cmake", "-S", project, "-B", project + "/build", "-DCMAKE_PREFIX_PATH=" + prefix,
       "-DCMAKE_CXX_COMPILER=" WARDLINK_CXX_COMPILER,
       "-DCMAKE_CXX_FLAGS=" WARDLINK_CXX_FLAGS " -Wall -Wextra -Wpedantic -Werror"});
  run({"cmake", "--build", project + "/build"});
  return project + "/build/watch_ward";
}

TEST(ClientLibrary, ItsExampleWatchesAWard) {
  const TemporaryFolder folder;
  const auto program = build_example(folder.path());

  Stack stack;
  const auto badge = stack.pki() + "/clients/admin";
  Process watching({program, "localhost:" + std::to_string(stack.storage_port()), "", badge + ".pem", badge + ".key",
                    stack.pki() + "/service-ca.pem"},
                   stack.path("watch_ward.log"));
  stack.make_pki("device", {"bed"});
  DeviceOptions options;
  options.port = stack.ingest_port();
  options.credentials = stack.credentials("devices/bed");
  Device device(options);
  device.start();
  ASSERT_TRUE(eventually([&] { return watching.log().find("what is open:") != std::string::npos; })) << watching.log();
  Alarm alarm;
  alarm.kind = AlarmKind::technical;
  alarm.code = "lead-off";
  const auto raised = device.raise(alarm);
  ASSERT_TRUE(raised);
  EXPECT_TRUE(eventually([&] { return watching.log().find("RAISED: lead-off") != std::string::npos; }))
      << watching.log();
  EXPECT_EQ(device.end(*raised), Refusal::none);
  EXPECT_TRUE(eventually([&] { return watching.log().find("ENDED: lead-off") != std::string::npos; }))
      << watching.log();

  stack.api.signal(SIGKILL);
  stack.api.wait();
  EXPECT_TRUE(eventually([&] { return watching.log().find("at localhost:") != std::string::npos; })) << watching.log();
  EXPECT_TRUE(watching.running());
}

}  // namespace
}  // namespace wardlink::testing
