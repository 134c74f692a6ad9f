#include "wardlink/client/connection.hpp"

#include <algorithm>
#include <initializer_list>

namespace wardlink::client {
namespace {

constexpr int largest_response = 64 * 1024 * 1024;
constexpr int first_pause_ms = 100, longest_pause_ms = 5'000;  // between attempts to connect
constexpr int ping_ms = 20'000, dead_ms = 10'000;              // the server allows a ping every 5 s

bool has_any_of(const std::string& text, std::initializer_list<const char*> parts) {
  return std::ranges::any_of(parts, [&](const char* part) { return text.find(part) != std::string::npos; });
}

/// UNAVAILABLE; gRPC's text tells the cases apart.
Cause cause_of_absence(const std::string& detail) {
  if (has_any_of(detail, {"Name or service not known", "DNS resolution failed"})) return Cause::unknown_name;
  if (has_any_of(detail, {"Connection refused", "No route to host", "Network is unreachable"})) {
    return Cause::unreachable;
  }
  if (has_any_of(detail, {"andshake", "CERTIFICATE", "SSL_ERROR", "verification failed"})) return Cause::tls;
  // A server that does not trust one's certificate closes the connection before it stands, and says no more. A
  // connection that stood is lost with its server.
  const bool stood = !has_any_of(detail, {"failed to connect"});
  if (!stood && has_any_of(detail, {"Socket closed", "Connection reset", "Broken pipe"})) return Cause::tls;
  return Cause::away;
}

Cause cause_of(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return cause_of_absence(status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Cause::late;
    case grpc::StatusCode::OK:  // a stream that has no end
      return Cause::contract;
    default:
      return Cause::refused;
  }
}

std::string sentence_of(Cause cause, const std::string& server, const std::string& detail) {
  switch (cause) {
    case Cause::unknown_name:
      return "The name in " + server + " is not known to this machine's resolver.";
    case Cause::unreachable:
      return "Nobody answers at " + server + ".";
    case Cause::tls:
      return "A server is at " + server + ", but TLS with it fails (" + detail + ").";
    case Cause::away:
      return "The server at " + server + " is away (" + detail + ").";
    case Cause::late:
      return "The server at " + server + " did not answer in time.";
    case Cause::contract:
      return "The server at " + server + " ended what has no end.";
    default:
      return "The server at " + server + " refuses: " + detail + ".";
  }
}

}  // namespace

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)), identity_(read_identity()), channel_(open(options_.server, identity_)) {}

std::shared_ptr<grpc::Channel> Connection::channel() const {
  const std::lock_guard lock(mutex_);
  return channel_;
}

void Connection::renew() {
  auto identity = read_identity();
  const std::lock_guard lock(mutex_);
  identity_ = std::move(identity);
  channel_ = open(options_.server, identity_);
}

void Connection::abandon(const std::shared_ptr<grpc::Channel>& channel) {
  const std::lock_guard lock(mutex_);
  if (channel_ == channel) channel_ = open(options_.server, identity_);
}

Error Connection::error_of(const grpc::Status& status) const {
  const auto cause = cause_of(status);
  return {cause, status.error_code(), status.error_message(),
          sentence_of(cause, options_.server, status.error_message())};
}

gpr_timespec Connection::deadline() const {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(options_.timeout.count(), GPR_TIMESPAN));
}

Connection::Identity Connection::read_identity() const {
  return {options_.certificate.read("certificate"), options_.key.read("private key"),
          options_.authority.read("certificate authority")};
}

std::shared_ptr<grpc::Channel> Connection::open(const std::string& server, const Identity& identity) {
  grpc::SslCredentialsOptions tls;
  tls.pem_cert_chain = identity.certificate;
  tls.pem_private_key = identity.key;
  tls.pem_root_certs = identity.authority;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(largest_response);
  // A proxy of the web's has no business between a clinician and the vitals.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A TCP connection of the channel's own: a new channel is a new connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_pause_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, longest_pause_ms);
  // These also set TCP_USER_TIMEOUT.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ping_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, dead_ms);
  return grpc::CreateCustomChannel(server, grpc::SslCredentials(tls), arguments);
}

}  // namespace wardlink::client
