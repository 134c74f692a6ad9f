#pragma once
// A storage service that does what the test says: a real gRPC server on a port that the kernel picks, mutual TLS
// included.

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "coap/dtls_peers.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"

namespace wardlink::ingest::testing {

class ScriptedStorage final : public v1::IngestService::Service {
 public:
  enum class Mood {
    commit,     // every record is committed
    silent,     // takes everything, answers nothing but stamps
    forgetful,  // NOT_ATTACHED, once a session; then commits
    decline,    // attaches nobody, and says so
    old,        // does not know stamps
    hang_up,    // ends the stream at the first Append or Audit
    refuse,     // lets no stream in, and ends one at the first Append: the grant is gone
  };

  ScriptedStorage() { open(); }
  ~ScriptedStorage() override { close(); }

  void open() {
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    const auto& authority = coap::testing::Authorities::get().services;
    const auto pair = authority.issue(coap::testing::CertificateSpec::server());
    tls.pem_root_certs = authority.certificate_pem();
    tls.pem_key_cert_pairs.push_back({pair.private_key_pem, pair.certificate_pem});
    grpc::ServerBuilder builder;
    int bound = 0;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::SslServerCredentials(tls), &bound);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_) port_ = bound;
  }
  /// Ends every stream, as a killed process would.
  void close() {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }

  std::string address() const { return "localhost:" + std::to_string(port_); }

  void be(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
  }

  struct Log {
    std::vector<std::uint64_t> attached, detached;
    std::vector<std::uint64_t> sequences;  // of records, in the order of their arrival
    std::vector<std::size_t> batches;      // their sizes
    std::vector<std::string> audited;      // reasons
    std::map<v1::Stream, std::set<std::string>> peers;
  };
  /// Waits until the log is as wished; false after 60 s.
  bool wait(const std::function<bool(const Log&)>& wished) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds{60}, [&] { return wished(log_); });
  }
  Log log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    log_ = {};
  }

  grpc::Status Ingest(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) override {
    static const grpc::Status refusal(grpc::StatusCode::PERMISSION_DENIED, "no grant, as the test said");
    if (mood() == Mood::refuse) return refusal;
    stream->SendInitialMetadata();
    v1::IngestRequest request;
    while (stream->Read(&request)) {
      v1::IngestResponse response;
      const Mood mood = note(request, *context);
      const bool matters = request.has_append() || request.has_audit();
      if (mood == Mood::hang_up && matters) return {grpc::StatusCode::UNAVAILABLE, "as the test said"};
      if (mood == Mood::refuse && request.has_append()) return refusal;
      if (answer(request, mood, response)) stream->Write(response);
    }
    return grpc::Status::OK;
  }

 private:
  Mood mood() {
    const std::lock_guard lock(mutex_);
    return mood_;
  }

  Mood note(const v1::IngestRequest& request, const grpc::ServerContext& context) {
    const std::lock_guard lock(mutex_);
    for (const auto& attach : request.attach_all().attaches()) log_.attached.push_back(attach.session());
    if (request.has_detach()) log_.detached.push_back(request.detach().session());
    for (const auto& entry : request.audit().entries()) log_.audited.push_back(entry.reason());
    if (request.has_append()) log_.batches.push_back(static_cast<std::size_t>(request.append().records_size()));
    for (const auto& record : request.append().records()) {
      log_.sequences.push_back(record.sequence());
      log_.peers[record.stream()].insert(context.peer());
    }
    changed_.notify_all();
    return mood_;
  }

  bool answer(const v1::IngestRequest& request, Mood mood, v1::IngestResponse& response) {
    if (mood == Mood::old && request.has_stamp_request()) return false;
    if (request.has_stamp_request()) {
      response.mutable_stamp()->set_number(request.stamp_request().number());
      response.mutable_stamp()->mutable_calendar()->set_seconds(1'764'000'000);
      return true;
    }
    if (mood == Mood::silent) return false;
    for (const auto& attach : request.attach_all().attaches()) {
      auto& result = *response.mutable_attach_all_result()->add_results();
      result.set_session(attach.session());
      if (mood == Mood::decline) result.set_refusal("boot: as the test said");
    }
    if (!request.has_append()) return request.has_attach_all();
    auto& result = *response.mutable_append_result();
    result.set_batch(request.append().batch());
    for (const auto& record : request.append().records()) {
      const bool first = mood == Mood::forgetful && forgotten_.insert(record.session()).second;
      const bool missing = first || mood == Mood::decline;
      result.add_results(missing ? v1::RECORD_RESULT_NOT_ATTACHED : v1::RECORD_RESULT_COMMITTED);
    }
    return true;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Mood mood_ = Mood::commit;
  Log log_;
  std::set<std::uint64_t> forgotten_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace wardlink::ingest::testing
