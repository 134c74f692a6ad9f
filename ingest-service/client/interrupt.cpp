#include "client/interrupt.hpp"

#include <chrono>
#include <csignal>

namespace wardlink::command_line {
namespace {

using namespace std::chrono_literals;

volatile std::sig_atomic_t signalled = 0;
void note_signal(int) { signalled = 1; }

}  // namespace

Interrupt::Interrupt(std::function<void()> act) : act_(std::move(act)) {
  signalled = 0;
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
  thread_ = std::thread([this] { run(); });
}

Interrupt::~Interrupt() {
  over_ = true;
  thread_.join();
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

void Interrupt::run() const {
  while (!over_ && signalled == 0) std::this_thread::sleep_for(50ms);
  if (signalled != 0) act_();
}

}  // namespace wardlink::command_line
