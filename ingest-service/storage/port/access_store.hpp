#pragma once
// The seam to grants and the audit. Any thread. Throws StoreError.

#include <string>
#include <vector>

#include "storage/port/record_store.hpp"

namespace wardlink::storage {

struct Grant {
  std::string subject;  // SAN URI of a certificate
  std::string role;     // ingest, viewer, clinician, admin
  std::string ward;     // empty = everywhere
  bool operator==(const Grant&) const = default;
};

class AccessStore {
 public:
  virtual ~AccessStore() = default;

  /// Makes those that are missing, each with an audit row in the same transaction.
  virtual void ensure_grants(const std::vector<Grant>& grants) = 0;
  virtual std::vector<Grant> grants_of(const std::string& subject) = 0;
  /// The ward of a patient, or of who wears a device now; empty = none, or unknown.
  virtual std::string ward_of(const Subject& subject) = 0;
  /// Durable on return.
  virtual void audit(const AuditFact& fact) = 0;
};

}  // namespace wardlink::storage
