#pragma once
// What a call must pass before it takes a thread. gRPC 1.51 lets a peer open and reset streams as fast as it can write
// (CVE-2023-44487), and heeds its own limits on streams and metadata only once the peer has said that it knows them; so
// calls are counted here, for each subject, before one is handed to a thread.
//
// What holds: of one subject no more than `calls_per_second` calls a second begin (twice as many at once after a
// pause), and none with more than 8 KiB of metadata; the rest end with RESOURCE_EXHAUSTED at once, and neither the
// database nor the audit hears of them. One subject cannot take the threads of another.

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
  explicit CallGate(std::size_t calls_per_second) : rate_(static_cast<double>(calls_per_second)) {}

  bool IsBlocking() const override { return false; }
  /// gRPC's threads, one call at a time each.
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* peer, OutputMetadata* consumed,
                       OutputMetadata* response) override;
  /// Calls that it refused. Any thread.
  std::uint64_t rationed() const { return rationed_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Allowance {
    double calls;
    Clock::time_point counted;
  };
  bool take_one(const std::string& subject, Clock::time_point now);

  const double rate_;
  std::atomic<std::uint64_t> rationed_ = 0;
  std::mutex mutex_;
  std::unordered_map<std::string, Allowance> allowances_;
};

}  // namespace wardlink::storage
