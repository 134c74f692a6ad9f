#include "storage/memory/memory_store.hpp"

#include "storage/memory/tables.hpp"
#include "storage/memory/writer.hpp"

namespace wardlink::storage {

MemoryStore::MemoryStore(Config config) : tables_(std::make_unique<memory::Tables>()), epoch_(config.new_id()) {
  tables_->now = std::move(config.now);
  tables_->new_id = std::move(config.new_id);
}

MemoryStore::~MemoryStore() = default;

std::unique_ptr<RecordWriter> MemoryStore::open_writer() { return std::make_unique<memory::Writer>(*tables_, bell_); }

std::vector<AuditFact> MemoryStore::audited() const {
  const std::lock_guard lock(tables_->mutex);
  return tables_->audit;
}

}  // namespace wardlink::storage
