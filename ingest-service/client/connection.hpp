#pragma once
// The way to the server: mutual TLS, a deadline on every call, and plain sentences for what goes wrong.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

namespace wardlink::command_line {

/// Where the server is and who we are. Files are PEM.
struct ConnectionOptions {
  std::string server = "localhost:50051";  // HOST:PORT; the host must be in the server's certificate
  std::string certificate_file;
  std::string key_file;
  std::string authority_file;
  double timeout_seconds = 10;  // for each call, above 0
};

/// Throws Failure (exit_file) when a file is missing or unreadable. Connects at the first call. One thread.
class Connection {
 public:
  explicit Connection(ConnectionOptions options);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  /// Where it leads, as the user named it.
  const std::string& server() const { return options_.server; }

  /// Calls `method` of `stub` and returns the response; throws Failure for any status but OK.
  template <class Stub, class Request, class Response>
  Response call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) fail(status);
    return response;
  }

  /// The same for a call that answers with a stream: `take(response)` for each. The deadline is the whole call's.
  template <class Stub, class Request, class Response, class Take>
  void stream(Stub& stub,
              std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*, const Request&),
              const Request& request, Take take) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    const auto reader = (stub.*method)(&context, request);
    for (Response response; reader->Read(&response);) take(response);
    const grpc::Status status = reader->Finish();
    if (!status.ok()) fail(status);
  }

  /// Throws the Failure that a status other than OK means.
  [[noreturn]] void fail(const grpc::Status& status) const;

 private:
  ConnectionOptions options_;
  std::chrono::microseconds timeout_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace wardlink::command_line
