#include "client/interrupt.hpp"

#include <csignal>

namespace wardlink::command_line {
namespace {

using namespace std::chrono_literals;

constexpr auto silence = 15s;  // a server says something every 5 s at the latest

volatile std::sig_atomic_t signalled = 0;
void note_signal(int) { signalled = 1; }

}  // namespace

Interrupt::Interrupt() : heard_at_(std::chrono::steady_clock::now()) {
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

void Interrupt::watch(std::function<void()> cancel) {
  const std::lock_guard lock(mutex_);
  cancel_ = std::move(cancel);
  heard_at_ = std::chrono::steady_clock::now();
}

void Interrupt::heard() {
  const std::lock_guard lock(mutex_);
  heard_at_ = std::chrono::steady_clock::now();
}

bool Interrupt::came_within(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!came_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(20ms);
  return came_;
}

void Interrupt::run() {
  while (!over_) {
    look();
    std::this_thread::sleep_for(50ms);
  }
}

void Interrupt::look() {
  const std::lock_guard lock(mutex_);
  if (signalled != 0) came_ = true;
  if (cancel_ && (came_ || std::chrono::steady_clock::now() - heard_at_ > silence)) cancel_();
}

}  // namespace wardlink::command_line
