// What PostgreSQL keeps of who wore what when. What every store promises is in contract/.

#include <gtest/gtest.h>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class RegistryStoreTest : public testing::Test {
 protected:
  static constexpr const char* device = "urn:dev:os:32473-a";
  static constexpr const char* nurse = "urn:wardlink:client:nurse";

  test::ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  const Instant start = std::chrono::floor<std::chrono::minutes>(now()) - 60min;
  const std::string ann = store.create_patient("Ann", {}, "icu").id, bob = store.create_patient("Bob", {}, "").id;
};

TEST_F(RegistryStoreTest, ACorrectionKeepsWhatWasBelieved) {
  store.create_device(device);
  store.assign({}, device, ann, start + 10min, nurse);
  store.release({}, device, start + 25min, nurse);
  store.assign({}, device, bob, start + 25min, nurse);
  EXPECT_EQ(database.ask("SELECT count(*) FROM assignment WHERE NOT upper_inf(recorded) AND upper_inf(held)"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM assignment"), "3");
}

TEST_F(RegistryStoreTest, BehindTheProgramsBackADeviceIsWornByOnePatientAtATimeToo) {
  store.create_device(device);
  store.assign({}, device, ann, start + 10min, nurse);
  EXPECT_THROW(database.ask("INSERT INTO assignment SELECT device_id, patient_id, tstzrange(now(), NULL),"
                            " tstzrange(now(), NULL), 'x' FROM assignment"),
               std::runtime_error);
}

}  // namespace
}  // namespace wardlink::storage
