// The client library's Watch over real gRPC: it goes on, ends, and is ended from another thread.

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "scripted_server.hpp"
#include "wardlink/client/watch.hpp"

namespace wardlink::client {
namespace {

using testing::ElementsAre;

constexpr std::chrono::milliseconds soon(10);
using Stream = grpc::ServerWriter<v1::WatchResponse>;

v1::WatchResponse response(const std::string& text, const std::string& cursor = {}) {
  v1::WatchResponse made;
  made.set_patient_display_name(text);
  made.set_cursor(cursor);
  return made;
}

/// Opened once, by whoever comes first; waited for by others. Shared with the server's threads, which end after the
/// test.
class Gate {
 public:
  void open() {
    if (!opened_.exchange(true)) promise_.set_value();
  }
  void wait() const { future_.wait(); }

 private:
  std::atomic<bool> opened_ = false;
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

class WatchLibrary : public command_line::ClientTest {
 protected:
  static std::string next(Watch& watch) {
    const auto event = watch.next();
    if (!event) return "stopped";
    if (std::holds_alternative<PresentState>(*event)) return "state";
    if (const auto* lost = std::get_if<StreamLost>(&*event)) return "lost " + lost->error.detail();
    return std::get<v1::WatchResponse>(*event).patient_display_name();
  }
  /// `play` is told a stream's number, from 0 on.
  command_line::WatchScript script(std::function<grpc::Status(std::size_t, Stream&)> play) {
    return [calls = calls_, play](const v1::WatchRequest& request, Stream& stream) {
      return play(calls->add(request.cursor()), stream);
    };
  }
  /// With which each stream began.
  std::vector<std::string> cursors() const { return calls_->all(); }

  Connection connection_{connection_options()};

 private:
  class Calls {
   public:
    std::size_t add(const std::string& cursor) {
      const std::lock_guard lock(mutex_);
      cursors_.push_back(cursor);
      return cursors_.size() - 1;
    }
    std::vector<std::string> all() const {
      const std::lock_guard lock(mutex_);
      return cursors_;
    }

   private:
    mutable std::mutex mutex_;
    std::vector<std::string> cursors_;
  };
  const std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
};

TEST_F(WatchLibrary, GoesOnFromItsCursor) {
  alarms_.watch = script([](std::size_t number, Stream& stream) -> grpc::Status {
    stream.Write(response("a", number == 0 ? "" : "c2"));
    if (number == 0) stream.Write(response("b", "c1"));
    return {grpc::StatusCode::UNAVAILABLE, "the service stops"};
  });
  Watch watch(connection_, {.service = WatchOptions::Service::alarms, .first_pause = soon});
  for (const auto* expected : {"state", "a", "b", "lost the service stops"}) EXPECT_EQ(next(watch), expected);
  EXPECT_EQ(watch.cursor(), "c1");
  for (const auto* expected : {"a", "lost the service stops"}) EXPECT_EQ(next(watch), expected);
  EXPECT_THAT(cursors(), ElementsAre("", "c1"));
}

TEST_F(WatchLibrary, ARefusalIsThrownEachTime) {
  vitals_.watch =
      script([](std::size_t, Stream&) { return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no grant"); });
  Watch watch(connection_, {});
  for (int call = 0; call < 2; ++call) {
    try {
      watch.next();
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), grpc::StatusCode::PERMISSION_DENIED);
      EXPECT_EQ(error.detail(), "no grant");
    }
  }
  EXPECT_EQ(cursors().size(), 1u);
}

// gRPC would keep a connection that says nothing.
TEST_F(WatchLibrary, ASilentStreamIsLeftForANewConnection) {
  const auto second = std::make_shared<Gate>();
  vitals_.watch = script([second](std::size_t number, Stream& stream) {
    if (number > 0) {
      stream.Write(response("heard", "c1"));
      second->open();
    }
    second->wait();
    return grpc::Status::OK;
  });
  // Short, so that silence comes soon; where the machine is slower than that it is tried again.
  Watch watch(connection_, {.silence = std::chrono::seconds(1), .first_pause = soon});
  EXPECT_EQ(next(watch), "lost nothing was heard for 1000 ms");
  std::string event;
  while (event != "heard") event = next(watch);
  const auto peers = vitals_.watchers();
  ASSERT_GE(peers.size(), 2u);
  EXPECT_NE(peers[0], peers[1]);
}

TEST_F(WatchLibrary, AnotherThreadStopsItWhereverItIs) {
  const auto over = std::make_shared<Gate>();
  vitals_.watch = script([over](std::size_t, Stream& stream) {
    stream.Write(response("a", "c1"));
    over->wait();
    return grpc::Status::OK;
  });
  {
    Watch watch(connection_, {});
    EXPECT_EQ(next(watch), "state");
    EXPECT_EQ(next(watch), "a");
    std::thread stopping([&] { watch.stop(); });
    EXPECT_EQ(next(watch), "stopped");
    stopping.join();
    EXPECT_EQ(next(watch), "stopped");
    EXPECT_EQ(watch.cursor(), "c1");
  }
  over->open();

  auto options = connection_options();
  options.server = "127.99.98.97:1";
  Connection nobody(options);
  Watch watch(nobody, {.first_pause = std::chrono::hours(1), .longest_pause = std::chrono::hours(1)});
  EXPECT_THAT(next(watch), testing::StartsWith("lost "));
  std::thread stopping([&] { watch.stop(); });
  EXPECT_EQ(next(watch), "stopped");
  stopping.join();

  Watch never(connection_, {});
  never.stop();
  EXPECT_EQ(next(never), "stopped");
}

TEST_F(WatchLibrary, CanBeDestroyedInTheMiddle) {
  const auto over = std::make_shared<Gate>();
  vitals_.watch = script([over](std::size_t, Stream& stream) {
    stream.Write(response("a", "c1"));
    over->wait();
    return grpc::Status::OK;
  });
  {
    Watch watch(connection_, {});
    EXPECT_EQ(next(watch), "state");
  }
  {
    Watch watch(connection_, {});
    EXPECT_EQ(next(watch), "state");
    EXPECT_EQ(next(watch), "a");
    watch.stop();
  }
  over->open();
}

TEST_F(WatchLibrary, AnExpiredCertificateThatWasRenewedEndsNothing) {
  const auto renewed = std::make_shared<Gate>();
  vitals_.watch = script([renewed](std::size_t number, Stream& stream) -> grpc::Status {
    stream.Write(response(std::to_string(number), "c" + std::to_string(number)));
    renewed->wait();
    return {grpc::StatusCode::UNAUTHENTICATED, "expired"};
  });
  Watch watch(connection_, {.first_pause = soon});
  EXPECT_EQ(next(watch), "state");
  EXPECT_EQ(next(watch), "0");
  connection_.renew();
  renewed->open();
  EXPECT_EQ(next(watch), "lost expired");
  EXPECT_EQ(next(watch), "1");
  EXPECT_THROW(next(watch), Error);
}

}  // namespace
}  // namespace wardlink::client
