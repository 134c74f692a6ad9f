// PostgreSQL's administrator makes commits unsafe while storage runs, and mends it again. DUR-1, I1

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "bedside.hpp"
#include "cluster.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using test::Bedside;
using test::Cluster;
using test::ScratchDatabase;
using test::Sql;
using testing::HasSubstr;

/// What it throws; empty when it does not.
template <typename Work>
std::string refusal(Work&& work) {
  try {
    work();
    return "";
  } catch (const StoreError& error) {
    return error.kind() == StoreError::Kind::away ? error.what() : "not away: " + std::string(error.what());
  } catch (const StoreUnfit& unfit) {
    return unfit.what();
  }
}

std::vector<SystemAlarm> open_system_alarms(PostgresStore& store) { return store.system_alarms({.open_only = true}); }

void reload(const std::string& connection, const std::string& statement) {
  Sql sql(connection);
  sql.ask(statement);
  sql.ask("SELECT pg_reload_conf()");
}

/// Ticks, beyond the days that have a partition.
constexpr std::uint64_t far = 400ULL * 86'400'000;

// ---- What a reload changes.

class Reload : public testing::TestWithParam<const char*> {};

// DUR-1
TEST_P(Reload, NoAlarmIsSaidToBeCommittedUntilItIsMended) {
  const std::string setting = GetParam();
  Cluster cluster;
  Bedside bedside(cluster.connection()), other(cluster.connection());
  std::uint64_t sequence = 0;
  EXPECT_EQ(bedside.alarm(++sequence), RecordResult::committed);

  reload(cluster.connection(), "ALTER SYSTEM SET " + setting + " = off");
  std::string why;
  ASSERT_TRUE(test::eventually([&] {
    why = refusal([&] { bedside.alarm(++sequence); });
    return !why.empty();
  }));
  EXPECT_THAT(why, HasSubstr(setting + "=off"));
  // Whoever saw it first says so to all, before anybody looks.
  EXPECT_THAT(refusal([&] { other.alarm(1000); }), testing::Not(testing::IsEmpty()));
  const auto alarms = open_system_alarms(other.store);
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].code, "durability");
  EXPECT_EQ(alarms[0].priority, AlarmPriority::high);
  EXPECT_THAT(alarms[0].detail, HasSubstr(setting + "=off"));
  EXPECT_THAT(alarms[0].source, HasSubstr("wardlink-storage at "));
  EXPECT_THAT(refusal([&] { bedside.store.watch_durability(); }), HasSubstr(setting + "=off"));
  EXPECT_THAT(refusal([&] { bedside.store.create_device("urn:dev:os:32473-b"); }), HasSubstr(setting + "=off"));
  EXPECT_THROW(PostgresStore({.connection = cluster.connection()}), StoreUnfit);
  EXPECT_FALSE(other.store.alarms({}).empty()) << "who looks is answered";

  // Mended: what was committed meanwhile counts once a checkpoint has begun after that, not before.
  reload(cluster.connection(), "ALTER SYSTEM RESET " + setting);
  Sql sql(cluster.connection());
  sql.wait_until("current_setting('" + setting + "') = 'on'");
  EXPECT_NE(refusal([&] { bedside.alarm(sequence); }), "");
  EXPECT_NE(refusal([&] { other.alarm(sequence); }), "");
  const auto written = sql.ask("SELECT pg_current_wal_insert_lsn()");
  ASSERT_TRUE(test::eventually([&] { return refusal([&] { other.store.watch_durability(); }).empty(); }));
  EXPECT_EQ(sql.ask("SELECT redo_lsn >= '" + written + "' FROM pg_control_checkpoint()"), "t");
  ASSERT_TRUE(test::eventually([&] { return refusal([&] { bedside.store.watch_durability(); }).empty(); }));
  EXPECT_EQ(refusal([&] { EXPECT_NE(bedside.alarm(sequence), RecordResult::quarantined); }), "");
  EXPECT_EQ(other.alarm(sequence), RecordResult::duplicate);
  EXPECT_TRUE(open_system_alarms(other.store).empty());
  EXPECT_EQ(sql.ask("SELECT count(*) FROM alarm_event WHERE sequence = " + std::to_string(sequence)), "1");
}

INSTANTIATE_TEST_SUITE_P(Settings, Reload, testing::Values("fsync", "full_page_writes"),
                         [](const auto& instance) { return std::string(instance.param); });

// DUR-1: an alarm's commit waits for the disk, whatever postgresql.conf has come to say.
TEST(Durability, AReloadDoesNotSwitchSynchronousCommitOff) {
  Cluster cluster;
  Bedside bedside(cluster.connection());
  Sql sql(cluster.connection());
  sql.ask("CREATE TABLE seen (setting text)");
  sql.ask(
      "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$");
  sql.ask("CREATE TRIGGER look AFTER INSERT ON alarm_event FOR EACH ROW EXECUTE FUNCTION look()");
  std::uint64_t sequence = 0;
  for (const auto& [set, becomes] : std::vector<std::pair<std::string, std::string>>{
           {"off", "on"}, {"local", "on"}, {"remote_write", "on"}, {"on", "on"}, {"remote_apply", "remote_apply"}}) {
    reload(cluster.connection(), "ALTER SYSTEM SET synchronous_commit = " + set);
    sql.wait_until("current_setting('synchronous_commit') = '" + set + "'");
    EXPECT_EQ(bedside.alarm(++sequence), RecordResult::committed);  // a session that stood before
    EXPECT_EQ(sql.ask("DELETE FROM seen RETURNING setting"), "on") << set;
    Bedside fresh(cluster.connection());  // and one that begins with it
    EXPECT_EQ(fresh.alarm(++sequence), RecordResult::committed);
    EXPECT_EQ(sql.ask("DELETE FROM seen RETURNING setting"), becomes) << set;
    EXPECT_EQ(refusal([&] { fresh.store.watch_durability(); }), "");
  }
}

// DUR-1
TEST(Durability, AFunctionThatSwitchesSynchronousCommitOffStopsTheAck) {
  ScratchDatabase database;
  Bedside bedside(database.connection());
  Sql sql(database.connection());
  sql.ask(
      "CREATE FUNCTION hasten() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " PERFORM set_config('synchronous_commit', 'off', false); RETURN NULL; END $$");
  sql.ask("CREATE TRIGGER hasten AFTER INSERT ON alarm_event EXECUTE FUNCTION hasten()");
  EXPECT_THAT(refusal([&] { bedside.alarm(1); }), HasSubstr("synchronous_commit"));
  sql.ask("DROP TRIGGER hasten ON alarm_event");
  EXPECT_EQ(bedside.alarm(1), RecordResult::committed);
}

// DUR-1: nor does one that switches it off for its own transaction only: records, what is set aside, people's changes.
TEST(Durability, ATransactionThatWouldNotWaitForTheDiskIsNotCommitted) {
  ScratchDatabase database;
  Bedside bedside(database.connection());
  Sql sql(database.connection());
  sql.ask(
      "CREATE FUNCTION hasten() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " PERFORM set_config('synchronous_commit', 'off', true); RETURN NULL; END $$");
  const auto set = [&](std::uint64_t sequence, std::uint64_t tick) {
    bedside.append({bedside.session, Stream::vitals, sequence, tick, Bedside::start + std::chrono::seconds(9),
                    MeasurementSet{{1}, {37.6}, {0}}});
  };
  set(1, 1000);
  const std::vector<std::pair<std::string, std::function<void()>>> writes{
      {"alarm_event", [&] { bedside.alarm(1); }},
      {"measurement_set", [&] { set(2, 2000); }},
      {"quarantine", [&] { set(1, 1001); }},
      {"device", [&] { bedside.store.create_device("urn:dev:os:32473-b"); }}};
  for (const auto& [table, write] : writes) {
    const auto before = std::stoi(sql.ask("SELECT count(*) FROM " + table));
    sql.ask("CREATE TRIGGER hasten AFTER INSERT ON " + table + " EXECUTE FUNCTION hasten()");
    EXPECT_THAT(refusal(write), HasSubstr("synchronous_commit")) << table;
    EXPECT_EQ(std::stoi(sql.ask("SELECT count(*) FROM " + table)), before) << table;
    sql.ask("DROP TRIGGER hasten ON " + table);
    EXPECT_EQ(refusal(write), "") << table;
    EXPECT_EQ(std::stoi(sql.ask("SELECT count(*) FROM " + table)), before + 1) << table;
  }
}

// ---- What the administrator changes in the schema.

struct Change {
  const char *name, *breaks, *mends, *says;
};
void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }

class SchemaChange : public testing::TestWithParam<Change> {};

// DUR-1
TEST_P(SchemaChange, NoAlarmIsSaidToBeCommittedUntilItIsMended) {
  ScratchDatabase database;
  Bedside bedside(database.connection()), other(database.connection());
  EXPECT_EQ(refusal([&] { bedside.store.watch_durability(); }), "");
  Sql(database.connection()).ask(GetParam().breaks);
  EXPECT_THAT(refusal([&] { bedside.store.watch_durability(); }), HasSubstr(GetParam().says));
  EXPECT_THAT(refusal([&] { bedside.store.watch_durability(); }), HasSubstr(GetParam().says)) << "once more";
  EXPECT_NE(refusal([&] { bedside.alarm(1); }), "");
  EXPECT_NE(refusal([&] { other.alarm(1); }), "");
  EXPECT_EQ(database.ask("SELECT count(*) FROM system_alarm"), "1");
  EXPECT_THROW(PostgresStore({.connection = database.connection()}), StoreUnfit);

  Sql(database.connection()).ask(GetParam().mends);
  EXPECT_NE(refusal([&] { bedside.store.watch_durability(); }), "") << "not before a checkpoint";
  PostgresStore restarted({.connection = database.connection()});
  EXPECT_NE(refusal([&] { restarted.open_writer()->audit({}); }), "") << "a restart settles nothing";
  for (auto* store : {&restarted, &bedside.store, &other.store})
    ASSERT_TRUE(test::eventually([&] { return refusal([&] { store->watch_durability(); }).empty(); }));
  EXPECT_EQ(refusal([&] { bedside.alarm(1); }), "");
  EXPECT_EQ(refusal([&] { other.alarm(2); }), "");
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_event"), "2");
  EXPECT_EQ(database.ask("SELECT count(*) FROM open_alarm"), "2");
  EXPECT_EQ(database.ask("SELECT count(*) FROM system_alarm WHERE ended_at > raised_at"), "1");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, SchemaChange,
    testing::Values(
        Change{"UnloggedTable", "ALTER TABLE stream_state SET UNLOGGED", "ALTER TABLE stream_state SET LOGGED",
               "The table stream_state is UNLOGGED"},
        Change{"UnloggedPartition", "ALTER TABLE measurement_set_default SET UNLOGGED",
               "ALTER TABLE measurement_set_default SET LOGGED", "The table measurement_set_default is UNLOGGED"},
        Change{"DisabledTrigger", "ALTER TABLE alarm_event DISABLE TRIGGER alarm_event_open",
               "ALTER TABLE alarm_event ENABLE TRIGGER alarm_event_open", "The trigger alarm_event_open"},
        Change{"DaysOfSetsNotNoted", "ALTER TABLE measurement_set DISABLE TRIGGER measurement_set_days",
               "ALTER TABLE measurement_set ENABLE TRIGGER measurement_set_days", "The trigger measurement_set_days"},
        Change{"DaysOfRunsNotNoted", "ALTER TABLE waveform_run DISABLE TRIGGER waveform_run_days",
               "ALTER TABLE waveform_run ENABLE TRIGGER waveform_run_days", "The trigger waveform_run_days"},
        Change{"AllTriggersDisabled", "ALTER TABLE audit DISABLE TRIGGER ALL", "ALTER TABLE audit ENABLE TRIGGER ALL",
               "The trigger audit_append_only"},
        Change{"RowsKeptOutByATrigger",
               "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
               "CREATE TRIGGER swallow BEFORE INSERT ON alarm_event FOR EACH ROW EXECUTE FUNCTION swallow()",
               "DROP TRIGGER swallow ON alarm_event", "The trigger swallow may keep rows out"},
        Change{"RowsKeptOutByARule", "CREATE RULE swallow AS ON INSERT TO quarantine DO INSTEAD NOTHING",
               "DROP RULE swallow ON quarantine", "The rule swallow may keep rows out"}),
    [](const auto& instance) { return std::string(instance.param.name); });

// DUR-1: what was written while they were off, and before anybody saw it, is listed as they would have, whatever it
// says of its age.
TEST(Durability, WhatWasWrittenWhileTriggersWereOffIsListed) {
  ScratchDatabase database;
  Bedside bedside(database.connection());
  EXPECT_EQ(refusal([&] { bedside.store.watch_durability(); }), "");
  Sql sql(database.connection());
  const auto switch_triggers = [&](const std::string& to) {
    for (const std::string trigger : {"alarm_event %s alarm_event_open", "measurement_set %s measurement_set_days",
                                      "waveform_run %s waveform_run_days"}) {
      auto change = "ALTER TABLE " + trigger;
      sql.ask(change.replace(change.find("%s"), 2, to + " TRIGGER"));
    }
  };
  const auto session =
      bedside.writer->attach({"urn:dev:os:32473-a", 8, Bedside::start - std::chrono::hours(40 * 24)}).session;
  const AlarmFact fact{
      AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, 140.5, 130.0, 0};
  const std::vector<Record> records{
      {session, Stream::alarms, 1, 1000, Bedside::start, fact},
      {session, Stream::vitals, 1, 1000, Bedside::start, MeasurementSet{{1}, {37.6}, {0}}},
      {session, waveform_stream(1), 1, 1000, Bedside::start, WaveformRun{125, 1, 0.5, 0, std::string(6, '\1')}}};
  switch_triggers("DISABLE");
  for (const auto& record : records) EXPECT_EQ(bedside.append(record), RecordResult::committed);
  EXPECT_EQ(sql.ask("SELECT (SELECT count(*) FROM open_alarm) + (SELECT count(*) FROM stream_day)"), "0");
  EXPECT_NE(refusal([&] { bedside.store.watch_durability(); }), "");
  switch_triggers("ENABLE");
  ASSERT_TRUE(test::eventually([&] { return refusal([&] { bedside.store.watch_durability(); }).empty(); }));
  EXPECT_EQ(sql.ask("SELECT count(*) FROM open_alarm"), "1");
  EXPECT_EQ(sql.ask("SELECT string_agg(stream || ':' || low || '-' || high, ' ' ORDER BY stream) FROM stream_day"
                    " WHERE boot_id = 8 AND day = day_of(now() - interval '40 days')"),
            "1:1-4095 17:1-4095");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM live_day l JOIN measurement_set m ON NOT l.waveforms"
                    "  AND m.xid::text::bigint BETWEEN l.low AND l.high AND l.day = day_of(m.measured_at)"),
            "1");
  for (const auto& record : records) EXPECT_EQ(bedside.append(record), RecordResult::duplicate);
}

class Swallowed : public testing::TestWithParam<const char*> {};

// DUR-1: a row that something in the database keeps out is not said to be committed, before anybody looks either.
TEST_P(Swallowed, NothingIsSaidToBeCommitted) {
  ScratchDatabase database;
  Bedside bedside(database.connection());
  const std::string table = GetParam();
  Sql sql(database.connection());
  sql.ask("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$");
  sql.ask("CREATE TRIGGER swallow BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION swallow()");
  // Of a day that has no partition.
  const auto long_ago =
      bedside.writer->attach({"urn:dev:os:32473-a", 9, Bedside::start - std::chrono::days(3000)}).session;
  const auto write = [&] {
    if (table == "alarm_event") return bedside.alarm(1);
    const auto at = Bedside::start + std::chrono::seconds(9);
    if (table == "measurement_set_default")
      return bedside.append({long_ago, Stream::vitals, 1, far, at, MeasurementSet{{1}, {37.6}, {0}}});
    const WaveformRun run{125, 1, 0.5, 0, std::string(6, '\1')};
    return bedside.append({long_ago, waveform_stream(1), 1, far, at, run});
  };
  EXPECT_THAT(refusal(write), HasSubstr("keeps none"));
  sql.ask("DROP TRIGGER swallow ON " + table);
  EXPECT_EQ(write(), RecordResult::committed);
  EXPECT_EQ(sql.ask("SELECT count(*) FROM " + table), "1");
}

INSTANTIATE_TEST_SUITE_P(Tables, Swallowed,
                         testing::Values("alarm_event", "measurement_set_default", "waveform_run_default"),
                         [](const auto& instance) { return std::string(instance.param); });

// DUR-1: a role that may not ask for a checkpoint waits for the next one.
TEST(Durability, WithoutTheRightToCheckpointItWaitsForPostgresOwn) {
  ScratchDatabase database;
  Sql sql(database.connection());
  const auto role = "plain_" + sql.ask("SELECT current_database()");
  sql.ask("CREATE ROLE " + role + " LOGIN");
  sql.ask("CREATE EXTENSION btree_gist");
  sql.ask("CREATE SCHEMA AUTHORIZATION " + role);
  {
    Bedside bedside(database.connection() + " user=" + role);
    EXPECT_EQ(bedside.alarm(1), RecordResult::committed);
    sql.ask("ALTER TABLE " + role + ".stream_state SET UNLOGGED");
    EXPECT_NE(refusal([&] { bedside.store.watch_durability(); }), "");
    sql.ask("ALTER TABLE " + role + ".stream_state SET LOGGED");
    const auto system_alarm = "(SELECT count(*) FROM " + role + ".system_alarm WHERE ended_at IS NULL)";
    EXPECT_NE(refusal([&] { bedside.store.watch_durability(); }), "");
    EXPECT_EQ(sql.ask("SELECT " + system_alarm), "1");
    sql.ask("CHECKPOINT");
    ASSERT_TRUE(test::eventually([&] { return refusal([&] { bedside.store.watch_durability(); }).empty(); }));
    EXPECT_EQ(bedside.alarm(2), RecordResult::committed);
    EXPECT_EQ(sql.ask("SELECT " + system_alarm), "0");
  }
  sql.ask("DROP OWNED BY " + role);
  sql.ask("DROP ROLE " + role);
}

// ---- The system alarm itself.

// DUR-1
TEST(SystemAlarms, ARowIsAddedAndEndsAndNothingElse) {
  ScratchDatabase database;
  PostgresStore store({.connection = database.connection()});
  const auto ask = [&](const std::string& statement) { return database.ask(statement); };
  const std::string insert =
      "INSERT INTO system_alarm (code, subject, priority, detail, source) VALUES ('disk', 'a', 3, 'd', 's')";
  ask(insert);
  EXPECT_THROW(ask(insert), std::runtime_error) << "one is open at a time";
  for (const auto* change :
       {"UPDATE system_alarm SET detail = 'x'", "UPDATE system_alarm SET ended_at = now(), detail = 'x'",
        "DELETE FROM system_alarm", "TRUNCATE system_alarm"}) {
    EXPECT_THROW(ask(change), std::runtime_error) << change;
  }
  ask("UPDATE system_alarm SET ended_at = clock_timestamp()");
  EXPECT_THROW(ask("UPDATE system_alarm SET ended_at = NULL"), std::runtime_error);
  EXPECT_THROW(ask("UPDATE system_alarm SET ended_at = clock_timestamp()"), std::runtime_error);
  ask(insert);
  ask("INSERT INTO system_alarm (code, priority, detail, source) VALUES ('silence', 2, 'd', 's')");
  const auto first = store.system_alarms({.limit = 2});
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].code, "silence");
  EXPECT_EQ(first[1].subject, "a");
  const auto rest = store.system_alarms({.after = Position{.at = first[1].raised_at, .device_id = first[1].id}});
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_TRUE(rest[0].ended_at.has_value());
  EXPECT_EQ(open_system_alarms(store).size(), 2U);
}

}  // namespace
}  // namespace wardlink::storage
