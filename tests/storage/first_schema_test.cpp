// A database of the first seven steps of the schema, with data: all that is in it is read, and records go on. LIFE-3.

#include <gmock/gmock.h>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string device = "urn:dev:os:32473-a", nurse = "urn:wardlink:client:nurse";
const std::string ann = "00000000-0000-4000-8000-000000000001", bob = "00000000-0000-4000-8000-000000000002";
constexpr auto committed = RecordResult::committed, duplicate = RecordResult::duplicate;

/// Ann wears a device; its start has sent a hundred sets, an alarm that somebody has seen, one that has ended, a run,
/// and something that could not be read.
class FirstSchema : public testing::Test {
 protected:
  FirstSchema() {
    database.take_steps_before("008");
    sql.ask(
        "INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a');"
        "INSERT INTO device_boot (device_id, boot_id, anchor) VALUES (1, 7, '2026-01-01 00:00+00');"
        "INSERT INTO ward (ward_id) VALUES ('icu');"
        "INSERT INTO patient (patient_id, display_name, ward_id)"
        " VALUES ('00000000-0000-4000-8000-000000000001', 'Ann', 'icu'),"
        "   ('00000000-0000-4000-8000-000000000002', 'Bob', 'icu');"
        "INSERT INTO patient_identifier VALUES ('00000000-0000-4000-8000-000000000001', 'urn:mrn', '17');"
        "INSERT INTO assignment VALUES (1, '00000000-0000-4000-8000-000000000001', '[2026-01-01 00:00+00,)',"
        "  '[2026-01-01,)', 'nurse');"
        "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, "
        "sign_ids,"
        "  sign_values, qualities)"
        " SELECT 1, 7, 1, s, s * 1000, timestamptz '2026-01-01 00:00+00' + s * interval '1 s', '2026-01-01 00:10+00',"
        "  '{1}', ARRAY[s]::float8[], '{0}' FROM generate_series(1, 100) s;"
        "INSERT INTO latest VALUES (1, 1, 100, 0, '2026-01-01 00:01:40+00', '2026-01-01 00:10+00', 7, 100);"
        "INSERT INTO waveform_run (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, "
        "rate_samples,"
        "  rate_seconds, scale, sample_offset, samples)"
        " VALUES (1, 7, 17, 1, 5000, '2026-01-01 00:00:05+00', '2026-01-01 00:10+00', 100, 1, 1, 0, '\\x00010002');"
        "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, onset_sequence,"
        "  tick_ms, measured_at, received_at, source)"
        " SELECT 1, 7, 2, s, e, 1, 3, c, o, s * 1000, timestamptz '2026-01-01 00:00+00' + s * interval '1 s',"
        "  '2026-01-01 00:10+00', 'device'"
        " FROM (VALUES (1, 1, 'hr-high', NULL), (2, 1, 'spo2-low', NULL), (3, 2, 'spo2-low', 2)) v(s, e, c, o);"
        "INSERT INTO alarm_acknowledgement (device_id, boot_id, stream, sequence, acknowledged_by)"
        " VALUES (1, 7, 2, 1, 'nurse');"
        "INSERT INTO stream_state (device_id, boot_id, stream, high_sequence) VALUES (1, 7, 1, 100), (1, 7, 2, 3),"
        "  (1, 7, 17, 1);"
        "INSERT INTO quarantine (device_id, boot_id, stream, sequence, digest, reason, resource, payload, received_at)"
        " VALUES (1, 7, 1, 9, '\\x01', 'undecodable', 'vitals', '\\xff', '2026-01-01 00:10+00');"
        "INSERT INTO grants (subject, role) VALUES ('urn:wardlink:client:nurse', 'clinician');"
        "SELECT 1");
  }

  std::vector<ReadingRow> readings(PostgresStore& store, const std::string& patient) {
    ReadingsQuery query;
    query.subject = {Subject::Kind::patient, patient};
    return store.readings(query);
  }
  Record set(const std::shared_ptr<const Session>& session, std::uint64_t sequence, double value) const {
    return {session, Stream::vitals, sequence, sequence * 1000, start + 20min, MeasurementSet{{1}, {value}, {0}}};
  }

  const Instant start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  const test::ScratchDatabase database;
  test::Sql sql{database.connection()};
};

TEST_F(FirstSchema, IsReadWhole) {
  PostgresStore store({.connection = database.connection()});
  const auto sets = readings(store, ann);
  ASSERT_THAT(sets, SizeIs(100));
  EXPECT_EQ(sets[99].set.values, std::vector<double>{100});
  EXPECT_EQ(sets[99].measured_at, start + 100s);
  const auto rows = store.latest({}, {Subject::Kind::device, device});
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].patient_name, "Ann");
  ASSERT_THAT(rows[0].values, SizeIs(1));
  EXPECT_EQ(rows[0].values[0].value, 100);
  ASSERT_THAT(rows[0].alarms, SizeIs(1));
  EXPECT_EQ(rows[0].alarms[0].state(), AlarmState::acknowledged);
  AggregatesQuery buckets;
  buckets.subject = {Subject::Kind::patient, ann};
  buckets.start = start, buckets.end = start + 200s, buckets.bucket = 200s;
  ASSERT_THAT(store.aggregates(buckets), SizeIs(1));
  EXPECT_EQ(store.aggregates(buckets)[0].count, 100u);
  RunsQuery runs;
  runs.subject = {Subject::Kind::patient, ann};
  runs.stream = waveform_stream(1);
  runs.start = start, runs.end = start + 200s;
  EXPECT_THAT(store.runs(runs), SizeIs(1));
  AlarmsQuery alarms;
  alarms.subject = {Subject::Kind::patient, ann};
  const auto page = store.alarms(alarms);
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].end_cause, AlarmEndCause::device);
  EXPECT_EQ(page[1].acknowledged_by, "nurse");
  EXPECT_THAT(store.quarantine({}), SizeIs(1));
  EXPECT_THAT(store.unattributed({}), IsEmpty());
  EXPECT_EQ(store.patient({}, ann).identifiers.at(0).value, "17");
  EXPECT_THAT(store.grants_of(nurse), SizeIs(1));
}

TEST_F(FirstSchema, IsGoneOnWith) {
  PostgresStore store({.connection = database.connection()});
  const auto writer = store.open_writer();
  const auto attached = writer->attach({device, 7, start + 10ms, 20ms, {}, false, 200'000});
  EXPECT_EQ(attached.watermarks.at(Stream::vitals), 100u);
  AlarmFact end;
  end.event = AlarmEvent::ended, end.code = "hr-high", end.priority = AlarmPriority::high, end.onset_sequence = 1;
  const std::vector<Record> batch = {set(attached.session, 100, 100),
                                     set(attached.session, 101, 101),
                                     {attached.session, Stream::alarms, 4, 210'000, start + 20min, end}};
  EXPECT_THAT(writer->append(batch), ElementsAre(duplicate, committed, committed));
  EXPECT_THAT(readings(store, ann), SizeIs(101));
  store.release({}, device, start + 300s, nurse);
  store.assign({}, device, bob, start + 300s, nurse);
  const std::vector<Record> later = {set(attached.session, 400, 72)};
  EXPECT_THAT(writer->append(later), ElementsAre(committed));
  EXPECT_THAT(readings(store, ann), SizeIs(101));
  EXPECT_THAT(readings(store, bob), SizeIs(1));
  store.discharge({}, bob, start + 500s, nurse);
  EXPECT_EQ(store.latest({}, {Subject::Kind::device, device}).at(0).patient, "");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM open_alarm"), "0");
}

}  // namespace
}  // namespace wardlink::storage
