#pragma once
// A store in memory: gone with the object. The same calls make the same rows: it has no clock and no chance of its own.

#include <functional>
#include <memory>

#include "storage/memory/stored_rows.hpp"

namespace wardlink::storage {

namespace memory {
struct Tables;
}

/// Any thread. Bounded by memory only. Throws StoreError as the ports say, but never `away`.
class MemoryStore final {
 public:
  struct Config {
    std::function<Instant()> now;  // called under a lock
  };

  explicit MemoryStore(Config config);
  ~MemoryStore();

  /// All rows, as of now.
  StoredRows rows() const;
  /// All that was audited, oldest first.
  std::vector<AuditFact> audited() const;

  std::unique_ptr<RecordWriter> open_writer();

 private:
  const std::unique_ptr<memory::Tables> tables_;
};

}  // namespace wardlink::storage
