#pragma once
// Who may call what. A certificate proves the subject; grants decide; every call leaves an audit row, granted or
// refused, and is not answered when that row cannot be written. Ingest alone goes on without: alarms are never held up
// by it.

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/access/call_gate.hpp"
#include "storage/access/calls_in_progress.hpp"
#include "storage/access/standing.hpp"
#include "storage/port/access_store.hpp"

namespace wardlink::storage {

namespace roles {
inline constexpr std::string_view readers[] = {"viewer", "clinician", "admin"};
inline constexpr std::string_view carers[] = {"clinician", "admin"};
inline constexpr std::string_view admins[] = {"admin"};
inline constexpr std::string_view ingest[] = {"ingest"};
}  // namespace roles

/// Now, by this process's calendar.
using Calendar = std::function<std::chrono::system_clock::time_point()>;

using Roles = std::span<const std::string_view>;

/// The name urn:wardlink:… that the peer's certificate proves (names/urn.hpp); empty where it proves none.
std::string subject_of(const grpc::AuthContext& peer);
std::string subject_of(const grpc::ServerContext& context);

/// A call that was let in: what it may see, and its place among those in progress. Kept until the call returns.
struct [[nodiscard]] Admission {
  CallsInProgress::Call call;
  Scope scope;
  operator const Scope&() const { return scope; }
};

/// Any thread.
class Guard {
 public:
  /// Of all subjects, streams too, but for those from ingest.
  static constexpr std::size_t most_calls = 256;

  /// `recheck`: how often the grants of calls that stand are asked for again. `calls_at_once`: of one subject. `gate`,
  /// if any, is passed by each call. `calendar` says whether a certificate has expired.
  explicit Guard(AccessStore& store, std::chrono::milliseconds recheck = std::chrono::seconds(3),
                 std::size_t calls_at_once = 64, std::shared_ptr<CallGate> gate = {},
                 Calendar calendar = std::chrono::system_clock::now)
      : store_(store),
        gate_(std::move(gate)),
        calendar_(std::move(calendar)),
        in_progress_(calls_at_once, most_calls),
        standing_(recheck) {}

  /// `resources` are the names that the request asks for, as it gives them: a subject whose grants name wards is
  /// refused those of other wards. Throws Exhausted, Refused, StoreError.
  Admission admit(const grpc::ServerContext& context, std::string_view method, Roles wanted,
                  const std::vector<std::string>& resources);

  /// The same for a call that streams: it is admitted for as long as the grants that let it in are unchanged (see
  /// standing.hpp). `wanted` is one of the lists of `roles`, which outlive every call.
  std::unique_ptr<Standing> admit_lasting(grpc::ServerContext& context, std::string_view method, Roles wanted,
                                          const std::vector<std::string>& resources);

  /// For a call of a service that gRPC brings along: it passes the gate, and has a place among those in progress until
  /// that is gone. Throws Exhausted.
  CallsInProgress::Call admit_foreign(const grpc::ServerContextBase& context);

  /// For a call that nobody may make at this port: it passes the gate, is audited, and is refused. Throws Exhausted,
  /// Refused.
  [[noreturn]] void turn_away(const grpc::ServerContext& context, std::string_view method, const grpc::Status& why);

  /// For the stream from ingest. Only the grant decides, now and as long as the stream stands.
  std::unique_ptr<Standing> admit_ingest(grpc::ServerContext& context, std::string_view method);

  /// Calls that it did not admit.
  std::uint64_t refused() const { return refused_; }
  std::uint64_t crowded_out() const { return in_progress_.refused(); }

 private:
  struct Caller {
    std::string subject;
    std::chrono::system_clock::time_point certificate_end;
  };
  Caller caller_of(const grpc::ServerContext& context) const;
  void pass_gate(const grpc::ServerContextBase& context, const std::string& subject);
  std::unique_ptr<Standing> stand(grpc::ServerContext& context, std::string_view method, Roles wanted,
                                  const std::vector<std::string>& resources, Scope scope,
                                  std::optional<CallsInProgress::Call> call);
  [[noreturn]] void refuse(const grpc::Status& status);
  /// OK where the caller is let in; else with the reason.
  grpc::Status judge(const Caller& caller, Roles wanted, const std::vector<std::string>& resources, Scope& scope);
  std::string reason_to_refuse(const std::string& subject, Roles wanted, const std::vector<std::string>& resources,
                               Scope& scope);
  std::string ward_of(const std::string& resource, bool& concerns_ward);
  void audit_if_possible(const AuditFact& fact);

  AccessStore& store_;
  const std::shared_ptr<CallGate> gate_;
  const Calendar calendar_;
  std::atomic<std::uint64_t> refused_ = 0;
  CallsInProgress in_progress_;
  StandingCalls standing_;
};

}  // namespace wardlink::storage
