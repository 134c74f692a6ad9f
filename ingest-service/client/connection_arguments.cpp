#include "client/connection_arguments.hpp"

namespace wardlink::command_line {
namespace {

client::Pem pem_of(const std::string& path, const char* what, const char* option, const char* variable) {
  if (path.empty()) {
    throw Failure{exit_usage,
                  std::string("No ") + what + " is named: give " + option + " FILE or set " + variable + "."};
  }
  auto pem = client::Pem::file(path);
  try {
    pem.read(what);
  } catch (const client::Error& error) {
    const auto* wrong = error.cause() == client::Cause::unreadable ? " cannot be read" : " is not a PEM file";
    throw Failure{exit_file, std::string("The ") + what + " " + path + wrong + ": see " + option + "."};
  }
  return pem;
}

Failure refusal_of(const client::Error& error, const ConnectionArguments& arguments) {
  switch (error.code()) {
    case grpc::StatusCode::NOT_FOUND:
      return {exit_nothing, "Not found: " + error.detail() + "."};
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return {exit_refused, "The server does not allow this with the certificate " + arguments.certificate_file + ": " +
                                error.detail() + ". An administrator grants roles to its subject."};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {exit_refused,
              "The server at " + arguments.server + " does not know this call: it is of another version."};
    default:
      return {exit_refused, "The server refuses: " + error.detail() + "."};
  }
}

}  // namespace

client::ConnectionOptions to_options(const ConnectionArguments& arguments) {
  client::ConnectionOptions options;
  options.server = arguments.server;
  options.certificate = pem_of(arguments.certificate_file, "client certificate", "--cert", "WARDLINK_CERT");
  options.key = pem_of(arguments.key_file, "client's private key", "--key", "WARDLINK_KEY");
  options.authority = pem_of(arguments.authority_file, "certificate authority", "--ca", "WARDLINK_CA");
  options.timeout =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::duration<double>(arguments.timeout_seconds));
  return options;
}

Failure failure_of(const client::Error& error, const ConnectionArguments& arguments) {
  const auto& server = arguments.server;
  switch (error.cause()) {
    case client::Cause::unknown_name:
      return {exit_away,
              "The name in " + server + " is not known to this machine's resolver: check --server HOST:PORT."};
    case client::Cause::unreachable:
      return {exit_away, "Nobody answers at " + server +
                             ": is wardlink-storage running there? (--server HOST:PORT names another.)"};
    case client::Cause::tls:
      return {exit_away, "A server is at " + server +
                             ", but TLS with it fails: --ca must be the authority of its certificate, which must name "
                             "this host, and the server must trust the authority of --cert (" +
                             error.detail() + ")."};
    case client::Cause::away:
      return {exit_away, "The server at " + server + " is away: try again in a moment (" + error.detail() + ")."};
    case client::Cause::late:
      return {exit_away,
              "The server at " + server + " did not answer in time: try again, or allow more with --timeout SECONDS."};
    case client::Cause::refused:
      return refusal_of(error, arguments);
    default:
      return {exit_refused, error.what()};
  }
}

}  // namespace wardlink::command_line
