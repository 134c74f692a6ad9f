#include "storage/api/ingest_api.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <thread>
#include <unordered_map>

#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

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
      case v1::IngestRequest::kAttachAll:
        *response.mutable_attach_all_result() = attach_all(request.attach_all());
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
    const v1::Attach* const one = &request;
    attach({&one, 1}, {&result, 1});
    return result;
  }

  v1::AttachAllResult attach_all(const v1::AttachAll& request) {
    const auto& attaches = request.attaches();
    std::vector<v1::AttachResult> results(static_cast<std::size_t>(attaches.size()));
    attach({attaches.data(), results.size()}, results);
    v1::AttachAllResult all;
    for (auto& result : results) *all.add_results() = std::move(result);
    return all;
  }

  void attach(std::span<const v1::Attach* const> attaches, std::span<v1::AttachResult> results) {
    std::vector<AttachRequest> requests;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < attaches.size(); ++i) {
      results[i].set_session(attaches[i]->session());
      const auto anchor = to_instant(attaches[i]->anchor());
      if (const char* why = refusal(*attaches[i], anchor)) {
        refuse(results[i], why);
        continue;
      }
      requests.push_back({attaches[i]->device(), attaches[i]->boot(), *anchor});
      places.push_back(i);
    }
    if (requests.empty()) return;
    const auto attached = persist([&] { return writer_->attach(requests); });
    for (std::size_t i = 0; i < attached.size(); ++i) answer(attached[i], results[places[i]]);
  }

  static void refuse(v1::AttachResult& result, const char* why) {
    spdlog::warn(fmt::format("a session was not attached: {}", why));
    result.set_refusal(why);
  }

  void answer(const Attached& attached, v1::AttachResult& result) {
    if (!attached.session) return refuse(result, "the database refuses it");
    sessions_[result.session()] = attached.session;
    *result.mutable_anchor() = to_stamp(attached.session->anchor);
    for (const auto& [stream, sequence] : attached.watermarks) {
      auto& watermark = *result.add_watermarks();
      watermark.set_stream(static_cast<v1::Stream>(stream));
      watermark.set_sequence(sequence);
    }
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
    }
    put_under_their_boots(request, records);
    v1::AppendResult result;
    result.set_batch(request.batch());
    const auto made = persist([&] { return writer_->append(records); });
    tallies_.batch(records, made, std::chrono::steady_clock::now() - began);
    for (const auto each : made) result.add_results(static_cast<v1::RecordResult>(each));
    return result;
  }

  /// Records that outlived their device's reboot are stored under the starts that made them. Where several tell of one
  /// start, the first of them dates it.
  void put_under_their_boots(const v1::Append& request, std::vector<Record>& records) {
    std::vector<AttachRequest> starts;
    std::map<std::pair<std::int64_t, std::uint64_t>, std::size_t> places;
    std::vector<std::pair<std::size_t, std::size_t>> debts;  // record, start
    for (std::size_t i = 0; i < records.size(); ++i) {
      const auto& message = request.records(static_cast<int>(i));
      const auto& session = records[i].session;
      if (!session || message.boot() == 0 || message.boot() == session->boot) continue;
      const auto anchor = anchor_of_own_boot(message, records[i]);
      if (!anchor) {
        records[i].body = as_it_came(message, "unusable_boot");
        continue;
      }
      const auto [at, is_new] = places.try_emplace({session->device_id, message.boot()}, starts.size());
      if (is_new) starts.push_back({session->device, message.boot(), *anchor});
      debts.emplace_back(i, at->second);
    }
    if (starts.empty()) return;
    const auto sessions = persist([&] { return writer_->at_boots(starts); });
    for (const auto& [record, start] : debts) {
      if (sessions[start])
        records[record].session = sessions[start];
      else
        records[record].body = as_it_came(request.records(static_cast<int>(record)), "unusable_boot");
    }
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
