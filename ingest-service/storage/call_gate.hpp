#pragma once
// What a call must pass before it takes a thread. gRPC 1.51 lets a peer open and reset streams as fast as it can write
// (CVE-2023-44487), and heeds its own limits on streams and metadata only once the peer has said that it knows them; so
// calls are counted here, for each subject, before one is handed to a thread.
//
// What holds: of one subject no more than `calls_per_second` calls a second begin (twice as many at once after a
// pause), and none with more than 8 KiB of metadata; the rest end with RESOURCE_EXHAUSTED at once, and neither the
// database nor the audit hears of them. A call that was let in and reset may wait for its connection with a thread in
// hand before anybody looks at it: only `calls_at_once` of a subject may be on their way, and one that never arrives
// makes room after a while. One subject cannot take the threads of another.

#include <grpcpp/security/auth_metadata_processor.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace wardlink::storage {

class CallGate final : public grpc::AuthMetadataProcessor {
 public:
  CallGate(std::size_t calls_per_second, std::size_t calls_at_once)
      : rate_(static_cast<double>(calls_per_second)), most_under_way_(static_cast<double>(calls_at_once)) {}

  bool IsBlocking() const override { return false; }
  /// gRPC's threads, one call at a time each.
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* peer, OutputMetadata* consumed,
                       OutputMetadata* response) override;
  /// A call of that subject is being looked at. Any thread.
  void arrived(const std::string& subject);
  /// Calls that it refused. Any thread.
  std::uint64_t rationed() const { return rationed_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Allowance {
    double calls, under_way;
    Clock::time_point counted;
  };
  bool take_one(const std::string& subject, Clock::time_point now);

  const double rate_, most_under_way_;
  std::atomic<std::uint64_t> rationed_ = 0;
  std::mutex mutex_;
  std::unordered_map<std::string, Allowance> allowances_;
};

}  // namespace wardlink::storage
