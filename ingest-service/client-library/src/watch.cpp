#include "wardlink/client/watch.hpp"

#include <grpcpp/alarm.h>

#include <atomic>
#include <random>

#include "wardlink/v1/vitals.grpc.pb.h"
#include "watch_machine.hpp"

namespace wardlink::client {
namespace {

using Clock = std::chrono::steady_clock;
using Reader = std::unique_ptr<grpc::ClientAsyncReader<v1::WatchResponse>>;

std::function<double()> chance() {
  return [engine = std::mt19937(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>()(engine);
  };
}

gpr_timespec to_monotonic(Clock::time_point instant) {
  const auto from_now = std::chrono::duration_cast<std::chrono::microseconds>(instant - Clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(from_now.count(), GPR_TIMESPAN));
}

}  // namespace

/// Drives the machine with gRPC. At most one operation is under way; its end comes out of the queue, and so does
/// stop().
class Watch::Impl {
 public:
  Impl(Connection& connection, WatchOptions options)
      : connection_(connection), service_(options.service), machine_(std::move(options), chance()) {}

  ~Impl() {
    if (context_) context_->TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  std::optional<WatchEvent> next() {
    for (;;) {
      if (stopping_) machine_.stop();
      if (auto event = machine_.poll_event()) return event;
      if (machine_.over()) {
        if (machine_.reason()) throw Error(*machine_.reason());
        return {};
      }
      obey(machine_.poll_action(Clock::now()));
      if (reader_ && operation_ == Operation::none) read();
      await();
    }
  }

  void stop() {
    if (!stopping_.exchange(true)) wake_.Set(&queue_, gpr_now(GPR_CLOCK_MONOTONIC), &stopping_);
  }

  const std::string& cursor() const { return machine_.cursor(); }

 private:
  enum class Operation : std::uint8_t { none, start, read, finish };

  void obey(WatchMachine::Action action) {
    switch (action) {
      case WatchMachine::Action::none:
        return;
      case WatchMachine::Action::open:
        return open();
      case WatchMachine::Action::cancel:
        context_->TryCancel();
        if (!stopping_) connection_.abandon(channel_);
        return;
    }
  }

  void open() {
    channel_ = connection_.channel();
    context_ = std::make_unique<grpc::ClientContext>();
    operation_ = Operation::start;
    reader_ = service_ == WatchOptions::Service::vitals
                  ? v1::VitalsService::NewStub(channel_)->AsyncWatch(context_.get(), machine_.request(), &queue_, this)
                  : v1::AlarmService::NewStub(channel_)->AsyncWatch(context_.get(), machine_.request(), &queue_, this);
  }

  void read() {
    operation_ = Operation::read;
    reader_->Read(&response_, this);
    machine_.handle_read(Clock::now());
  }

  void await() {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = machine_.deadline();
    const auto until = deadline ? to_monotonic(*deadline) : gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (queue_.AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::GOT_EVENT && tag == this) complete(ok);
  }

  /// The operation under way has ended; a failed one means that the call has.
  void complete(bool ok) {
    const auto ended = std::exchange(operation_, Operation::none);
    if (ended == Operation::finish) return close();
    if (!ok) {
      operation_ = Operation::finish;
      return reader_->Finish(&status_, this);
    }
    if (ended == Operation::read) machine_.handle_response(std::exchange(response_, {}));
  }

  void close() {
    reader_.reset();
    context_.reset();
    machine_.handle_end(Clock::now(), connection_.error_of(status_), connection_.channel() != channel_);
  }

  Connection& connection_;
  const WatchOptions::Service service_;
  WatchMachine machine_;
  std::atomic<bool> stopping_ = false;

  grpc::CompletionQueue queue_;
  grpc::Alarm wake_;  // brings stop() out of the queue
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::ClientContext> context_;
  Reader reader_;  // a call stands
  Operation operation_ = Operation::none;
  v1::WatchResponse response_;
  grpc::Status status_;
};

Watch::Watch(Connection& connection, WatchOptions options)
    : impl_(std::make_unique<Impl>(connection, std::move(options))) {}
Watch::~Watch() = default;

std::optional<WatchEvent> Watch::next() { return impl_->next(); }
void Watch::stop() { impl_->stop(); }
const std::string& Watch::cursor() const { return impl_->cursor(); }

}  // namespace wardlink::client
