#pragma once
// Who may call what. A certificate proves the subject; grants decide; every call leaves an audit row, granted or
// refused, and is not answered when that row cannot be written. Ingest alone goes on without: alarms are never held up
// by it.

#include <grpcpp/server_context.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/access_store.hpp"

namespace wardlink::storage {

namespace roles {
inline constexpr std::string_view readers[] = {"viewer", "clinician", "admin"};
inline constexpr std::string_view carers[] = {"clinician", "admin"};
inline constexpr std::string_view admins[] = {"admin"};
inline constexpr std::string_view ingest[] = {"ingest"};
}  // namespace roles

using Roles = std::span<const std::string_view>;

/// The one SAN URI of the peer's certificate that begins with urn:wardlink: ; empty where there is none, or more.
std::string subject_of(const grpc::ServerContext& context);

/// Any thread.
class Guard {
 public:
  explicit Guard(AccessStore& store) : store_(store) {}

  /// What the caller may see. `resources` are the names that the request asks for, as it gives them: a subject whose
  /// grants name wards is refused those of other wards. Throws Refused, StoreError.
  Scope admit(const grpc::ServerContext& context, std::string_view method, Roles wanted,
              const std::vector<std::string>& resources);

  /// For the stream from ingest. Only the grant decides.
  void admit_ingest(const grpc::ServerContext& context, std::string_view method);

 private:
  std::string reason_to_refuse(const std::string& subject, Roles wanted, const std::vector<std::string>& resources,
                               Scope& scope);
  std::string ward_of(const std::string& resource, bool& concerns_ward);

  AccessStore& store_;
};

}  // namespace wardlink::storage
