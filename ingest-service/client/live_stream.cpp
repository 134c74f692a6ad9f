#include "client/live_stream.hpp"

#include <algorithm>

#include "client/exit_code.hpp"
#include "client/interrupt.hpp"

namespace wardlink::command_line {
namespace {

using namespace std::chrono_literals;

/// Worth another try, by itself: the stream stood before, and nobody said no.
bool passes(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::INTERNAL:  // a stream that broke in the middle of a message
    case grpc::StatusCode::UNKNOWN:
      return true;
    default:
      return false;
  }
}

int end(Session& session, const std::string& cursor) {
  if (!cursor.empty()) session.err << "wardlink: To miss nothing, go on with --cursor " << cursor << "\n";
  return exit_ok;
}

}  // namespace

int follow(Session& session, v1::WatchRequest request,
           const std::function<WatchReader(grpc::ClientContext&, const v1::WatchRequest&)>& open,
           const std::function<void(const v1::WatchResponse&)>& show) {
  Interrupt interrupt;
  bool ever_heard = false;
  for (auto pause = 100ms;; pause = std::min<std::chrono::milliseconds>(pause * 2, 5s)) {
    grpc::ClientContext context;
    interrupt.watch([&] { context.TryCancel(); });
    const auto stream = open(context, request);
    v1::WatchResponse response;
    while (!interrupt.came() && stream->Read(&response)) {
      interrupt.heard();
      show(response);
      if (!response.cursor().empty()) request.set_cursor(response.cursor());
      if (!session.out) break;
      ever_heard = true;
      pause = 50ms;
    }
    if (interrupt.came() || !session.out) context.TryCancel();
    const auto status = stream->Finish();
    interrupt.watch({});
    if (interrupt.came()) return end(session, request.cursor());
    if (!session.out) return exit_ok;  // run() says why
    if (!ever_heard || !passes(status.error_code())) session.connection.fail(status);
    session.err << "wardlink: The stream from " << session.connection.server() << " broke off; going on ("
                << status.error_message() << ").\n";
    if (interrupt.came_within(pause)) return end(session, request.cursor());
  }
}

}  // namespace wardlink::command_line
