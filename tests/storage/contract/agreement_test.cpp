// PostgreSQL and the store in memory are told the same, by chance: they keep the same rows, and answer alike.

#include <gmock/gmock.h>

#include <random>

#include "cluster.hpp"
#include "contract/answers.hpp"
#include "contract/postgres_rows.hpp"
#include "contract/tenant.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/postgres/postgres_store.hpp"
#include "storage/rules/order.hpp"
#include "storage/rules/run.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;

class AgreementTest : public testing::TestWithParam<unsigned> {
 protected:
  /// One of the numbers below `count`.
  std::uint64_t pick(std::uint64_t count) { return random() % count; }
  bool rarely() { return pick(12) == 0; }
  std::string device() { return "urn:dev:os:32473-" + std::string(1, static_cast<char>('a' + pick(4))); }
  /// Within the hour that all happens in.
  Instant instant() { return anchor + std::chrono::minutes(pick(60)); }

  void attach() {
    AttachRequest request{device(), 1 + pick(3), anchor + std::chrono::seconds(pick(4) * 61)};
    request.tick_ms = pick(6) * 1000;
    request.uncertainty = std::chrono::milliseconds(pick(3) * 1500);
    const auto a = in_postgres->attach(request), b = in_memory->attach(request);
    ASSERT_EQ(a.session->anchor, b.session->anchor);
    ASSERT_EQ(a.session->device_id, b.session->device_id);
    ASSERT_EQ(a.watermarks, b.watermarks);
    sessions.push_back(a.session);
  }

  void begin_earlier_starts() {
    const std::vector<AttachRequest> requests = {{device(), 4 + pick(2), instant()}};
    const auto a = in_postgres->at_boots(requests), b = in_memory->at_boots(requests);
    ASSERT_EQ(a[0]->anchor, b[0]->anchor);
    sessions.push_back(a[0]);
  }

  decltype(Record::body) body(std::uint64_t kind) {
    MeasurementSet set;
    for (auto left = 1 + pick(3); left > 0; --left) {
      set.signs.push_back(static_cast<std::uint16_t>(1 + pick(3)));
      set.values.push_back(static_cast<double>(pick(4)) + 0.5);
      set.qualities.push_back(rarely() ? 1 : 0);
    }
    AlarmFact alarm;
    alarm.event = pick(2) == 0 ? AlarmEvent::raised : AlarmEvent::ended;
    alarm.priority = static_cast<AlarmPriority>(1 + pick(3));
    alarm.kind = static_cast<AlarmKind>(1 + pick(2));
    alarm.code = "hr-high";
    alarm.sign = static_cast<std::uint16_t>(pick(2));
    if (pick(2) == 0) alarm.value = 140.25;
    if (alarm.event == AlarmEvent::ended) alarm.onset_sequence = pick(20);
    const WaveformRun run{100 + static_cast<std::uint32_t>(pick(5)), 1, 0.25, -1,
                          std::string(2 * (1 + pick(300)), static_cast<char>(pick(2)))};
    if (kind == 0) return set;
    if (kind == 1) return alarm;
    if (kind == 2) return run;
    return Unusable{"undecodable", "/vitals", std::string(1, static_cast<char>(pick(2)))};
  }

  Record record() {
    Record made;
    made.session = sessions[pick(sessions.size())];
    const auto kind = rarely() ? 3 : pick(3);
    made.stream = kind == 0   ? (rarely() ? Stream::manual : Stream::vitals)
                  : kind == 1 ? (rarely() ? Stream::manual : Stream::alarms)
                              : waveform_stream(1);
    made.sequence = rarely() ? 0 : 1 + pick(25);
    made.tick_ms = pick(6) * 1000;
    // No two runs begin at one instant: which of them is the newest nobody says.
    if (kind == 2) made.tick_ms += 30 * made.session->boot + made.sequence;
    made.received_at = anchor + std::chrono::seconds(pick(3600));
    made.body = body(kind);
    return made;
  }

  /// Alone: PostgreSQL's writer looks for what is refused in transactions of their own.
  void append_what_is_refused() {
    auto refused = record();
    refused.stream = Stream::alarms;
    refused.sequence = 1 + pick(25);
    refused.body = raised("\xff");
    const std::vector<Record> batch = {refused};
    ASSERT_EQ(in_postgres->append(batch), in_memory->append(batch));
  }

  void append() {
    std::vector<Record> batch;
    for (auto left = 1 + pick(8); left > 0; --left) {
      batch.push_back(record());
      if (rarely()) batch.push_back(batch.front());
    }
    ASSERT_EQ(in_postgres->append(batch), in_memory->append(batch));
  }

  void admit_patient() {
    const auto ward = std::array{"", "icu", "maternity"}[pick(3)];
    const auto id = postgres.create_patient("P" + std::to_string(patients.size()), {}, ward).id;
    patients.push_back(id);
    memory.create_patient("P" + std::to_string(patients.size() - 1), {}, ward);
  }

  template <typename Call>
  void both(Call&& call) {
    const auto told_by = [&](auto& store) -> std::string {
      try {
        return call(store);
      } catch (const StoreError& error) {
        return error.what();
      }
    };
    ASSERT_EQ(told_by(postgres), told_by(memory));
  }

  void assign() {
    const auto urn = device();
    const auto patient = patients[pick(patients.size())];
    const auto at = instant();
    both([&](RegistryStore& store) { return told(store.assign(scope(), urn, patient, at, "nurse")); });
  }

  void release() {
    const auto urn = device();
    const auto at = instant();
    both([&](RegistryStore& store) { return told(store.release({}, urn, at, "doctor")); });
  }

  void acknowledge() {
    const AlarmKey key{device(), 1 + pick(3), Stream::alarms, 1 + pick(25)};
    both([&](RecordStore& store) { return told(store.acknowledge({}, {key}, "nurse")); });
  }

  void discharge() {
    const auto patient = patients[pick(patients.size())];
    const auto at = instant();
    both([&](RegistryStore& store) {
      const auto row = store.discharge(scope(), patient, at, "doctor");
      std::string text = row.by + " " + std::to_string(row.at.time_since_epoch().count());
      for (const auto& each : row.assignments) text += " " + told(each);
      return text;
    });
  }

  void close() {
    const AlarmKey key{device(), 1 + pick(3), rarely() ? Stream::storage : Stream::alarms, 1 + pick(25)};
    both([&](RecordStore& store) { return told(store.close(scope(), {key}, "nurse", "noise")); });
  }

  /// One calendar for both, which stands still within a step.
  void set_calendar(Instant at) {
    calendar = at;
    sql.ask("UPDATE virtual_calendar SET at = instant(" + std::to_string(at.time_since_epoch().count()) + ")");
  }

  /// The same for both stores of a call.
  const Scope& scope() const { return scope_; }

  void step() {
    scope_ = rarely() ? Scope(std::vector<std::string>{"icu"}) : Scope();
    set_calendar(calendar + 1s);
    const auto what = pick(24);
    if (what < 3) return attach();
    if (what < 4) return begin_earlier_starts();
    if (what < 5) return append_what_is_refused();
    if (what < 14) return append();
    if (what < 16) return assign();
    if (what < 17) return release();
    if (what < 18) return admit_patient();
    if (what < 20) return acknowledge();
    if (what < 21) return discharge();
    if (what < 22) return close();
    append();
  }

  std::vector<Subject> subjects() const {
    std::vector<Subject> all;
    for (const char letter : std::string("abcd"))
      all.push_back({Subject::Kind::device, std::string("urn:dev:os:32473-") + letter});
    for (const auto& patient : patients) all.push_back({Subject::Kind::patient, patient});
    return all;
  }

  void compare() {
    const auto rows = postgres_rows(database.connection());
    ASSERT_EQ(difference(rows, memory.rows()), "");
    ASSERT_EQ(rows, memory.rows());
    const auto facts = postgres_audit(database.connection());
    ASSERT_EQ(told(facts), told(memory.audited()));
    for (const Scope& seen : {Scope(), Scope(std::vector<std::string>{"icu"})}) {
      for (const auto& subject : subjects()) ASSERT_NO_FATAL_FAILURE(compare_answers(seen, subject));
      ASSERT_NO_FATAL_FAILURE(compare_lists(seen));
    }
  }

  void compare_answers(const Scope& seen, const Subject& subject) {
    const auto from = anchor + std::chrono::seconds(pick(4)), until = from + std::chrono::seconds(pick(3600));
    both([&](RecordStore& store) { return told_readings(store, {seen, subject, {}, from, until, {}, 3}); });
    both([&](RecordStore& store) { return told_readings(store, {seen, subject, {2}, {}, {}, {}, 100}); });
    both([&](RecordStore& store) { return told_alarms(store, {seen, subject, false, {}, from, until, {}, 3}); });
    both([&](RecordStore& store) { return told_alarms(store, {seen, subject, true, {}, {}, {}, {}, 100}); });
    both([&](RecordStore& store) { return told_alarms(store, {seen, subject, false, {2, 3}, {}, {}, {}, 100}); });
    both([&](RecordStore& store) { return told_quarantine(store, {seen, subject, from, until, {}, 3}); });
    both([&](RecordStore& store) { return told_runs(store, {seen, subject, waveform_stream(1), from, until, {}, 2}); });
    both([&](RecordStore& store) { return told_aggregates(store, {seen, subject, {}, from, until + 1s, 30s, 0, 2}); });
    both([&](RecordStore& store) { return told_latest(store, seen, subject); });
  }

  void compare_lists(const Scope& seen) {
    both([&](RecordStore& store) { return told_latest(store, seen, {}); });
    both([&](RecordStore& store) { return told_alarms(store, {seen, {}, false, {}, {}, {}, {}, 7}); });
    both([&](RecordStore& store) { return told_quarantine(store, {seen, {}, {}, {}, {}, 7, true}); });
    both([&](RegistryStore& store) { return told_registry(store, seen); });
    both([&](LiveStore& store) { return told_live(store, seen); });
    both([&](LiveStore& store) { return told_present(store, seen); });
  }

  std::mt19937_64 random{GetParam()};
  ScratchDatabase database;
  PostgresStore postgres{{.connection = database.connection()}};
  Sql sql{database.connection()};
  Instant calendar = now();
  std::vector<std::string> patients;
  MemoryStore memory{{.now = [this] { return calendar; },
                      .new_id = [this] { return patients.empty() ? std::string() : patients.back(); }}};
  std::unique_ptr<RecordWriter> in_postgres = postgres.open_writer(), in_memory = memory.open_writer();
  const Instant anchor = std::chrono::floor<std::chrono::hours>(now()) - 3h;
  std::vector<std::shared_ptr<const Session>> sessions;
  Scope scope_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, AgreementTest, testing::Range(1U, 5U));

TEST_P(AgreementTest, TheSameCallsMakeTheSameRowsAndTheSameAnswers) {
  sql.ask(virtual_calendar);
  set_calendar(calendar);
  ASSERT_NO_FATAL_FAILURE(attach());
  admit_patient();
  admit_patient();
  for (int i = 1; i <= 120; ++i) {
    ASSERT_NO_FATAL_FAILURE(step()) << "at step " << i;
    if (i % 40 == 0) {
      ASSERT_NO_FATAL_FAILURE(compare()) << "after step " << i;
    }
  }
}

/// What SQL decides by itself, and the rule says too.
class RuleTest : public testing::Test {
 protected:
  static constexpr const char* device = "urn:dev:os:32473-a";

  Record set(std::shared_ptr<const Session> session, std::uint64_t sequence, std::uint64_t tick_ms) const {
    return {std::move(session),
            Stream::vitals,
            sequence,
            tick_ms,
            anchor,
            MeasurementSet{{1}, {static_cast<double>(sequence)}, {0}}};
  }

  ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  const Instant anchor = std::chrono::floor<std::chrono::hours>(now()) - 3h;
};

TEST_F(RuleTest, PostgresTakesForLatestWhatSupersedes) {
  std::mt19937 random(6);
  std::vector<std::shared_ptr<const Session>> starts;
  const std::vector<AttachRequest> unregistered{{device, 1, anchor}, {device, 2, anchor}};
  for (auto& start : writer->at_boots(unregistered)) starts.push_back(start);
  for (std::uint64_t boot = 3; boot <= 4; ++boot) starts.push_back(writer->attach({device, boot, anchor}).session);
  std::optional<Record> expected;
  std::uint64_t high = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    // The starts one after the other, so that each has its time; few instants, so that many are the same.
    auto record = set(starts[random() % (1 + i / 50)], ++high, random() % 8);
    record.received_at += std::chrono::seconds(random() % 8);
    std::get<MeasurementSet>(record.body).values = {static_cast<double>(i)};
    ASSERT_EQ(writer->append(std::vector{record}).front(), RecordResult::committed);
    if (!expected || supersedes(word_of(record), word_of(*expected))) expected = record;
    const auto latest = store.latest({}, {}).at(0).values.at(0);
    ASSERT_EQ(latest.value, std::get<MeasurementSet>(expected->body).values[0]) << "after record " << i;
    ASSERT_EQ(latest.measured_at, measured_at(*expected));
  }
}

TEST_F(RuleTest, PostgresTakesForTextWhatTheRuleDoes) {
  std::mt19937 random(8);
  const std::string bytes("a\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf1\xf3\xf4\xf5\xff",
                          23);
  std::vector<std::string> texts;
  std::string list;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (auto left = random() % 6; left > 0; --left) text += bytes[random() % bytes.size()];
    list += (i == 0 ? "'" : ",'") + to_text_of_bytes(text) + "'";
    texts.push_back(text);
  }
  Sql sql(database.connection());
  sql.ask(
      "CREATE FUNCTION is_text(bytes bytea) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
      " PERFORM convert_from(bytes, 'UTF8'); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$");
  const auto rows = sql.rows("SELECT is_text(x::bytea) FROM unnest(ARRAY[" + list +
                             "]) WITH ORDINALITY k(x, place)"
                             " ORDER BY place");
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(is_text(texts[i]), rows[i][0] == "t") << to_text_of_bytes(texts[i]);
}

TEST_F(RuleTest, PostgresEndsARunWhereTheRuleDoes) {
  std::mt19937 random(7);
  const auto session = writer->attach({device, 1, anchor}).session;
  std::vector<Record> runs;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const auto seconds = 1 + static_cast<std::uint32_t>(random() % 9);
    const WaveformRun run{seconds * 100 + static_cast<std::uint32_t>(random() % 200), seconds, 1, 0,
                          std::string(2 * (1 + random() % 900), '\1')};
    runs.push_back({session, waveform_stream(1), i, random() % 100'000, anchor, run});
  }
  ASSERT_EQ(writer->append(runs), std::vector<RecordResult>(runs.size(), RecordResult::committed));
  Sql sql(database.connection());
  const auto rows = sql.rows("SELECT micros(run_end(x)) FROM waveform_run x ORDER BY sequence");
  ASSERT_EQ(rows.size(), runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto end = run_end(measured_at(runs[i]), std::get<WaveformRun>(runs[i].body));
    EXPECT_EQ(*rows[i][0], std::to_string(end.time_since_epoch().count())) << i;
  }
}

}  // namespace
}  // namespace wardlink::storage::test
