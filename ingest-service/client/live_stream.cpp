#include "client/live_stream.hpp"

#include "client/exit_code.hpp"
#include "client/interrupt.hpp"
#include "wardlink/client/watch.hpp"

namespace wardlink::command_line {

int follow(Session& session, client::WatchOptions options, const std::function<void(const v1::WatchResponse&)>& show) {
  options.waits_at_start = options.begins_anew = false;
  client::Watch watch(session.connection, std::move(options));
  const Interrupt interrupt([&] { watch.stop(); });
  while (const auto event = watch.next()) {
    if (const auto* response = std::get_if<v1::WatchResponse>(&*event)) show(*response);
    if (const auto* lost = std::get_if<client::StreamLost>(&*event)) {
      session.err << "wardlink: The stream from " << session.connection.server() << " broke off; going on ("
                  << lost->error.detail() << ").\n";
    }
    if (!session.out) return exit_ok;  // run() says why
  }
  if (!watch.cursor().empty()) {
    session.err << "wardlink: To miss nothing, go on with --cursor " << watch.cursor() << "\n";
  }
  return exit_ok;
}

}  // namespace wardlink::command_line
