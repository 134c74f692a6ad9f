#pragma once
// The streams that a batch writes to, with their watermarks.

#include <map>
#include <pqxx/pqxx>
#include <tuple>

#include "storage/port/record.hpp"

namespace wardlink::storage::postgres {

/// In one transaction; the caller begins and commits. Throws what pqxx throws.
class Streams {
 public:
  struct State {
    std::uint64_t high = 0;      // the highest sequence that was stored before
    std::uint64_t new_high = 0;  // of the batch
    Instant received_at;         // of the batch, the newest
  };
  using Key = std::tuple<std::int64_t, std::uint64_t, Stream>;  // device_id, boot
  using Row = std::pair<const Key, State>;

  void add(const Record& record);
  /// Holds other transactions off these streams until COMMIT, so that the watermarks say the truth meanwhile. False
  /// where a transaction with a higher id than this one's wrote to one of them before: live streams go by these ids.
  bool lock(pqxx::work& tx);
  /// A higher sequence of the record's stream is stored already.
  bool is_late(const Record& record) const;
  /// Sets the watermarks. StoreUnfit where this transaction's COMMIT would not wait for the disk.
  void advance(pqxx::work& tx) const;

 private:
  std::map<Key, State> states_;
};

}  // namespace wardlink::storage::postgres
