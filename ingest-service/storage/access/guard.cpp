#include "storage/access/guard.hpp"

#include <grpc/grpc_security_constants.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "names/urn.hpp"
#include "storage/access/certificate_end.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

/// Names only. What is no name may be anything that a caller typed into the wrong field, a patient's name too.
std::vector<std::string> recordable(std::vector<std::string> resources) {
  for (auto& resource : resources) {
    if (resource == "patients/-" || resource == "devices/-" || resource == "wards/") continue;
    try {
      if (resource.starts_with("wards/")) {
        parse_ward("", resource);
      } else if (resource.find("/alarms/") != std::string::npos) {
        parse_alarm("", resource);
      } else if (resource.find("/unattributed/") != std::string::npos) {
        parse_period("", resource);
      } else {
        parse_parent("", resource);
      }
    } catch (const InvalidArgument&) {
      resource = "malformed";
    }
  }
  return resources;
}

}  // namespace

std::string subject_of(const grpc::ServerContext& context) { return subject_of(*context.auth_context()); }

std::string subject_of(const grpc::AuthContext& peer) {
  // peer_uri holds the SANs of type URI only, so a DNS name that looks like one of ours is not taken for it; each with
  // its length, so that a NUL does not end it.
  std::vector<std::string> uris;
  for (const auto& uri : peer.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME))
    uris.emplace_back(uri.data(), uri.size());
  return names::name_among(uris, "urn:wardlink:").value_or("");
}

Admission Guard::admit(const grpc::ServerContext& context, std::string_view method, Roles wanted,
                       const std::vector<std::string>& resources) {
  const auto caller = caller_of(context);
  pass_gate(context, caller.subject);
  auto call = in_progress_.begin(caller.subject);
  Scope scope;
  const auto status = judge(caller, wanted, resources, scope);
  try {
    store_.audit({.subject = caller.subject.empty() ? "unknown" : caller.subject,
                  .method = std::string(method),
                  .granted = status.ok(),
                  .resources = recordable(resources),
                  .reason = status.error_message(),
                  .address = context.peer()});
  } catch (const std::exception& error) {
    throw StoreError(StoreError::Kind::away, std::string("the audit cannot be written: ") + error.what());
  }
  if (!status.ok()) refuse(status);
  return {std::move(call), std::move(scope)};
}

std::unique_ptr<Standing> Guard::admit_lasting(grpc::ServerContext& context, std::string_view method, Roles wanted,
                                               const std::vector<std::string>& resources) {
  auto admission = admit(context, method, wanted, resources);
  return stand(context, method, wanted, resources, std::move(admission.scope), std::move(admission.call));
}

std::unique_ptr<Standing> Guard::admit_ingest(grpc::ServerContext& context, std::string_view method) {
  const auto caller = caller_of(context);
  pass_gate(context, caller.subject);
  Scope scope;
  const auto status = judge(caller, roles::ingest, {}, scope);
  audit_if_possible({.subject = caller.subject.empty() ? "unknown" : caller.subject,
                     .method = std::string(method),
                     .granted = status.ok(),
                     .reason = status.error_message(),
                     .address = context.peer()});
  if (!status.ok()) refuse(status);
  return stand(context, method, roles::ingest, {}, std::move(scope), std::nullopt);
}

std::unique_ptr<Standing> Guard::stand(grpc::ServerContext& context, std::string_view method, Roles wanted,
                                       const std::vector<std::string>& resources, Scope scope,
                                       std::optional<CallsInProgress::Call> call) {
  const auto caller = caller_of(context);
  const AuditFact refusal{.subject = caller.subject,
                          .method = std::string(method),
                          .granted = false,
                          .resources = recordable(resources),
                          .address = context.peer()};
  auto ask = [this, caller, refusal, wanted, resources, scope] {
    Scope now;
    auto status = judge(caller, wanted, resources, now);
    if (status.ok() && now != scope)
      status = {grpc::StatusCode::PERMISSION_DENIED, "the subject's grants have changed: call again"};
    if (status.ok()) return status;
    auto fact = refusal;
    fact.reason = status.error_message();
    audit_if_possible(fact);
    return status;
  };
  return std::make_unique<Standing>(standing_, context, std::move(scope), std::move(ask), std::move(call));
}

CallsInProgress::Call Guard::admit_foreign(const grpc::ServerContextBase& context) {
  const auto subject = subject_of(*context.auth_context());
  pass_gate(context, subject);
  return in_progress_.begin(subject);
}

void Guard::turn_away(const grpc::ServerContext& context, std::string_view method, const grpc::Status& why) {
  const auto subject = subject_of(context);
  pass_gate(context, subject);
  audit_if_possible({.subject = subject.empty() ? "unknown" : subject,
                     .method = std::string(method),
                     .granted = false,
                     .reason = why.error_message(),
                     .address = context.peer()});
  refuse(why);
}

void Guard::pass_gate(const grpc::ServerContextBase& context, const std::string& subject) {
  if (!gate_) return;
  std::size_t size = 0;
  for (const auto& [name, value] : context.client_metadata()) size += name.size() + value.size();
  gate_->pass(subject, context.peer(), size);
}

void Guard::refuse(const grpc::Status& status) {
  ++refused_;
  throw Refused(status.error_message(), status.error_code());
}

Guard::Caller Guard::caller_of(const grpc::ServerContext& context) const {
  return {subject_of(context), end_of_certificate(*context.auth_context())};
}

grpc::Status Guard::judge(const Caller& caller, Roles wanted, const std::vector<std::string>& resources, Scope& scope) {
  if (calendar_() >= caller.certificate_end)
    return {grpc::StatusCode::UNAUTHENTICATED, "the certificate has expired: connect with a new one"};
  const auto reason = reason_to_refuse(caller.subject, wanted, resources, scope);
  return reason.empty() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::PERMISSION_DENIED, reason);
}

/// Where what is decided must not wait for the audit: ingest is let in, or somebody is refused.
void Guard::audit_if_possible(const AuditFact& fact) {
  try {
    store_.audit(fact);
  } catch (const std::exception& error) {
    spdlog::error(fmt::format("the audit of {} cannot be written", fact.method));
  }
}

std::string Guard::reason_to_refuse(const std::string& subject, Roles wanted, const std::vector<std::string>& resources,
                                    Scope& scope) {
  if (subject.empty()) return "the certificate names no subject urn:wardlink:…";
  std::vector<std::string> wards;
  bool everywhere = false, any = false;
  for (const auto& grant : store_.grants_of(subject)) {
    if (std::ranges::find(wanted, std::string_view(grant.role)) == wanted.end()) continue;
    any = true;
    everywhere = everywhere || grant.ward.empty();
    wards.push_back(grant.ward);
  }
  if (!any) return "the subject has no grant for this call";
  if (everywhere) return "";
  for (const auto& resource : resources) {
    bool concerns_ward = false;
    const auto ward = ward_of(resource, concerns_ward);
    if (concerns_ward && std::ranges::find(wards, ward) == wards.end()) {
      return "the subject's grants do not reach the ward";
    }
  }
  std::ranges::sort(wards);
  scope = std::move(wards);
  return "";
}

/// A name that does not parse concerns no ward: the call itself will refuse it.
std::string Guard::ward_of(const std::string& resource, bool& concerns_ward) {
  try {
    if (resource.starts_with("wards/")) {
      concerns_ward = true;
      return resource.substr(6);
    }
    const auto subject = parse_parent("", resource);
    const auto ward = store_.ward_of(subject);
    // A device that nobody of a ward wears may be seen; what was measured on it is filtered by who wore it.
    concerns_ward = subject.kind == Subject::Kind::patient || !ward.empty();
    return ward;
  } catch (const InvalidArgument&) {
    return "";
  }
}

}  // namespace wardlink::storage
