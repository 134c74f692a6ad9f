#include "storage/api/ingest_api.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "storage/api/boot_clock.hpp"
#include "storage/api/ingest_conversation.hpp"
#include "storage/port/store_error.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

struct Cancelled : std::exception {};

/// One stream's conversation, and the waiting for the database that it needs.
class IngestStream {
 public:
  IngestStream(grpc::ServerContext& context, std::unique_ptr<RecordWriter> writer, CalendarWatch& calendar,
               Tallies& tallies, WaitLog& wait_log)
      : context_(context),
        tallies_(tallies),
        wait_log_(wait_log),
        conversation_(std::move(writer), boot_time, calendar, [this](auto records, auto results) {
          tallies_.batch(records, results, std::chrono::steady_clock::now() - began_);
        }) {}

  /// The answer, where one is owed. Until it is durable: the database's absence is ours to wait for; ingest holds its
  /// devices' ACKs meanwhile.
  std::optional<v1::IngestResponse> handle(const v1::IngestRequest& request) {
    const auto received = boot_time();
    began_ = std::chrono::steady_clock::now();
    for (auto pause = 50ms;; pause = std::min(pause * 2, std::chrono::milliseconds(1000))) {
      if (context_.IsCancelled()) throw Cancelled();
      try {
        auto response = conversation_.handle(request, received);
        wait_log_.goes_on();
        return response;
      } catch (const StoreError& error) {
        if (error.kind() != StoreError::Kind::away) throw;
        tallies_.commit_failed();
        wait_log_.waits(error.what());
      }
      wait(pause);
    }
  }

 private:
  void wait(std::chrono::milliseconds pause) const {
    const auto until = std::chrono::steady_clock::now() + pause;
    while (std::chrono::steady_clock::now() < until) {
      if (context_.IsCancelled()) throw Cancelled();
      std::this_thread::sleep_for(25ms);
    }
  }

  grpc::ServerContext& context_;
  Tallies& tallies_;
  WaitLog::Stream wait_log_;
  std::chrono::steady_clock::time_point began_;  // with the request that is handled
  IngestConversation conversation_;
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
    IngestStream open(*context, store_.open_writer(), calendar_, tallies_, wait_log_);
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
