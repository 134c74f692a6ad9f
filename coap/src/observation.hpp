#pragma once
// Observation (RFC 7641) in both roles: what this side observes (by token, §3) and who observes this side (§4).

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "coap/connection.hpp"

namespace coap {

/// §3.4: is the notification (v2 at t2) newer than (v1 at t1)? v in 24 bits.
constexpr bool is_newer(std::uint32_t v1, Instant t1, std::uint32_t v2, Instant t2) {
  constexpr std::uint32_t half = 1u << 23;
  return (v1 < v2 && v2 - v1 < half) || (v1 > v2 && v1 - v2 > half) || t2 > t1 + std::chrono::seconds{128};
}

/// Tokens that this side issued in this session. A token is never issued twice, except to refresh or cancel the same
/// observation (RFC 9175 §4.2), is 4 bytes long and not to be guessed.
class TokenBook {
 public:
  explicit TokenBook(Random& random) : random_(random) {}
  Token issue();
  bool was_issued(const Token& token) const;

 private:
  Random& random_;
  std::unordered_set<std::uint32_t> issued_;
};

/// What this side observes: the token alone names the resource.
class ObservationTable {
 public:
  struct Entry {
    Token token;
    Request request;
    AckPolicy policy;
    std::optional<std::uint32_t> newest;  // Observe value of the freshest notification, and when it came
    Instant newest_at{};

    /// Freshness of a notification that arrives now; a fresh one becomes the newest.
    bool take(std::uint32_t observe, Instant now);
  };

  void add(ObservationId id, Entry entry) { entries_.emplace(id, std::move(entry)); }
  Entry* find(ObservationId id);
  std::optional<ObservationId> by_token(const Token& token) const;
  void remove(ObservationId id) { entries_.erase(id); }

 private:
  std::unordered_map<ObservationId, Entry> entries_;  // a handful: one a resource of one peer
};

/// Who observes this side. Keyed by token, as there is one peer (§4.1).
class ObserverList {
 public:
  struct Entry {
    Token token;
    std::uint32_t sequence = 0;           // of notifications, strictly increasing (§4.4)
    std::optional<DeliveryId> last = {};  // an error (§4.2): it stays here until that is acknowledged

    /// The Observe value of the next one: 24 bits (§2).
    std::uint32_t next() { return ++sequence & 0xffffffu; }
  };

  /// The observer of that token anew, or a new one under `fresh`. The sequence goes on, also where the observer was
  /// removed meanwhile: its client may not know (§4.4).
  /// One that is told its last notification is no longer found by its token.
  ObserverId add(const Token& token, ObserverId fresh);
  Entry* find(ObserverId id);
  std::optional<ObserverId> by_token(const Token& token) const;
  void remove(ObserverId id);
  std::vector<ObserverId> all() const;

  /// NON notifications can be reset too, by message id (§3.6): the last 64 are remembered.
  void sent_non(std::uint16_t message_id, ObserverId observer);
  std::optional<ObserverId> by_non(std::uint16_t message_id) const;

 private:
  std::unordered_map<ObserverId, Entry> entries_;
  std::uint32_t left_off_ = 0;  // the highest sequence of an observer that was removed
  std::vector<std::pair<std::uint16_t, ObserverId>> non_;
  std::size_t next_non_ = 0;
};

}  // namespace coap
