#include "client/connection.hpp"

#include <fstream>
#include <sstream>

#include "client/exit_code.hpp"

namespace wardlink::command_line {
namespace {

constexpr int largest_response = 64 * 1024 * 1024;

std::string read_pem(const std::string& path, const char* what, const char* option, const char* variable) {
  if (path.empty()) {
    throw Failure{exit_usage,
                  std::string("No ") + what + " is named: give " + option + " FILE or set " + variable + "."};
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    throw Failure{exit_file, "The " + std::string(what) + " " + path + " cannot be read: see " + option + "."};
  }
  if (text.str().find("-----BEGIN ") == std::string::npos) {
    throw Failure{exit_file, "The " + std::string(what) + " " + path + " is not a PEM file: see " + option + "."};
  }
  return text.str();
}

bool mentions(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// gRPC has one code for "nobody there" and "TLS failed"; its text tells them apart.
std::string away_sentence(const std::string& server, const std::string& detail) {
  if (mentions(detail, "Name or service not known") || mentions(detail, "DNS resolution failed")) {
    return "The name in " + server + " is not known to this machine's resolver: check --server HOST:PORT.";
  }
  if (mentions(detail, "Connection refused") || mentions(detail, "No route to host") ||
      mentions(detail, "Network is unreachable")) {
    return "Nobody answers at " + server + ": is wardlink-storage running there? (--server HOST:PORT names another.)";
  }
  if (mentions(detail, "andshake") || mentions(detail, "CERTIFICATE") || mentions(detail, "SSL_ERROR") ||
      mentions(detail, "verification failed") || mentions(detail, "Socket closed") ||
      mentions(detail, "Connection reset") || mentions(detail, "Broken pipe")) {
    return "A server is at " + server +
           ", but TLS with it fails: --ca must be the authority of its certificate, which must name this host, and the "
           "server must trust the authority of --cert (" +
           detail + ").";
  }
  return "The server at " + server + " is away: try again in a moment (" + detail + ").";
}

}  // namespace

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)),
      timeout_(std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::duration<double>(options_.timeout_seconds))) {
  grpc::SslCredentialsOptions tls;
  tls.pem_cert_chain = read_pem(options_.certificate_file, "client certificate", "--cert", "WARDLINK_CERT");
  tls.pem_private_key = read_pem(options_.key_file, "client's private key", "--key", "WARDLINK_KEY");
  tls.pem_root_certs = read_pem(options_.authority_file, "certificate authority", "--ca", "WARDLINK_CA");
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(largest_response);
  // A proxy of the web's has no business between a clinician and the vitals.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  channel_ = grpc::CreateCustomChannel(options_.server, grpc::SslCredentials(tls), arguments);
}

void Connection::fail(const grpc::Status& status) const {
  const std::string& detail = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      throw Failure{exit_away, away_sentence(options_.server, detail)};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      throw Failure{exit_away, "The server at " + options_.server +
                                   " did not answer in time: try again, or allow more with --timeout SECONDS."};
    case grpc::StatusCode::NOT_FOUND:
      throw Failure{exit_nothing, "Not found: " + detail + "."};
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      throw Failure{exit_refused, "The server does not allow this with the certificate " + options_.certificate_file +
                                      ": " + detail + ". An administrator grants roles to its subject."};
    case grpc::StatusCode::UNIMPLEMENTED:
      throw Failure{exit_refused,
                    "The server at " + options_.server + " does not know this call: it is of another version."};
    default:
      throw Failure{exit_refused, "The server refuses: " + detail + "."};
  }
}

}  // namespace wardlink::command_line
