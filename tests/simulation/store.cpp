#include "store.hpp"

#include "storage/port/store_error.hpp"

namespace wardlink::simulation {
namespace {

bool same(const storage::MeasurementSet& one, const storage::MeasurementSet& other) {
  return one.signs == other.signs && one.values == other.values && one.qualities == other.qualities;
}

bool same_body(const decltype(storage::Record::body)& one, const decltype(storage::Record::body)& other) {
  if (one.index() != other.index()) return false;
  if (const auto* set = std::get_if<storage::MeasurementSet>(&one))
    return same(*set, std::get<storage::MeasurementSet>(other));
  if (const auto* alarm = std::get_if<storage::AlarmFact>(&one)) return *alarm == std::get<storage::AlarmFact>(other);
  if (const auto* run = std::get_if<storage::WaveformRun>(&one)) return *run == std::get<storage::WaveformRun>(other);
  return false;
}

}  // namespace

template <class Work>
auto Database::call(Work work) {
  using storage::StoreError;
  if (faults.away || chance_.happens(faults.refused)) {
    sometimes_.happened("the database did not do it");
    throw StoreError(StoreError::Kind::away, "simulated: away");
  }
  auto result = work();
  if (chance_.happens(faults.unknown)) {
    sometimes_.happened("a commit's outcome was unknown");
    throw StoreError(StoreError::Kind::away, "simulated: unknown");
  }
  return result;
}

class Database::Writer final : public storage::RecordWriter {
 public:
  explicit Writer(Database& database) : database_(database) {}

  std::vector<storage::Attached> attach(std::span<const storage::AttachRequest> requests) override {
    return database_.call([&] {
      std::vector<storage::Attached> attached;
      for (const auto& request : requests) attached.push_back({database_.session(request), {}});
      return attached;
    });
  }
  std::vector<std::shared_ptr<const storage::Session>> at_boots(
      std::span<const storage::AttachRequest> requests) override {
    return database_.call([&] {
      std::vector<std::shared_ptr<const storage::Session>> sessions;
      for (const auto& request : requests) sessions.push_back(database_.session(request));
      return sessions;
    });
  }
  std::vector<storage::RecordResult> append(std::span<const storage::Record> records) override {
    return database_.call([&] {
      std::vector<storage::RecordResult> results;
      for (const auto& record : records) results.push_back(database_.store(record));
      return results;
    });
  }
  bool audit(std::span<const storage::AuditFact>) override {
    return database_.call([] { return true; });
  }

 private:
  Database& database_;
};

std::unique_ptr<storage::RecordWriter> Database::open_writer() { return std::make_unique<Writer>(*this); }

std::shared_ptr<const storage::Session> Database::session(const storage::AttachRequest& request) {
  const auto id = ids_.try_emplace(request.device, static_cast<std::int64_t>(ids_.size()) + 1).first->second;
  auto& session = starts_[{request.device, request.boot}];
  if (!session)
    session = std::make_shared<storage::Session>(storage::Session{id, request.device, request.boot, request.anchor});
  return session;
}

storage::RecordResult Database::store(const storage::Record& record) {
  using storage::RecordResult;
  if (!record.session) return RecordResult::not_attached;
  if (std::holds_alternative<storage::Unusable>(record.body)) {
    quarantine.push_back(record);
    return RecordResult::quarantined;
  }
  const auto& session = *record.session;
  const Row row{session.device, session.boot, record.stream, record.sequence, record.tick_ms, record.body};
  const auto [at, is_new] = rows.try_emplace({row.device, row.boot, row.stream, row.sequence}, row);
  if (is_new) return RecordResult::committed;
  if (at->second.tick_ms == row.tick_ms && same_body(at->second.body, row.body)) {
    ++duplicates;
    return RecordResult::duplicate;
  }
  quarantine.push_back(record);
  return RecordResult::quarantined;
}

bool Database::has_alarm(const std::string& device, std::uint64_t boot, std::uint64_t sequence) const {
  return rows.contains({device, boot, storage::Stream::alarms, sequence});
}

}  // namespace wardlink::simulation
