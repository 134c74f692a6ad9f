// Programs of an earlier commit go on with the new services: its wearables, whose SDK does not say which try of /time
// was answered, and its command line. TIME-2, I1
//
// WARDLINK_PREVIOUS_BIN: the folder of its wardlink-ward and wardlink (scripts/build release wardlink-ward wardlink in
// a clone at that commit); skipped where it is not told.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "shown_books.hpp"
#include "wardlink/clock.hpp"

namespace wardlink::testing {
namespace {

TEST(Previous, WearablesAndCommandLineGoOn) {
  const char* const bin = std::getenv("WARDLINK_PREVIOUS_BIN");
  if (bin == nullptr) GTEST_SKIP() << "WARDLINK_PREVIOUS_BIN does not say where programs of an earlier commit are";
  constexpr std::size_t kDevices = 4;
  const Stack stack;
  stack.make_pki("devices", {std::to_string(kDevices)});
  const auto client = [&](std::vector<std::string> arguments) {
    const auto name = stack.pki() + "/clients/admin";
    std::vector<std::string> command{std::string(bin) + "/wardlink",
                                     "--server",
                                     "localhost:" + std::to_string(stack.storage_port()),
                                     "--cert",
                                     name + ".pem",
                                     "--key",
                                     name + ".key",
                                     "--ca",
                                     stack.pki() + "/service-ca.pem"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command);
  };
  const auto patient = [&](const std::string& name) {
    const auto text = client({"patients", "create", name});
    const auto at = text.find("patients/");
    return text.substr(at, text.find('\n', at) - at);
  };
  const auto first = patient("Ada"), second = patient("Ben");
  Truth truth{{}, {read_calendar(stack)}};
  for (std::size_t i = 1; i <= kDevices; ++i) {
    const auto label = "device-000" + std::to_string(i), urn = stack.urn(label);
    truth.devices.push_back({label, "devices/" + urn, {{{}, first}}});
    client({"devices", "create", urn});
    client({"devices", "assign", urn, first, "--from", "-3h"});
  }
  const auto books = stack.path("books");
  std::filesystem::create_directory(books);
  Process ward(
      {std::string(bin) + "/wardlink-ward", "--server", "localhost", "--port", std::to_string(stack.ingest_port()),
       "--pki", stack.pki(), "--devices", std::to_string(kDevices), "--seconds", "10", "--audit-dir", books},
      stack.path("ward.log"));
  ASSERT_TRUE(eventually([&] { return std::stoul(stack.sql("SELECT count(*) FROM measurement_set")) > 3 * kDevices; }));
  for (auto& device : truth.devices) {
    const auto begun = host_tick();
    client({"devices", "release", device.name});
    client({"devices", "assign", device.name, second});
    device.handovers.push_back({{begun, host_tick() + 1}, second});
  }
  EXPECT_EQ(ward.wait(), 0) << ward.log();
  ASSERT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_sink_waiting{stream=\"vitals\"}") == 0; }));
  for (const auto& device : truth.devices) client({"devices", "reconcile", books + "/" + device.label + ".jsonl"});
  client({"vitals", "latest"});
  client({"devices", "list"});
  const auto shown = compare_shown(stack, books, truth);
  std::cout << shown << std::endl;
  EXPECT_TRUE(shown.wrong.empty());
  EXPECT_EQ(shown.sets_shown, shown.sets);
  // What such an SDK says is known to a minute.
  EXPECT_GE(shown.widest, std::chrono::minutes{1});
  EXPECT_LT(shown.widest, std::chrono::minutes{2});
}

}  // namespace
}  // namespace wardlink::testing
