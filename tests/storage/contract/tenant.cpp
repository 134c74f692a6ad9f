#include "contract/tenant.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "cluster.hpp"
#include "contract/postgres_rows.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/scripted_store.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage::test {
namespace {

class InPostgres final : public Tenant {
 public:
  RecordStore& records() override { return store_; }
  RegistryStore& registry() override { return store_; }
  AccessStore& access() override { return store_; }
  LiveStore& live() override { return store_; }
  StoredRows rows() override { return postgres_rows(database_.connection()); }
  std::vector<AuditFact> audited() override { return postgres_audit(database_.connection()); }
  void stop_calendar(Instant at) override {
    if (!stopped_) database_.ask(virtual_calendar);
    stopped_ = true;
    database_.ask("UPDATE virtual_calendar SET at = instant(" + std::to_string(at.time_since_epoch().count()) + ")");
  }

 private:
  ScratchDatabase database_;
  bool stopped_ = false;
  PostgresStore store_{{.connection = database_.connection()}};
};

class InMemory : public Tenant {
 public:
  RecordStore& records() override { return store_; }
  RegistryStore& registry() override { return store_; }
  AccessStore& access() override { return store_; }
  LiveStore& live() override { return store_; }
  StoredRows rows() override { return store_.rows(); }
  std::vector<AuditFact> audited() override { return store_.audited(); }
  void stop_calendar(Instant at) override { stopped_at_ = at; }

 private:
  std::optional<Instant> stopped_at_;
  MemoryStore store_{{.now = [this] { return stopped_at_ ? *stopped_at_ : now(); }, .new_id = counted_id}};
};

class Scripted final : public InMemory {
 public:
  RecordStore& records() override { return store_; }

 private:
  ScriptedStore store_{InMemory::records(), {.outcome = [](CommitKind) { return CommitOutcome{}; }, .pass = {}}};
};

}  // namespace

std::unique_ptr<Tenant> make_tenant(const std::string& name) {
  if (name == "postgres") return std::make_unique<InPostgres>();
  if (name == "memory") return std::make_unique<InMemory>();
  if (name == "scripted") return std::make_unique<Scripted>();
  throw std::invalid_argument("no store is called " + name);
}

std::string counted_id() {
  static std::atomic<unsigned> count = 0;
  char id[37];
  std::snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", ++count);
  return id;
}

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

AlarmFact raised(const std::string& code, AlarmPriority priority) {
  return {AlarmEvent::raised, AlarmKind::physiological, priority, code, 1, 140.0, 130.0, 0};
}

AlarmFact ended(const std::string& code, std::uint64_t onset) {
  return {AlarmEvent::ended, AlarmKind::physiological, AlarmPriority::high, code, 1, 120.0, 130.0, onset};
}

Record ContractTest::run(std::uint64_t sequence, std::uint64_t tick_ms, std::size_t samples,
                         std::shared_ptr<const Session> of) const {
  return {of ? of : session, waveform_stream(1), sequence,
          tick_ms,           received,           WaveformRun{100, 1, 0.001, -0.5, std::string(2 * samples, '\1')}};
}

StoreError::Kind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const StoreError& error) {
    return error.kind();
  }
  ADD_FAILURE() << "was not refused";
  return StoreError::Kind::away;
}

}  // namespace wardlink::storage::test
