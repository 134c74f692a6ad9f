#pragma once
// RFC 7252 §4.5 in the simplest words: the peer's messages in the order in which they came, nothing ever forgotten.

#include <optional>
#include <vector>

#include "conversation.hpp"

namespace fuzz {

class DuplicateModel {
 public:
  struct Seen {
    std::uint16_t id;
    bool confirmable;
    Instant at, expiry;
    std::optional<Bytes> reply;        // what was answered, as it was sent
    std::size_t responses_before = 0;  // how many responses had been stored before this one's
    bool stored = false;               // the reply is a response, and not only an empty message
  };
  enum class Verdict { is_new, is_known, may_be_either };

  explicit DuplicateModel(const Connection::Config& config) : config_(config) {}

  /// The last `remembered_messages` messages are known until their time is over. Older ones may have been forgotten.
  Verdict judge(std::uint16_t id, Instant now) const {
    for (std::size_t later = 0; later < history_.size(); ++later) {
      const Seen& seen = history_[history_.size() - 1 - later];
      if (seen.id != id) continue;
      if (now >= seen.expiry) return Verdict::is_new;
      return later < config_.remembered_messages ? Verdict::is_known : Verdict::may_be_either;
    }
    return Verdict::is_new;
  }

  void add(std::uint16_t id, bool confirmable, Instant now) {
    history_.push_back(
        {id, confirmable, now, now + (confirmable ? config_.exchange_lifetime : config_.non_lifetime), std::nullopt});
  }

  Seen* find(std::uint16_t id) {
    for (auto at = history_.rbegin(); at != history_.rend(); ++at)
      if (at->id == id) return &*at;
    return nullptr;
  }

  void answered(Seen& seen, const Bytes& reply, bool is_response) {
    seen.reply = reply;
    seen.stored = is_response;
    seen.responses_before = responses_;
    if (is_response) ++responses_;
  }

  /// A response that is not followed further, but remembered in another's place.
  void answered_another() { ++responses_; }

  /// Is the reply among those that must be remembered?
  bool must_repeat(const Seen& seen) const {
    return seen.reply && (!seen.stored || responses_ - seen.responses_before <= config_.remembered_responses);
  }

  /// RFC 7252 §5.2.2: no Confirmable request stays without an ACK for longer than max_response_delay.
  void check_acknowledged(const std::vector<std::uint16_t>& open, Instant now) {
    for (const auto id : open) {
      const Seen* seen = find(id);
      if (seen == nullptr || !seen->confirmable || seen->reply) continue;
      must(now - seen->at < config_.max_response_delay, "an ACK goes first when the answer takes long");
    }
  }

 private:
  Connection::Config config_;
  std::vector<Seen> history_;
  std::size_t responses_ = 0;
};

}  // namespace fuzz
