#include "flood.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <stdexcept>

namespace wardlink::testing {
namespace {

constexpr const char* kOneAlarm =
    R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":1},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},)"
    R"({"n":"prio","v":3},{"n":"code","vs":"lead-off"}])";
constexpr std::uint64_t kSets = 38;  // they fill a datagram

std::string many_sets(std::uint64_t first) {
  std::string json = "[";
  for (auto q = first; q < first + kSets; ++q) {
    json += R"({"n":"q","v":)" + std::to_string(q) + R"(},{"n":"tk","v":1},{"n":"hr","v":72})";
    json += q + 1 < first + kSets ? "," : "]";
  }
  return json;
}

/// A port of loopback that discards.
int discarding_socket(sockaddr_in& address) {
  const int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (made < 0 || bind(made, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(made, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no socket");
  return made;
}

std::uint64_t fresh_boot() { return std::random_device{}() + 1ull; }

}  // namespace

FloodingDevice::FloodingDevice(const Stack& stack, const std::string& label, Flood kind, unsigned a_second, bool aside)
    : device_(stack.ingest_port(), stack.credentials("devices/" + label)), kind_(kind), a_second_(a_second) {
  if (!device_.handshake() || !device_.register_as(stack.urn(label), fresh_boot()))
    throw std::runtime_error("the flooding device was not let in");
  if (aside) {
    sockaddr_in address{};
    aside_ = discarding_socket(address);
    if (connect(device_.socket(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("no way aside");
  }
  thread_ = std::thread([this] { run(); });
}

FloodingDevice::~FloodingDevice() {
  stopping_ = true;
  thread_.join();
  if (aside_ >= 0) close(aside_);
}

coap::Message FloodingDevice::next() {
  if (kind_ == Flood::one_alarm) return device_.notification(coap::Type::con, device_.alarms, kOneAlarm);
  if (kind_ == Flood::sets) {
    sequence_ += kSets;
    return device_.notification(coap::Type::non, device_.vitals, many_sets(sequence_ - kSets + 1));
  }
  auto message = device_.notification(coap::Type::non, device_.vitals, "[]");
  const auto text = "this is no CBOR: " + std::to_string(++sequence_);
  message.payload.assign(text.begin(), text.end());
  return message;
}

void FloodingDevice::run() {
  using Clock = std::chrono::steady_clock;
  auto due = Clock::now();
  while (!stopping_) {
    device_.send(next());
    ++sent_;
    if (a_second_ == 0) continue;
    due += std::chrono::nanoseconds{std::chrono::seconds{1}} / a_second_;
    if (due > Clock::now()) std::this_thread::sleep_until(due);  // the load's pace, not a wait
  }
}

}  // namespace wardlink::testing
