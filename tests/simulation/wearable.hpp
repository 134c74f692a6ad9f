#pragma once
// One device: the SDK's real recorder and core over a simulated channel, its real journal on a simulated disk, somebody
// who wears it. It is turned on and off, killed, loses its power, and has clocks of its own.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "book.hpp"
#include "chance.hpp"
#include "clock.hpp"
#include "device_time.hpp"
#include "disk.hpp"
#include "ledger.hpp"
#include "link.hpp"
#include "sometimes.hpp"
#include "wardlink/device.hpp"

namespace wardlink::simulation {

class Wearable {
 public:
  struct Shared {
    Clock& clock;
    Network& network;
    Sometimes& sometimes;
  };
  Wearable(std::size_t number, Shared shared, Chance chance);
  ~Wearable();

  // -- its life
  void turn_on();
  /// As Device::stop() does: close_notify, what the journal refused is tried once more.
  void turn_off();
  /// The process is killed: what was written stays.
  void kill();
  /// The power goes: what was not synchronised may be gone.
  void cut_power();
  /// The power goes within a call that writes to the disk, before one of its steps.
  void cut_power_while_writing();
  /// Synchronisations fail, so many.
  void fail_disk(unsigned count) {
    if (start_) disk_.fail(count);
  }
  /// It is on, and what was planned for its disk is taken back.
  void mend();
  bool is_on() const { return start_ != nullptr; }
  /// Nothing happens on it, and what is sent to it is lost, until it wakes, or its power comes back.
  void sleep();
  void wake(bool ticks_counted);
  /// Its ticks are so much ahead of what they were.
  void step_clock(coap::Duration ahead);

  // -- its wearer
  /// So many conditions, some of them at once.
  void burst(unsigned alarms);
  /// Nothing more is measured; conditions that stand end.
  void take_off();
  void wear() { worn_ = true; }

  void handle_datagram(std::uint32_t socket, coap::ByteView datagram);

  // -- for the oracle
  const std::string& urn() const { return book_->urn; }
  Book& book() { return *book_; }
  const Book& book() const { return *book_; }
  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }
  /// Of the start that runs; 0: none does.
  std::uint64_t boot() const;
  std::optional<DeviceStatus> status() const;
  /// Sums over the starts that are over.
  struct Past {
    std::uint64_t sets_generated = 0, sets_dropped = 0, sets_lost = 0;  // lost: with the device's memory
    std::uint64_t retransmissions = 0, handshakes = 0, alarms_inherited = 0, journal_failures = 0;
    std::uint64_t alarms_dropped = 0;
  };
  const Past& past() const { return past_; }

 private:
  struct Start;
  template <class Work>
  void with(Work work);
  void pump();
  void measure();
  void measure_late();
  void second();
  void raise(const char* code);
  void end_one();
  void forget();
  coap::Instant ticks() const { return time_.of_ticks(shared_.clock.now()); }
  void take_addresses(std::weak_ptr<int> alive);
  void promise(std::uint64_t after, Refusal refusal);

  std::size_t number_;
  Shared shared_;
  Chance chance_;
  DeviceTime time_;
  Disk disk_;
  std::shared_ptr<Book> book_;
  Ledger ledger_;
  bool worn_ = true;
  bool samples_;  // has a waveform
  std::uint32_t socket_ = 0;
  double hr_ = 80;
  std::unique_ptr<Start> start_;
  Past past_;
};

}  // namespace wardlink::simulation
