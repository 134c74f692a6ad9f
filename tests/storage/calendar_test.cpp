// There is one calendar, the database's: whatever date it has, all that is dated and compared goes by it.

#include <gtest/gtest.h>

#include <array>
#include <future>

#include "service.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days, std::chrono::year;

constexpr const char* device = "urn:dev:os:32473-a";
constexpr const char* nurse = "urn:wardlink:client:nurse";

/// A database whose calendar stands still at an instant.
class StoppedCalendar : public test::ScratchDatabase {
 public:
  explicit StoppedCalendar(Instant at) {
    const PostgresStore makes_the_schema({.connection = connection()});
    stop_at(at);
    ask("UPDATE live_epoch SET begun_at = calendar()");
  }
  void stop_at(Instant at) const {
    ask("CREATE OR REPLACE FUNCTION calendar() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT instant(" +
        std::to_string(at.time_since_epoch().count()) + ") $$");
  }
  /// Columns that hold an instant of the last day by the machine's calendar.
  std::string dated_otherwise() const {
    test::Sql sql(connection());
    std::string found;
    for (const auto& row : sql.rows("SELECT table_name, column_name FROM information_schema.columns"
                                    " JOIN information_schema.tables USING (table_schema, table_name)"
                                    " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
                                    " AND table_name <> 'schema_migration' AND data_type = 'timestamp with time zone'"))
      if (sql.ask("SELECT count(*) FROM " + *row[0] + " WHERE abs(extract(epoch FROM " + *row[1] +
                  " - clock_timestamp())) < 86400") != "0")
        found += *row[0] + "." + *row[1] + " ";
    return found;
  }
};

class CalendarTest : public testing::TestWithParam<Instant> {};

TEST_P(CalendarTest, DatesAllThatIsStored) {  // TIME-1
  StoppedCalendar database(GetParam());
  PostgresStore store({.connection = database.connection()});
  store.ensure_grants({{.subject = nurse, .role = "clinician", .ward = "icu"}});
  EXPECT_EQ(store.calendar(), GetParam());
  EXPECT_EQ(store.create_device(device).created_at, GetParam());
  const auto ann = store.create_patient("Ann", {}, "icu");
  EXPECT_EQ(ann.created_at, GetParam());
  const auto worn = store.assign({}, device, ann.id, {}, nurse);
  EXPECT_EQ(worn.held_from, GetParam());
  EXPECT_EQ(worn.recorded_at, GetParam());

  const auto writer = store.open_writer();
  const auto session = writer->attach({device, 7, GetParam()}).session;
  writer->attach({device, 7, GetParam() + 3s});  // says another clock
  const AlarmFact fact{
      AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, 140.5, 130.0, 0};
  const std::vector<Record> records{
      {session, Stream::vitals, 1, 1000, GetParam() + 1s, MeasurementSet{{1}, {72}, {0}}},
      {session, Stream::alarms, 1, 1000, GetParam() + 1s, fact},
      {session, Stream::alarms, 0, 0, GetParam() + 1s, Unusable{"undecodable", "/alarms", "?"}}};
  writer->append(records);
  store.acknowledge({}, {{device, 7, Stream::alarms, 1}}, nurse);
  store.audit({.subject = nurse, .method = "x", .granted = true});
  store.release({}, device, {}, nurse);
  EXPECT_EQ(database.dated_otherwise(), "");
}

TEST_P(CalendarTest, SaysWhoWearsADeviceNow) {  // TIME-1
  StoppedCalendar database(GetParam());
  PostgresStore store({.connection = database.connection()});
  store.create_device(device);
  const auto ann = store.create_patient("Ann", {}, "icu").id, bob = store.create_patient("Bob", {}, "surgery").id;
  store.assign({}, device, ann, GetParam() - 2h, nurse);
  store.release({}, device, GetParam() - 1h, nurse);
  store.assign({}, device, bob, GetParam() - 1h, nurse);
  EXPECT_EQ(store.device({}, device).patient, bob);
  EXPECT_EQ(store.patient({}, bob).devices, std::vector<std::string>{device});
  EXPECT_EQ(store.patient({}, ann).devices, std::vector<std::string>{});
  EXPECT_EQ(store.ward_of({Subject::Kind::device, device}), "surgery");
  const auto present = store.latest({}, {Subject::Kind::patient, bob});
  ASSERT_EQ(present.size(), 1u);
  EXPECT_EQ(present.front().device, device);
  EXPECT_EQ(store.latest({}, {}).front().patient, bob);
}

TEST_P(CalendarTest, MayBeSetBackWhileAssignmentsChange) {  // TIME-1, LIFE-3
  StoppedCalendar database(GetParam());
  PostgresStore store({.connection = database.connection()});
  store.create_device(device);
  const auto ann = store.create_patient("Ann", {}, "").id, bob = store.create_patient("Bob", {}, "").id;
  store.assign({}, device, ann, GetParam() - 3h, nurse);
  store.release({}, device, GetParam() - 2h, nurse);
  database.stop_at(GetParam() - 1h);
  EXPECT_EQ(store.assign({}, device, bob, GetParam() - 2h, nurse).patient, bob);
  EXPECT_EQ(store.release({}, device, GetParam() - 90min, nurse).held_until, GetParam() - 90min);
  EXPECT_EQ(store.assign({}, device, ann, {}, nurse).held_from, GetParam() - 1h);
  EXPECT_EQ(store.device({}, device).patient, ann);
}

TEST_P(CalendarTest, HasItsDaysPartitions) {  // TIME-1
  StoppedCalendar database(GetParam());
  PostgresStore store({.connection = database.connection()});
  store.open_writer()->attach({device, 7, GetParam()});
  EXPECT_EQ(database.ask("SELECT count(*) FROM generate_series(0, 7) n WHERE to_regclass('measurement_set_' ||"
                         " to_char(day_of(calendar()) + n::int, 'YYYYMMDD')) IS NOT NULL"),
            "8");
}

TEST_P(CalendarTest, IsTheOneOfLiveStreams) {  // TIME-1
  StoppedCalendar database(GetParam());
  PostgresStore store({.connection = database.connection()});
  EXPECT_EQ(store.horizon().at, GetParam());
}

/// --serve ingest and --serve api look at one moment.
TEST_P(CalendarTest, ThatWasSetIsToldOnce) {  // TIME-1
  StoppedCalendar database(GetParam());
  PostgresStore ingest({.connection = database.connection()}), api({.connection = database.connection()});
  Moment clock{3h};
  Instant shown = GetParam();
  std::uint64_t steps = 0;
  for (const std::chrono::microseconds set : {0us, 3'600'000'000us, -3'600'000'000us, 2'000'000us}) {
    clock += 10s;
    database.stop_at(shown += 10s + set);
    test::Sql holder(database.connection());
    holder.begin();
    holder.ask("SELECT pg_advisory_xact_lock(2002874982)");
    const auto look = [clock](PostgresStore& store) {
      return std::async(std::launch::async,
                        [&store, clock] { return store.look_at_calendar("host", [clock] { return clock; }); });
    };
    auto one = look(ingest), other = look(api);
    holder.wait_until(
        "(SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))");
    holder.commit();
    const std::array<CalendarSight, 2> seen{one.get(), other.get()};
    if (set != 0us) ++steps;
    EXPECT_EQ(seen[0].first + seen[1].first, set != 0us ? 1 : 0);
    for (const auto& sight : seen) EXPECT_EQ(sight.steps, steps);
    EXPECT_EQ(api.system_alarms({}).size(), steps);
    EXPECT_EQ(database.ask("SELECT count(*) FROM calendar_step"), std::to_string(steps));
  }
}

/// What is kept of the host outlives the process.
TEST_P(CalendarTest, ThatWasSetWhileNoProcessRanIsTold) {  // TIME-1
  StoppedCalendar database(GetParam());
  Moment clock{3h};
  Instant shown = GetParam();
  std::size_t steps = 0;
  for (const std::chrono::microseconds set : {0us, 3'600'000'000us, -3'600'000'000us, -5'000'000us}) {
    clock += 10min;
    database.stop_at(shown += 10min + set);
    PostgresStore store({.connection = database.connection()});
    EXPECT_EQ(store.look_at_calendar("host", [clock] { return clock; }).first, set != 0us);
    if (set != 0us) ++steps;
    EXPECT_EQ(store.system_alarms({}).size(), steps);
  }
  EXPECT_EQ(database.dated_otherwise(), "");
}

INSTANTIATE_TEST_SUITE_P(Of, CalendarTest,
                         testing::Values(sys_days{year{1971} / 3 / 4} + 23h, sys_days{year{2031} / 1 / 2} + 5h,
                                         sys_days{year{2106} / 2 / 8} + 1h),
                         [](const auto& of) {
                           const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(of.param));
                           return "year" + std::to_string(static_cast<int>(day.year()));
                         });

/// Of more devices than one transaction takes; what fails is done by the next look.
TEST(CalendarThatWasSetBack, LeavesHandoversInDoubt) {  // TIME-2
  constexpr Instant noon = sys_days{year{2031} / 1 / 2} + 12h;
  StoppedCalendar database(noon);
  PostgresStore store({.connection = database.connection()});
  const auto ann = store.create_patient("Ann", {}, "icu").id, bob = store.create_patient("Bob", {}, "icu").id;
  std::vector<AttachRequest> starts;
  for (int i = 0; i < 105; ++i) {
    starts.push_back({.device = "urn:dev:os:32473-" + std::to_string(i), .boot = 7, .anchor = noon});
    store.create_device(starts.back().device);
    store.assign({}, starts.back().device, ann, noon - 1h, nurse);
    store.release({}, starts.back().device, noon - 1min, nurse);
    store.assign({}, starts.back().device, bob, noon - 1min, nurse);
  }
  store.open_writer()->attach(starts);
  Moment clock{3h};
  const auto look = [&] { return store.look_at_calendar("host", [clock] { return clock; }); };
  look();
  database.ask("DELETE FROM doubt");
  database.ask("ALTER TABLE doubt RENAME TO away");
  clock += 10s;
  database.stop_at(noon + 10s - 1h);
  EXPECT_TRUE(look().first) << "the step is noted, whatever becomes of the rest";
  EXPECT_EQ(database.ask("SELECT count(*) FROM calendar_step_settled"), "0");
  database.ask("ALTER TABLE away RENAME TO doubt");
  EXPECT_FALSE(look().first);
  EXPECT_EQ(database.ask("SELECT count(DISTINCT device_id) FROM doubt"), "105");
  EXPECT_EQ(database.ask("SELECT count(*) FROM calendar_step_settled"), "1");
  database.ask("DELETE FROM doubt");
  look();
  EXPECT_EQ(database.ask("SELECT count(*) FROM doubt"), "0") << "once";
}

/// A service whose database's calendar is set by `forward` against the machine's.
class SetCalendar : public testing::Test {
 protected:
  SetCalendar() {
    service.store.ensure_grants(
        {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:admin", "admin", ""}});
    service.store.create_device(device);
  }
  void set(std::chrono::hours forward) const {
    database.ask(
        "CREATE OR REPLACE FUNCTION calendar() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT"
        " clock_timestamp() + interval '" +
        std::to_string(forward.count()) + " hours' $$");
  }
  /// As people ask for them: of both processes together.
  int told() const {
    v1::ListSystemAlarmsResponse alarms;
    grpc::ClientContext listing;
    v1::AlarmService::NewStub(people)->ListSystemAlarms(&listing, {}, &alarms);
    for (const auto& alarm : alarms.system_alarms()) EXPECT_EQ(alarm.code(), "calendar_stepped");
    return alarms.system_alarms_size();
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::shared_ptr<grpc::Channel> people = service.channel("clients/admin");
  std::string ann = service.store.create_patient("Ann", {}, "icu").id;
};

TEST_F(SetCalendar, IsFoundBeforeWhoWearsWhatChanges) {  // TIME-1
  service.server.look_at_calendar();
  const auto devices = v1::DeviceService::NewStub(people);
  set(1h);
  v1::Assignment assignment;
  v1::AssignDeviceRequest assign;
  assign.set_device(std::string("devices/") + device);
  assign.set_patient("patients/" + ann);
  grpc::ClientContext assigning;
  EXPECT_EQ(devices->AssignDevice(&assigning, assign, &assignment).error_message(), "");
  EXPECT_EQ(told(), 1);
  set(3h);
  v1::ReleaseDeviceRequest release;
  release.set_device(assign.device());
  grpc::ClientContext releasing;
  EXPECT_EQ(devices->ReleaseDevice(&releasing, release, &assignment).error_message(), "");
  EXPECT_EQ(told(), 2);
  set(5h);
  v1::DischargePatientRequest discharge;
  discharge.set_name(assign.patient());
  v1::Discharge discharged;
  grpc::ClientContext discharging;
  EXPECT_EQ(v1::PatientService::NewStub(people)->DischargePatient(&discharging, discharge, &discharged).error_message(),
            "");
  EXPECT_EQ(told(), 3);
  EXPECT_EQ(service.server.stats().calendar_steps, 3u);
}

/// Both processes of the host see it; alarms.
TEST_F(SetCalendar, IsFoundByWhatIngestBringsAndToldOnce) {  // TIME-1
  test::IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, 1'760'000'000);
  service.server.look_at_calendar();
  int steps = 0;
  for (const auto forward : {1h, 0h, 2h}) {
    set(forward);
    v1::Append batch;
    test::add_alarm(batch, 1, static_cast<std::uint64_t>(++steps), 1'000, "hr-high", v1::AlarmFact::RAISED);
    EXPECT_EQ(talk.append(batch).results_size(), 1);
    EXPECT_EQ(told(), steps);
    service.server.look_at_calendar();
    service.ingest.look_at_calendar();
    EXPECT_EQ(told(), steps);
  }
  EXPECT_EQ(service.ingest.stats().calendar_steps, 3u);
  EXPECT_EQ(service.server.stats().calendar_steps, 0u);
}

}  // namespace
}  // namespace wardlink::storage
