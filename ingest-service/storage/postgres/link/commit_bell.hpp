#pragma once
// Rung after each COMMIT. Within the process it costs one write to a descriptor; the listener passes it on to the other
// processes of the database by NOTIFY, once for all that rang meanwhile: a NOTIFY within the commits themselves would
// make them wait for one another.

#include "storage/port/live_store.hpp"
#include "storage/postgres/link/connection.hpp"

namespace wardlink::storage::postgres {

/// Any thread.
class CommitBell {
 public:
  CommitBell();
  ~CommitBell();
  CommitBell(const CommitBell&) = delete;
  CommitBell& operator=(const CommitBell&) = delete;

  void ring() const;
  /// True when it rang since the last call.
  bool rang() const;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Throws StoreError away when the connection is lost.
class BellListener final : public CommitListener {
 public:
  BellListener(const Database& database, const CommitBell& bell);
  ~BellListener() override;
  void wait(std::chrono::milliseconds limit) override;

 private:
  struct Receiver;
  const CommitBell& bell_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Receiver> receiver_;
};

}  // namespace wardlink::storage::postgres
