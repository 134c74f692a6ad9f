#pragma once
// Calls that last. A grant is asked for when a call begins, and again every few seconds for as long as the call stands:
// once it is gone the call ends with PERMISSION_DENIED, also while it is blocked in Read or Write, and the audit says
// so. The same holds of the caller's certificate: once it has expired the call ends with UNAUTHENTICATED.
//
// A call that streams takes one line in place of Guard::admit(), and keeps what it gets until it returns:
//
//   const auto standing = guard_.admit_lasting(*context, "VitalsService.Watch", roles::readers, {request->parent()});
//
// standing->scope() is what the caller may see. standing->confirm(), before each message is handled or written, throws
// Refused where the grant has gone meanwhile. While the database is away the last answer stands.

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include "locks/mutex.hpp"
#include "storage/access/calls_in_progress.hpp"
#include "storage/port/record_store.hpp"

namespace wardlink::storage {

class StandingCalls;

/// One call that stands. Belongs to the thread that serves the call; made by Guard.
class Standing {
 public:
  /// How the call must end; OK = it goes on. Asked on a thread of its own. Throws StoreError when nobody can tell.
  using Ask = std::function<grpc::Status()>;

  /// `call`: its place among those in progress; streams from ingest need none.
  Standing(StandingCalls& calls, grpc::ServerContext& context, Scope scope, Ask ask,
           std::optional<CallsInProgress::Call> call);
  ~Standing();
  Standing(const Standing&) = delete;
  Standing& operator=(const Standing&) = delete;

  const Scope& scope() const { return scope_; }
  /// Throws Refused once the grant is gone, or the certificate has expired.
  void confirm() const;

 private:
  friend class StandingCalls;
  void withdraw(const grpc::Status& status);

  StandingCalls& calls_;
  grpc::ServerContext& context_;
  const Scope scope_;
  const std::optional<CallsInProgress::Call> call_;
  const std::shared_ptr<const Ask> ask_;
  grpc::Status status_;  // written once, before `withdrawn_`
  std::atomic<bool> withdrawn_ = false;
  const std::uint64_t name_;  // last: from here on its questions are asked
};

/// All of them, and the thread that asks. Outlives every call.
class StandingCalls {
 public:
  /// `period` from one round of questions to the next: the longest time that a grant outlives its end, but for the time
  /// that the questions take.
  explicit StandingCalls(std::chrono::milliseconds period);
  ~StandingCalls();

 private:
  friend class Standing;
  /// Returns its name here.
  std::uint64_t add(Standing& call) EXCLUDES(mutex_);
  void remove(std::uint64_t name) EXCLUDES(mutex_);
  void run();
  void ask_all() EXCLUDES(mutex_);

  const std::chrono::milliseconds period_;
  locks::Mutex mutex_;
  locks::Condition stop_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::unordered_map<std::uint64_t, Standing*> calls_ GUARDED_BY(mutex_);
  std::uint64_t last_name_ GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace wardlink::storage
