#include "storage/ingest_api.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <unordered_map>

#include "storage/instants.hpp"
#include "storage/names.hpp"
#include "storage/status.hpp"
#include "storage/wire_records.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

struct Cancelled : std::exception {};

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class IngestStream {
 public:
  IngestStream(grpc::ServerContext& context, std::unique_ptr<RecordWriter> writer, Tallies& tallies, WaitLog& wait_log)
      : context_(context), writer_(std::move(writer)), tallies_(tallies), wait_log_(wait_log) {}

  /// The answer, where one is owed.
  std::optional<v1::IngestResponse> handle(const v1::IngestRequest& request) {
    v1::IngestResponse response;
    switch (request.kind_case()) {
      case v1::IngestRequest::kAttach:
        *response.mutable_attach_result() = attach(request.attach());
        return response;
      case v1::IngestRequest::kAppend:
        *response.mutable_append_result() = append(request.append());
        return response;
      case v1::IngestRequest::kDetach:
        sessions_.erase(request.detach().session());
        return std::nullopt;
      case v1::IngestRequest::kAudit:
        audit(request.audit());
        return std::nullopt;
      case v1::IngestRequest::KIND_NOT_SET:
        break;  // of a newer ingest; it cannot count on an answer
    }
    return std::nullopt;
  }

 private:
  v1::AttachResult attach(const v1::Attach& request) {
    v1::AttachResult result;
    result.set_session(request.session());
    const auto anchor = to_instant(request.anchor());
    if (const char* why = refusal(request, anchor)) {
      spdlog::warn(fmt::format("a session was not attached: {}", why));
      result.set_refusal(why);
      return result;
    }
    const auto attached = persist([&] { return writer_->attach({request.device(), request.boot(), *anchor}); });
    sessions_[request.session()] = attached.session;
    *result.mutable_anchor() = to_stamp(attached.session->anchor);
    for (const auto& [stream, sequence] : attached.watermarks) {
      auto& watermark = *result.add_watermarks();
      watermark.set_stream(static_cast<v1::Stream>(stream));
      watermark.set_sequence(sequence);
    }
    return result;
  }

  static const char* refusal(const v1::Attach& request, const std::optional<Instant>& anchor) {
    if (!is_urn(request.device())) return "device: must be a URN of at most 63 characters";
    if (request.boot() >= (1ULL << 53)) return "boot: must be below 2^53";
    // A thousand years of ticks later PostgreSQL's calendar must still hold.
    if (!request.has_anchor() || !anchor) return "anchor: is missing or outside of the years 1 to 9999";
    return nullptr;
  }

  v1::AppendResult append(const v1::Append& request) {
    const auto received = now();
    const auto began = std::chrono::steady_clock::now();
    std::vector<Record> records;
    records.reserve(static_cast<std::size_t>(request.records_size()));
    for (const auto& message : request.records()) {
      const auto session = sessions_.find(message.session());
      records.push_back(record_of(message, session == sessions_.end() ? nullptr : session->second, received));
      if (records.back().session) put_under_its_boot(message, records.back());
    }
    v1::AppendResult result;
    result.set_batch(request.batch());
    const auto made = persist([&] { return writer_->append(records); });
    tallies_.batch(records, made, std::chrono::steady_clock::now() - began);
    for (const auto each : made) result.add_results(static_cast<v1::RecordResult>(each));
    return result;
  }

  /// A record that outlived its device's reboot is stored under the start that made it.
  void put_under_its_boot(const v1::Record& message, Record& record) {
    if (message.boot() == 0 || message.boot() == record.session->boot) return;
    const auto anchor = anchor_of_own_boot(message, record);
    if (!anchor) {
      record.body = as_it_came(message, "unusable_boot");
      return;
    }
    record.session = persist([&] { return writer_->at_boot(*record.session, message.boot(), *anchor); });
  }

  void audit(const v1::Audit& request) {
    std::vector<AuditFact> facts;
    facts.reserve(static_cast<std::size_t>(request.entries_size()));
    for (const auto& entry : request.entries()) {
      facts.push_back({.subject = entry.subject().empty() ? "unknown" : entry.subject(),
                       .method = "ingest." + entry.action(),
                       .granted = entry.granted(),
                       .resources = {},
                       .reason = entry.reason(),
                       .address = entry.address(),
                       .count = std::max<std::uint64_t>(1, entry.count())});
    }
    persist([&] { return writer_->audit(facts); });
  }

  /// Until it is done. The database's absence is ours to wait for; ingest holds its devices' ACKs meanwhile.
  template <typename Work>
  std::invoke_result_t<Work> persist(Work&& work) {
    for (auto pause = 50ms;; pause = std::min(pause * 2, std::chrono::milliseconds(1000))) {
      if (context_.IsCancelled()) throw Cancelled();
      try {
        auto result = work();
        wait_log_.goes_on();
        return result;
      } catch (const StoreError& error) {
        if (error.kind() != StoreError::Kind::away) throw;
        tallies_.commit_failed();
        wait_log_.waits(error.what());
      }
      wait(pause);
    }
  }

  void wait(std::chrono::milliseconds pause) const {
    const auto until = std::chrono::steady_clock::now() + pause;
    while (std::chrono::steady_clock::now() < until) {
      if (context_.IsCancelled()) throw Cancelled();
      std::this_thread::sleep_for(25ms);
    }
  }

  grpc::ServerContext& context_;
  std::unique_ptr<RecordWriter> writer_;
  Tallies& tallies_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Session>> sessions_;
  WaitLog::Stream wait_log_;
};

/// One of the streams that stand.
class Place {
 public:
  explicit Place(std::atomic<std::size_t>& taken) : taken_(taken), number_(++taken) {}
  ~Place() { --taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  std::size_t number() const { return number_; }

 private:
  std::atomic<std::size_t>& taken_;
  const std::size_t number_;
};

}  // namespace

grpc::Status IngestApi::Ingest(grpc::ServerContext* context,
                               grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) {
  try {
    const Place place(streams_);
    if (place.number() > most_streams_) {
      tallies_.ingest_stream_refused();
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "so many streams from ingest are not allowed at once"};
    }
    const auto standing = guard_.admit_ingest(*context, "IngestService.Ingest");
    // So that the client can tell at once that it is let in.
    stream->SendInitialMetadata();
    const auto counted = tallies_.ingest_stream();
    IngestStream open(*context, store_.open_writer(), tallies_, wait_log_);
    v1::IngestRequest request;
    while (stream->Read(&request)) {
      standing->confirm();
      const auto response = open.handle(request);
      if (response && !stream->Write(*response)) break;
    }
    return grpc::Status::OK;
  } catch (const Cancelled&) {
    return grpc::Status::CANCELLED;
  } catch (const std::exception& error) {
    return status_of(error);
  }
}

}  // namespace wardlink::storage
