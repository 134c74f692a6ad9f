#pragma once
// The way between two ends, in virtual time: every datagram has a number, and any number can be lost, doubled, delayed
// until the next one has passed it, or come back as an echo a minute later.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coap/address.hpp"
#include "coap/instant.hpp"

namespace coap::testing {

enum class Side : std::uint8_t { wearable, ingest };
constexpr Side other(Side side) { return side == Side::wearable ? Side::ingest : Side::wearable; }
constexpr const char* name_of(Side side) { return side == Side::wearable ? "wearable" : "ingest"; }

struct Fault {
  enum class Kind : std::uint8_t { lost, doubled, delayed, echoed } kind;
  std::size_t datagram;  // 0 = the first that either end sends
};

inline std::string to_string(const Fault& fault) {
  constexpr const char* words[] = {"lost", "doubled", "delayed past the next", "echoed a minute later"};
  return "datagram " + std::to_string(fault.datagram) + " " + words[static_cast<int>(fault.kind)];
}

class VirtualNetwork {
 public:
  struct Delivery {
    Side to;
    Bytes bytes;
  };

  explicit VirtualNetwork(std::vector<Fault> faults) : faults_(std::move(faults)) {}

  void send(Side from, const Bytes& bytes, Instant now) {
    const auto number = sent_++;
    if (cut_) return;
    const auto due = now + one_way;
    for (const auto& fault : faults_) {
      if (fault.datagram != number) continue;
      switch (fault.kind) {
        case Fault::Kind::lost:
          return;
        case Fault::Kind::doubled:
          put(from, bytes, due);
          break;
        case Fault::Kind::echoed:
          put(from, bytes, due + std::chrono::minutes{1});
          break;
        case Fault::Kind::delayed:
          // Where no other follows, it is a long delay.
          delayed_.insert(put(from, bytes, due + std::chrono::seconds{30}));
          return;
      }
    }
    put(from, bytes, due);
    overtake(other(from), due);
  }

  std::optional<Instant> next() const {
    return on_the_way_.empty() ? std::nullopt : std::optional{on_the_way_.begin()->first.first};
  }
  Delivery take() {
    auto first = on_the_way_.extract(on_the_way_.begin());
    delayed_.erase(first.key());
    return std::move(first.mapped());
  }
  /// From now on all is lost, or nothing is.
  void cut(bool broken) { cut_ = broken; }
  /// No fault from now on.
  void heal() {
    faults_.clear();
    cut_ = false;
  }
  std::size_t sent() const { return sent_; }

  Duration one_way = std::chrono::milliseconds{20};

 private:
  using Key = std::pair<Instant, std::uint64_t>;

  Key put(Side from, const Bytes& bytes, Instant due) {
    const Key key{due, ++order_};
    on_the_way_.emplace(key, Delivery{other(from), bytes});
    return key;
  }

  /// Whatever is delayed on the way to `to` arrives right behind what arrives at `passed`.
  void overtake(Side to, Instant passed) {
    for (const auto& key : std::set<Key>(delayed_)) {
      if (on_the_way_.at(key).to != to) continue;
      auto moved = on_the_way_.extract(key);
      moved.key() = {passed, ++order_};
      on_the_way_.insert(std::move(moved));
      delayed_.erase(key);
    }
  }

  std::vector<Fault> faults_;
  std::map<Key, Delivery> on_the_way_;
  std::set<Key> delayed_;
  std::uint64_t order_ = 0;
  std::size_t sent_ = 0;
  bool cut_ = false;
};

}  // namespace coap::testing
