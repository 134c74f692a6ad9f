#include "store.hpp"

#include <utility>

#include "storage/port/store_error.hpp"

namespace wardlink::simulation {

using storage::CommitKind;
using storage::RecordResult;

namespace {

constexpr std::size_t all_rows = 10'000'000;

}  // namespace

/// Sees what was done, below the writer that fails.
class Database::Witness final : public storage::RecordWriter {
 public:
  Witness(Database& database, std::unique_ptr<storage::RecordWriter> inner)
      : database_(database), inner_(std::move(inner)) {}

  storage::Instant calendar() override {
    if (database_.faults.away) throw storage::StoreError(storage::StoreError::Kind::away, "the database is away");
    if (database_.dates_) database_.calendar_.compared();
    return inner_->calendar();
  }
  std::vector<storage::Attached> attach(std::span<const storage::AttachRequest> requests) override {
    auto attached = inner_->attach(requests);
    for (const auto& each : attached)
      if (each.session && database_.on_attached) database_.on_attached(*each.session);
    database_.committed({.kind = CommitKind::attach, .starts = {requests.begin(), requests.end()}}, {});
    return attached;
  }
  std::vector<std::shared_ptr<const storage::Session>> at_boots(
      std::span<const storage::AttachRequest> requests) override {
    auto sessions = inner_->at_boots(requests);
    database_.committed({.kind = CommitKind::at_boots, .starts = {requests.begin(), requests.end()}}, {});
    return sessions;
  }
  std::vector<RecordResult> append(std::span<const storage::Record> records) override {
    auto results = inner_->append(records);
    database_.committed({.kind = CommitKind::append, .records = {records.begin(), records.end()}}, results);
    return results;
  }
  bool audit(std::span<const storage::AuditFact> facts) override { return inner_->audit(facts); }

 private:
  Database& database_;
  std::unique_ptr<storage::RecordWriter> inner_;
};

Database::Database(const Clock& clock, Chance chance, Sometimes& sometimes)
    : clock_(clock),
      chance_(chance),
      sometimes_(sometimes),
      calendar_(clock, chance_.between(coap::Duration{-1h}, coap::Duration{1h})),
      store_(
          {.now = [this] { return calendar_.now(); },
           .new_id =
               [last = 0]() mutable { return "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + ++last); }}),
      people_(store_, "host", [&clock] { return moment_of(clock); }) {}

std::unique_ptr<storage::RecordWriter> Database::open_writer() {
  return std::make_unique<storage::ScriptedWriter>(std::make_unique<Witness>(*this, store_.open_writer()),
                                                   storage::CommitScript{[this](CommitKind) { return outcome(); }, {}});
}

// -- people -----------------------------------------------------------------------------------------------------------

Registered make(storage::RegistryStore& registry, const RegistryCall& call) {
  const std::string by = "urn:x-wardlink:simulation";
  switch (call.kind) {
    case RegistryCall::Kind::create_device:
      registry.create_device(call.device);
      break;
    case RegistryCall::Kind::create_patient:
      return {registry.create_patient(call.patient, {}, call.ward).id};
    case RegistryCall::Kind::assign:
      return {"", {registry.assign({}, call.device, call.patient, call.at, by)}};
    case RegistryCall::Kind::release:
      return {"", {registry.release({}, call.device, call.at, by)}};
    case RegistryCall::Kind::discharge:
      return {"", registry.discharge({}, call.patient, call.at, by).assignments};
  }
  return {};
}

Registered Database::make(RegistryCall call) {
  people_.look();  // as a service does every few seconds, also where the one that ingest speaks with is dead
  calendar_.compared();
  call.made_at = calendar_.now();
  auto registered = simulation::make(store_, call);
  call.created = registered.patient;
  if (keeps_log_) log_.emplace_back(std::move(call));
  return registered;
}

bool Database::knows(const std::string& device) {
  const auto rows = store_.rows();
  return std::ranges::any_of(rows.starts, [&](const auto& start) { return start.device == device; });
}

std::vector<storage::ReadingRow> Database::readings_of(const storage::Subject& subject) {
  storage::ReadingsQuery query;
  query.subject = subject;
  query.limit = all_rows;
  return store_.readings(query);
}

std::vector<storage::RunRow> Database::runs_of(const storage::Subject& subject, storage::Stream waveform) {
  storage::RunsQuery query;
  query.subject = subject;
  query.stream = waveform;
  query.start = storage::Instant{};
  query.end = calendar_.now() + std::chrono::hours{24};
  query.limit = all_rows;
  return store_.runs(query);
}

std::vector<storage::AlarmCondition> Database::alarms_of(const storage::Subject& subject, const storage::Scope& scope) {
  storage::AlarmsQuery query;
  query.scope = scope;
  query.subject = subject;
  query.limit = all_rows;
  return store_.alarms(query);
}

std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> Database::listed_alarms() {
  using Key = std::tuple<std::string, std::uint64_t, std::uint64_t>;
  std::set<Key> listed, ended;
  for (const auto& each : alarms_of({})) {
    if (each.stream != storage::Stream::alarms) continue;
    const Key key{each.device, each.boot, each.sequence};
    listed.insert(key);
    if (each.end) ended.insert(key);
  }
  for (const auto& row : store_.rows().alarms)
    if (row.stream == storage::Stream::alarms && ended.contains({row.device, row.boot, row.fact.onset_sequence}))
      listed.emplace(row.device, row.boot, row.sequence);
  storage::QuarantineQuery quarantine;
  for (bool all = false; !all;) {
    const auto page = store_.quarantine(quarantine);
    for (const auto& each : page)
      if (each.stream == storage::Stream::alarms) listed.emplace(each.device, each.boot, each.sequence);
    quarantine.after = page.next;
    all = !page.next;
  }
  return listed;
}

storage::CommitOutcome Database::outcome() {
  using Kind = storage::CommitOutcome::Kind;
  if (faults.away) {
    sometimes_.happened("the database was away");
    return {Kind::away};
  }
  if (chance_.happens(faults.refused)) {
    const bool away = chance_.happens(0.5);
    sometimes_.happened(away ? "the database was away for a moment" : "the database refused a commit");
    return {away ? Kind::away : Kind::fail};
  }
  if (chance_.happens(faults.unknown)) {
    const bool done = chance_.happens(0.5);
    sometimes_.happened(done ? "a commit was done and not answered" : "a commit was neither done nor answered");
    return {Kind::unknown, done};
  }
  return {};
}

void Database::committed(Commit commit, const std::vector<RecordResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& record = commit.records[i];
    if (results[i] == RecordResult::duplicate) sometimes_.happened("a record was a duplicate");
    if (results[i] == RecordResult::quarantined) sometimes_.happened("a record was quarantined");
    show(record);
    if (record.session && record.stream == storage::Stream::alarms)
      alarms_.emplace(record.session->device, record.session->boot, record.sequence);
  }
  commit.at = calendar_.now();
  if (keeps_log_) log_.emplace_back(std::move(commit));
}

void Database::show(const storage::Record& record) const {
  const auto* set = std::get_if<storage::MeasurementSet>(&record.body);
  if (set == nullptr || !record.session || !on_shown) return;
  for (const auto sign : set->signs)
    if (const auto latest = store_.shown(record.session->device_id, sign)) on_shown(record, *latest);
}

}  // namespace wardlink::simulation
