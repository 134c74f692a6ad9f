#pragma once
// One device with a valid certificate that sends as much as it can, and the same load without an effect: what it costs
// to make is to be the same in both.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {

enum class Flood : std::uint8_t {
  one_alarm,    // Confirmable notifications of one alarm, each under a message id of its own
  undecodable,  // notifications that are not SenML
  sets,         // notifications full of measurement sets, each set another: 38 in one
};

/// Sends from a thread of its own from construction to destruction.
class FloodingDevice {
 public:
  /// `a_second`: notifications; 0 = as many as it can. `aside`: they go to a port where nobody listens to them.
  FloodingDevice(const Stack& stack, const std::string& label, Flood kind, unsigned a_second, bool aside);
  ~FloodingDevice();
  FloodingDevice(const FloodingDevice&) = delete;
  FloodingDevice& operator=(const FloodingDevice&) = delete;

  std::uint64_t sent() const { return sent_; }

 private:
  void run();
  coap::Message next();

  RawDevice device_;
  const Flood kind_;
  const unsigned a_second_;
  int aside_ = -1;  // a socket that is never read
  std::uint64_t sequence_ = 0;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace wardlink::testing
