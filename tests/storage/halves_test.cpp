// What each half of the service may do with the database, and where it stands before the other has begun. ISO-1.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service.hpp"
#include "storage/access/call_gate.hpp"
#include "storage/config.hpp"
#include "storage/port/store_error.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using testing::HasSubstr;

PostgresStore::Config api_on(const std::string& connection) {
  PostgresStore::Config config{.connection = connection};
  config.keeps_schema = false;
  return config;
}

TEST(Halves, TheApiWaitsForASchemaAndNeverMakesOne) {
  const test::ScratchDatabase database;
  try {
    const PostgresStore early(api_on(database.connection()));
    FAIL() << "there is no schema";
  } catch (const StoreError& error) {
    EXPECT_EQ(error.kind(), StoreError::Kind::away);
    EXPECT_THAT(error.what(), HasSubstr("--serve ingest makes it"));
  }
  EXPECT_EQ(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
  { const PostgresStore keeper({.connection = database.connection()}); }
  const PostgresStore late(api_on(database.connection()));
}

/// A role that may read everything, and write what people say: who is who, what they saw and ended, what they asked.
TEST(Halves, TheApiNeedsNoRightToWriteRecords) {
  const test::ScratchDatabase database;
  test::Service service(database.connection());
  service.store.ensure_grants(
      {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:admin", "admin", ""}});
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, "urn:dev:os:32473-a", 7, 1'760'000'000);
  v1::Append batch;
  test::add_alarm(batch, 1, 1, 1'000, "hr-high", v1::AlarmFact::RAISED);
  EXPECT_EQ(talk.append(batch).results_size(), 1);

  const auto role = "api_" + database.ask("SELECT current_database()");
  for (const auto& statement :
       {"CREATE ROLE " + role + " LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role,
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO " + role,
        "GRANT INSERT, UPDATE ON device, ward, bed, patient, patient_identifier, assignment, assignment_change, grants,"
        " audit, alarm_acknowledgement, alarm_end, discharge, settlement TO " +
            role}) {
    database.ask(statement);
  }
  {
    PostgresStore store(api_on(database.connection() + " user=" + role));
    Server::Config config;
    config.address = "127.0.0.1:0";
    config.credentials = {test::pki().pem("storage.pem"), test::pki().pem("storage.key"),
                          test::pki().pem("people-ca.pem")};
    config.live.begin = std::chrono::minutes(1);
    Server api(config, store, store, store, store);
    const auto channel = test::Service::channel_to(api.port(), "clients/admin");

    v1::CreatePatientRequest create;
    create.mutable_patient()->set_display_name("Ann");
    v1::Patient patient;
    grpc::ClientContext creating;
    EXPECT_EQ(v1::PatientService::NewStub(channel)->CreatePatient(&creating, create, &patient).error_message(), "");
    v1::AssignDeviceRequest assign;
    assign.set_device("devices/urn:dev:os:32473-a");
    assign.set_patient(patient.name());
    v1::Assignment assignment;
    grpc::ClientContext assigning;
    EXPECT_EQ(v1::DeviceService::NewStub(channel)->AssignDevice(&assigning, assign, &assignment).error_message(), "");
    v1::ListAlarmsRequest list;
    v1::ListAlarmsResponse alarms;
    grpc::ClientContext listing;
    EXPECT_EQ(v1::AlarmService::NewStub(channel)->ListAlarms(&listing, list, &alarms).error_message(), "");
    ASSERT_EQ(alarms.alarms_size(), 2) << "what the device asserts was raised anew for her";
    v1::DischargePatientRequest discharge;
    discharge.set_name(patient.name());
    v1::Discharge discharged;
    grpc::ClientContext discharging;
    EXPECT_EQ(
        v1::PatientService::NewStub(channel)->DischargePatient(&discharging, discharge, &discharged).error_message(),
        "");
    v1::AcknowledgeRequest acknowledge;
    acknowledge.add_names(alarms.alarms(0).name());
    v1::AcknowledgeResponse acknowledged;
    grpc::ClientContext acknowledging;
    EXPECT_EQ(
        v1::AlarmService::NewStub(channel)->Acknowledge(&acknowledging, acknowledge, &acknowledged).error_message(),
        "");
    grpc::ClientContext watching;
    v1::WatchResponse said;
    const auto watch = v1::VitalsService::NewStub(channel)->Watch(&watching, v1::WatchRequest());
    EXPECT_TRUE(watch->Read(&said));
    watching.TryCancel();
    while (watch->Read(&said)) {
    }
    watch->Finish();
  }
  for (const auto* table : {"measurement_set", "alarm_event", "waveform_run", "stream_state", "latest", "quarantine"})
    EXPECT_EQ(database.ask("SELECT has_table_privilege('" + role + "', '" + table + "', 'INSERT')"), "f") << table;
  database.ask("DROP OWNED BY " + role);
  database.ask("DROP ROLE " + role);
}

/// LIFE-3: what an upgrade adds is for the roles that its likes are for.
TEST(Halves, AnUpgradeTakesNoRightFromTheApi) {
  const test::ScratchDatabase database;
  database.take_steps_before("017");
  const auto role = "api_" + database.ask("SELECT current_database()");
  for (const auto& statement :
       {"CREATE ROLE " + role + " LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role,
        "GRANT INSERT ON audit, alarm_end TO " + role})
    database.ask(statement);
  { const PostgresStore keeper({.connection = database.connection()}); }
  {
    PostgresStore api(api_on(database.connection() + " user=" + role));
    EXPECT_TRUE(api.alarms({}).empty());
    EXPECT_TRUE(api.unattributed({}).empty());
    EXPECT_TRUE(api.latest({}, {}).empty());
    EXPECT_TRUE(api.live({}, {}, api.horizon().settled, 10).events.empty());
  }
  EXPECT_EQ(database.ask("SELECT has_table_privilege('" + role + "', 'settlement', 'INSERT')"), "t");
  database.ask("DROP OWNED BY " + role);
  database.ask("DROP ROLE " + role);
}

// The authorities of each port: people's on the API's only; the service authority on both until it is told otherwise.
TEST(Halves, PeopleAreLetInOnTheApiOnly) {
  const auto& folder = test::pki().folder();
  const auto people = test::pki().pem("people-ca.pem"), services = test::pki().pem("service-ca.pem");
  CredentialFiles files{folder + "/storage.pem", folder + "/storage.key", folder + "/service-ca.pem",
                        folder + "/people-ca.pem", false};
  EXPECT_EQ(read_credentials(files, Server::Serves::ingest).authority, services);
  EXPECT_THAT(read_credentials(files, Server::Serves::api).authority,
              testing::AllOf(HasSubstr(people), HasSubstr(services)));
  files.refuse_service_clients = true;
  EXPECT_EQ(read_credentials(files, Server::Serves::api).authority, people);
  EXPECT_EQ(read_credentials(files, Server::Serves::ingest).authority, services);
}

// What the supervisor hands to each: its own, without the other's, on the ports that it had before.
TEST(Halves, EachChildGetsItsOwnOptions) {
  const char* words[] = {"wardlink-storage",
                         "--database",
                         "d",
                         "--listen=0.0.0.0:1",
                         "--serve",
                         "all",
                         "--listen-ingest",
                         "0.0.0.0:0",
                         "--refuse-service-clients",
                         "--max-ingest-streams",
                         "8",
                         "--ready-file",
                         "r",
                         "--cert",
                         "c"};
  ProgramConfig config;
  config.listen = "0.0.0.0:1";
  config.listen_ingest = "0.0.0.0:0";
  EXPECT_THAT(child_arguments(std::size(words), words, config, Serve::api, std::nullopt),
              testing::ElementsAre("wardlink-storage", "--database", "d", "--refuse-service-clients", "--cert", "c",
                                   "--serve", "api", "--listen", "0.0.0.0:1", "--metrics-port", "9465"));
  EXPECT_THAT(
      child_arguments(std::size(words), words, config, Serve::ingest, daemon::Ports{777, 888}),
      testing::ElementsAre("wardlink-storage", "--database", "d", "--max-ingest-streams", "8", "--cert", "c", "--serve",
                           "ingest", "--listen-ingest", "0.0.0.0:777", "--metrics-port-ingest", "888"));
}

// GRPC-01: who is told no, and goes on all the same, is hung up on; who calls somewhat too often is not.
TEST(Halves, AFlooderIsHungUpOn) {
  std::vector<std::string> hung_up;
  CallGate gate(50, [&](const std::string& peer) { hung_up.push_back(peer); });
  const auto call = [&](const std::string& subject) {
    try {
      gate.pass(subject, "ipv4:127.0.0.1:1", 0);
    } catch (const Exhausted&) {
    }
  };
  for (int i = 0; i < 140; ++i) call("urn:wardlink:client:eager");
  EXPECT_TRUE(hung_up.empty()) << "100 at once, and 40 too many";
  for (int i = 0; i < 1'000; ++i) call("urn:wardlink:client:rude");
  EXPECT_FALSE(hung_up.empty());
}

}  // namespace
}  // namespace wardlink::storage
