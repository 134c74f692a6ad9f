#pragma once
// How often one subject may call. gRPC 1.51 lets a peer open and reset streams as fast as it can write
// (CVE-2023-44487), and heeds its own limits on streams and metadata only once the peer has said that it knows them; so
// calls are counted here, for each subject, before anything is done for one.
//
// What holds: of one subject no more than `calls_per_second` calls a second begin (twice as many at once after a
// pause), and none with more than 8 KiB of metadata; the rest end with RESOURCE_EXHAUSTED at once, and neither the
// database nor the audit hears of them. To tell a caller so takes a thread for a moment: who goes on all the same loses
// the connection, before there are so many that no thread is left for others. What holds for our services holds for
// reflection, whose calls are cancelled instead; health passes by: it holds no thread.
//
// This is no grpc::AuthMetadataProcessor, though that would see a call before it has a thread: gRPC 1.51 hands such a
// processor every header as text, and aborts where one is grpclb_client_stats, which has none (CVE-2023-1428).

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "locks/mutex.hpp"

namespace wardlink::storage {

/// Any thread.
class CallGate {
 public:
  /// Closes the connection of a peer, as grpc::ServerContext names it.
  using HangUp = std::function<void(const std::string& peer)>;

  explicit CallGate(std::size_t calls_per_second, HangUp hang_up = {})
      : rate_(static_cast<double>(calls_per_second)), hang_up_(std::move(hang_up)) {}

  /// A call of that subject, from that peer, begins, with so many bytes of metadata. Throws Exhausted.
  void pass(const std::string& subject, const std::string& peer, std::size_t metadata_size);
  /// Calls that it refused.
  std::uint64_t rationed() const { return rationed_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Allowance {
    double calls;    // that may begin
    double refused;  // of late
    Clock::time_point counted;
  };
  enum class Verdict { pass, refuse, hang_up };
  Verdict take_one(const std::string& subject, Clock::time_point now);

  const double rate_;
  const HangUp hang_up_;
  std::atomic<std::uint64_t> rationed_ = 0;
  locks::Mutex mutex_;
  std::unordered_map<std::string, Allowance> allowances_ GUARDED_BY(mutex_);
};

}  // namespace wardlink::storage
