// What PostgreSQL's administrator may set for roles, databases and sessions changes nothing, or is refused in one
// sentence; so are poolers that give a session away; and a dump restores. DUR-1

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "bedside.hpp"
#include "cluster.hpp"
#include "places.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using test::Bedside;
using test::ScratchDatabase;
using test::Sql;
using testing::HasSubstr;

struct Setting {
  std::string name, wrong, ours;
};

/// Each breaks reads, alarms' commits or what an ACK means, were it left as it is.
const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = {
      {"synchronous_commit", "off", "on"},
      {"client_encoding", "LATIN1", "UTF8"},
      {"bytea_output", "escape", "hex"},
      {"standard_conforming_strings", "off", "on"},
      {"array_nulls", "off", "on"},
      {"transform_null_equals", "on", "off"},
      {"DateStyle", "German, DMY", "ISO, MDY"},
      {"IntervalStyle", "iso_8601", "postgres"},
      {"TimeZone", "Asia/Kolkata", "UTC"},
      {"extra_float_digits", "-15", "1"},
      {"search_path", "pg_catalog", "public, pg_temp"},
      {"statement_timeout", "3s", "15s"},
      {"lock_timeout", "3s", "10s"},
      {"idle_in_transaction_session_timeout", "3s", "20s"},
      {"idle_session_timeout", "3s", "0"},
      {"exit_on_error", "on", "off"},
      {"default_transaction_isolation", "serializable", "read committed"},
      {"default_transaction_deferrable", "on", "off"},
      {"session_replication_role", "replica", "origin"},
      {"row_security", "on", "off"},
      {"zero_damaged_pages", "on", "off"},
      {"ignore_checksum_failure", "on", "off"},
  };
  return all;
}

/// Everything that a store writes comes back, and its sessions have what we rely on.
void expect_works(const std::string& connection, Sql& sql) {
  Bedside bedside(connection);
  sql.ask("CREATE TABLE public.seen (name text, value text)");
  sql.ask(
      "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen"
      " SELECT name, current_setting(name) FROM pg_settings; RETURN NULL; END $$");
  sql.ask("CREATE TRIGGER look AFTER INSERT ON public.alarm_event EXECUTE FUNCTION public.look()");
  EXPECT_EQ(bedside.alarm(1), RecordResult::committed);
  EXPECT_EQ(bedside.alarm(1), RecordResult::duplicate) << "what is stored is read back as it was sent";
  for (const auto& [name, wrong, ours] : settings()) {
    EXPECT_EQ(sql.ask("SELECT value FROM public.seen WHERE name = '" + name + "' LIMIT 1"), ours) << name;
  }
  const Instant at = Bedside::start + std::chrono::seconds(9);
  const MeasurementSet set{{1, 2}, {37.6, 0.1}, {0, 0}};
  EXPECT_EQ(bedside.append({bedside.session, Stream::vitals, 1, 2000, at, set}), RecordResult::committed);
  EXPECT_EQ(bedside.append({bedside.session, Stream::vitals, 1, 2000, at, set}), RecordResult::duplicate);
  const WaveformRun run{125, 1, 0.5, 0, std::string("\x00\x7f\x80\x00\\'", 6)};
  const auto ecg = waveform_stream(1);
  EXPECT_EQ(bedside.append({bedside.session, ecg, 1, 2000, at, run}), RecordResult::committed);
  const auto start = Bedside::start;
  const Subject device{Subject::Kind::device, "urn:dev:os:32473-a"};
  RunsQuery of_runs;
  of_runs.subject = device;
  of_runs.stream = ecg;
  of_runs.start = start;
  of_runs.end = at;
  const auto runs = bedside.store.runs(of_runs);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].run, run);
  EXPECT_EQ(runs[0].measured_at, start + std::chrono::seconds(2));
  AlarmsQuery of_alarms;
  of_alarms.subject = device;
  of_alarms.open_only = true;
  const auto alarms = bedside.store.alarms(of_alarms);
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].value, 140.5);
  const auto name = bedside.store.create_patient("Žofie Ωmega", {}, "icu").display_name;
  EXPECT_EQ(name, "Žofie Ωmega");
  EXPECT_EQ(bedside.store.patients({}, "", 10).at(0).display_name, name);
  EXPECT_NO_THROW(bedside.store.watch_durability());
}

class Settings : public testing::Test {
 protected:
  ScratchDatabase database;
  Sql sql{database.connection()};  // began before: has none of them
  const std::string name = sql.ask("SELECT current_database()");

  void make_tables() { PostgresStore({.connection = database.connection()}); }
};

// DUR-1
TEST_F(Settings, OfTheDatabaseChangeNothing) {
  make_tables();
  for (const auto& [setting, wrong, ours] : settings())
    sql.ask("ALTER DATABASE " + name + " SET " + setting + " = " +
            (setting == "DateStyle" ? wrong : "'" + wrong + "'"));
  ASSERT_EQ(Sql(database.connection()).ask("SHOW bytea_output"), "escape");
  expect_works(database.connection(), sql);
}

// DUR-1
TEST_F(Settings, OfTheRoleChangeNothing) {
  make_tables();
  const auto role = sql.ask("SELECT current_user");
  for (const auto& [setting, wrong, ours] : settings())
    sql.ask("ALTER ROLE " + role + " IN DATABASE " + name + " SET " + setting + " = " +
            (setting == "DateStyle" ? wrong : "'" + wrong + "'"));
  ASSERT_EQ(Sql(database.connection()).ask("SHOW bytea_output"), "escape");
  expect_works(database.connection(), sql);
}

// DUR-1: as PGOPTIONS says it too, and an `options` of the connection string.
TEST_F(Settings, OfTheConnectionStringChangeNothing) {
  make_tables();
  std::string options;
  for (const auto& [setting, wrong, ours] : settings()) {
    auto value = wrong;
    for (std::size_t at = 0; (at = value.find(' ', at)) != std::string::npos; at += 4) value.replace(at, 1, "\\\\ ");
    options += "-c " + setting + "=" + value + " ";
  }
  const auto connection = database.connection() + " options='" + options + "'";
  ASSERT_EQ(Sql(connection).ask("SHOW bytea_output"), "escape");
  expect_works(connection, sql);
}

// DUR-1: new rows of a session that stood before the change.
TEST_F(Settings, ThatComeWhileStorageRunsChangeNothing) {
  Bedside bedside(database.connection());
  EXPECT_EQ(bedside.alarm(1), RecordResult::committed);
  sql.ask("ALTER DATABASE " + name + " SET search_path = ''");
  sql.ask("ALTER DATABASE " + name + " SET bytea_output = escape");
  sql.ask(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
      " AND pid <> pg_backend_pid()");
  EXPECT_TRUE(test::eventually([&] {
    try {
      return bedside.alarm(2) == RecordResult::committed;
    } catch (const StoreError&) {
      return false;
    }
  }));
}

std::string refusal(const std::string& connection) {
  try {
    PostgresStore({.connection = connection});
    return "";
  } catch (const StoreUnfit& unfit) {
    return unfit.what();
  }
}

// DUR-1
TEST_F(Settings, ThatARoleMayNotPutRightAreRefused) {
  const auto role = "plain_" + name;
  sql.ask("CREATE ROLE " + role + " LOGIN");
  sql.ask("GRANT CREATE ON SCHEMA public TO " + role);
  sql.ask("CREATE EXTENSION btree_gist");
  for (const auto* setting :
       {"session_replication_role = replica", "zero_damaged_pages = on", "ignore_checksum_failure = on"}) {
    sql.ask("ALTER ROLE " + role + " SET " + setting);
    const std::string said = setting;
    EXPECT_THAT(refusal(database.connection() + " user=" + role), HasSubstr(said.substr(0, said.find(' ')))) << setting;
    sql.ask("ALTER ROLE " + role + " RESET ALL");
  }
  EXPECT_EQ(refusal(database.connection() + " user=" + role), "");
  sql.ask("DROP OWNED BY " + role);
  sql.ask("DROP ROLE " + role);
}

// DUR-1
TEST_F(Settings, ADatabaseThatIsNotUtf8IsRefused) {
  for (const std::string encoding : {"LATIN1", "SQL_ASCII", "EUC_KR"}) {
    const auto other = name + "_" + encoding;
    sql.ask("CREATE DATABASE \"" + other + "\" ENCODING '" + encoding + "' LOCALE 'C' TEMPLATE template0");
    EXPECT_THAT(refusal(database.connection() + " dbname=" + other), HasSubstr("encoded in " + encoding));
    sql.ask("DROP DATABASE \"" + other + "\" WITH (FORCE)");
  }
}

// ---- The schema that our tables lie in.

// DUR-1
TEST_F(Settings, TheSchemaIsTheOneThatHoldsOurTablesWhateverSearchPathSays) {
  sql.ask("CREATE SCHEMA hers");
  sql.ask("CREATE SCHEMA other");
  EXPECT_THAT(refusal(database.connection() + " options='-c search_path=nowhere'"), HasSubstr("search_path"));
  EXPECT_EQ(refusal(database.connection() + " options='-c search_path=hers'"), "");
  for (const std::string path : {"public", "other", "nowhere", "pg_catalog"}) {
    Bedside bedside(database.connection() + " options='-c search_path=" + path + "'");
    EXPECT_NE(bedside.alarm(1), RecordResult::quarantined) << path;
  }
  EXPECT_EQ(sql.ask("SELECT count(*) FROM hers.alarm_event"), "1");
  EXPECT_EQ(sql.ask("SELECT to_regclass('other.alarm_event') IS NULL AND to_regclass('public.alarm_event') IS NULL"),
            "t");
  // Its new name reaches the functions at the next start.
  sql.ask("ALTER SCHEMA hers RENAME TO \"Ward-1\"");
  Bedside renamed(database.connection());
  EXPECT_EQ(renamed.alarm(2), RecordResult::committed);
  EXPECT_EQ(sql.ask("SELECT count(*) FROM \"Ward-1\".open_alarm"), "2");
  // Two that hold our tables: not to be guessed.
  sql.ask("CREATE TABLE other.schema_migration ()");
  sql.ask("CREATE TABLE other.alarm_event ()");
  EXPECT_THAT(refusal(database.connection()), HasSubstr("More than one schema"));
  EXPECT_EQ(refusal(database.connection() + " options='-c search_path=\"Ward-1\"'"), "");
}

// DUR-1: what names tables finds them from any search_path, as in a restore of data alone.
TEST_F(Settings, FunctionsFindTheirTables) {
  make_tables();
  EXPECT_EQ(sql.ask("SELECT string_agg(p.proname, ', ') FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang"
                    " WHERE p.pronamespace = 'public'::regnamespace AND l.lanname = 'plpgsql'"
                    " AND NOT 'search_path=public, pg_temp' = ANY (coalesce(p.proconfig, '{}'))"),
            "")
      << "pinned as in 008_system_alarms.sql";
  sql.ask("SET search_path = ''");
  sql.ask("SET DateStyle = 'German'");
  sql.ask("SET TimeZone = 'Pacific/Apia'");
  sql.ask(
      "INSERT INTO public.alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
      " measured_at, received_at, source) VALUES (1, 1, 2, 1, 1, 1, 1, 'x', 1, now(), now(), 'device')");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM public.open_alarm"), "1");
  sql.ask("INSERT INTO public.device (urn) VALUES ('urn:a')");
  sql.ask("INSERT INTO public.patient (display_name) VALUES ('a')");
  sql.ask(
      "INSERT INTO public.assignment SELECT device_id, patient_id, '[2030-01-01,)', '[2030-01-01,)', 'x'"
      " FROM public.device, public.patient");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM public.assignment_change"), "1");
  EXPECT_EQ(sql.ask("SELECT public.make_measurement_partition('2035-02-01'::date)"
                    " AND public.make_waveform_partition('2035-02-01'::date)"),
            "t");
  EXPECT_EQ(sql.ask("SELECT public.make_measurement_partition('2035-02-02'::date)"), "t") << "they meet, and no more";
  EXPECT_EQ(sql.ask("SELECT public.live_home() = home FROM public.live_epoch"), "t");
  sql.ask("SELECT public.begin_live_epoch()");
}

// ISO-2: whom it knows under a name that is let in no longer, it says, and what to do; without the names.
TEST_F(Settings, NamesThatAreLetInNoLongerAreCounted) {
  database.take_steps_before("008");
  sql.ask("INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a'), ('urn:dev:os:32473-A:b')");
  sql.ask("INSERT INTO grants (subject, role) VALUES ('urn:wardlink:client:Nurse', 'viewer')");
  const auto said = [&] {
    testing::internal::CaptureStdout();
    { PostgresStore store({.connection = database.connection()}); }
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_THAT(said(), testing::Not(HasSubstr("no longer let in")));
  sql.ask(
      "INSERT INTO device (urn) VALUES ('urn:dev:os:32473-%41'), ('urn:dev:os:32473-b?c'), ('urn:dev:os:x#y'),"
      " ('URN:dev:os:z'), ('urn:Dev:os:z'), ('urn:dev:os:a b')");
  sql.ask(
      "INSERT INTO grants (subject, role) VALUES ('urn:wardlink:client:a%20b', 'viewer'),"
      " ('urn:WARDLINK:client:a', 'admin')");
  const auto text = said();
  EXPECT_THAT(text, HasSubstr("6 devices and 2 grants bear names that are no longer let in"));
  EXPECT_THAT(text, testing::Not(HasSubstr("32473")));
}

// DUR-1: a database of an earlier release, with an open alarm, gets the pins and the system's alarms.
TEST_F(Settings, ADatabaseOfAnEarlierReleaseIsBroughtUpToDate) {
  database.take_steps_before("008");
  sql.ask("INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a')");
  sql.ask("INSERT INTO device_boot (device_id, boot_id, anchor) SELECT device_id, 7, now() FROM device");
  sql.ask(
      "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
      " measured_at, received_at, source) SELECT device_id, 7, 2, 1, 1, 1, 3, 'hr-high', 1, now(), now(), 'device'"
      " FROM device");
  Bedside bedside(database.connection());
  EXPECT_EQ(bedside.alarm(2), RecordResult::committed);
  EXPECT_EQ(bedside.store.alarms({}).size(), 2U);
  EXPECT_NO_THROW(bedside.store.watch_durability());
  EXPECT_EQ(sql.ask("SELECT 'search_path=public, pg_temp' = ANY (proconfig) FROM pg_proc"
                    " WHERE proname = 'note_open_alarms'"),
            "t");
}

// DUR-1
TEST_F(Settings, ADumpRestoresWholeAndStorageGoesOn) {
  {
    Bedside bedside(database.connection());
    for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(bedside.alarm(i), RecordResult::committed);
    const MeasurementSet set{{1}, {37.6}, {0}};
    bedside.append({bedside.session, Stream::vitals, 1, 900, Bedside::start, set});
    bedside.append({bedside.session, Stream::vitals, 1, 901, Bedside::start, set});  // to quarantine
    const auto patient = bedside.store.create_patient("a", {}, "icu");
    bedside.store.assign({}, "urn:dev:os:32473-a", patient.id, Bedside::start, "x");
    auto alarm = bedside.store.alarms({}).at(0);
    bedside.store.acknowledge({}, {{alarm.device, alarm.boot, alarm.stream, alarm.sequence}}, "x");
  }
  const auto programs = sql.ask("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
  const auto file = "/tmp/wardlink-test-" + name + ".dump";
  test::run({programs + "/pg_dump", "--format=custom", "--file=" + file, "--dbname=" + database.connection()});
  ScratchDatabase restored;
  test::run({programs + "/pg_restore", "--exit-on-error", "--dbname=" + restored.connection(), file});
  std::filesystem::remove(file);
  const auto tables = sql.ask(
      "SELECT string_agg(format('(SELECT count(*) FROM %I)', relname), '||'' ''||' ORDER BY relname) FROM pg_class"
      " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition");
  EXPECT_EQ(restored.ask("SELECT " + tables), sql.ask("SELECT " + tables));
  Bedside again(restored.connection());
  EXPECT_EQ(again.alarm(3), RecordResult::duplicate);
  EXPECT_EQ(again.alarm(4), RecordResult::committed);
  EXPECT_EQ(restored.ask("SELECT count(*) FROM open_alarm"), "5");  // and the quarantine's
  EXPECT_EQ(again.store.alarms({}).size(), 5U);
}

// ---- Poolers.

/// PgBouncer in front of the shared cluster; gone with the object.
class Pooler {
 public:
  Pooler(const std::string& connection, const std::string& mode) {
    std::string name = "/tmp/wardlink-test-pooler.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in /tmp");
    folder_ = name;
    const auto host = connection.substr(connection.find("host='") + 6);
    {
      std::ofstream file(folder_ + "/pgbouncer.ini");
      file << "[databases]\n* = host=" << host.substr(0, host.find('\'')) << " port=5432 user=wardlink\n"
           << "[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = " << folder_
           << "\nauth_type = any\npool_mode = " << mode << "\npidfile = " << folder_ << "/pid\nlogfile = " << folder_
           << "/log\nignore_startup_parameters = extra_float_digits,options\n";
    }
    std::vector<std::string> command = {program, "--daemon", "--quiet", folder_ + "/pgbouncer.ini"};
    if (getuid() == 0) {
      test::run({"/usr/bin/chown", "postgres:", folder_});
      command.insert(command.begin(), {"/usr/sbin/runuser", "-u", "postgres", "--"});
    }
    test::run(command);
    connection_ = connection;
    connection_.replace(connection_.find("host='") + 6, host.find('\''), folder_);
    connection_ += " port=6432";
    test::eventually([&] {
      try {
        return Sql(connection_).ask("SELECT true") == "t";
      } catch (const std::runtime_error&) {
        return false;
      }
    });
  }
  ~Pooler() {
    int pid = 0;
    std::ifstream(folder_ + "/pid") >> pid;
    if (pid > 0) kill(pid, SIGTERM);
    test::eventually([&] { return pid <= 0 || kill(pid, 0) != 0; });
    std::filesystem::remove_all(folder_);
  }
  Pooler(const Pooler&) = delete;
  Pooler& operator=(const Pooler&) = delete;
  const std::string& connection() const { return connection_; }

  static inline const std::string program = "/usr/sbin/pgbouncer";

 private:
  std::string folder_, connection_;
};

class Poolers : public testing::TestWithParam<const char*> {};

// DUR-1
TEST_P(Poolers, ThatShareSessionsAreRefusedAndOthersWork) {
  if (!std::filesystem::exists(Pooler::program)) GTEST_SKIP() << "the pooler is not installed (pgbouncer)";
  const std::string mode = GetParam();
  ScratchDatabase database;
  Pooler pooler(database.connection(), mode);
  if (mode != "session") {
    EXPECT_THAT(refusal(pooler.connection()), HasSubstr("a pooler that shares sessions"));
    EXPECT_EQ(database.ask("SELECT to_regclass('alarm_event') IS NULL"), "t");
    return;
  }
  Sql sql(database.connection());
  expect_works(pooler.connection(), sql);
}

INSTANTIATE_TEST_SUITE_P(Modes, Poolers, testing::Values("session", "transaction", "statement"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace wardlink::storage
