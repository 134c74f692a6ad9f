// F4. The client's half of RFC 7641 against a small model: what notifies, under which token, how old, and what is owed
// for it. The token alone names the resource; what is cancelled or ended is retired. Input: one step after the other.

#include <map>
#include <set>

#include "duplicate_model.hpp"

namespace {

using namespace fuzz;
using coap::AckPolicy;
using coap::OptionNumber;
using coap::Slot;
using coap::Type;
using Verdict = DuplicateModel::Verdict;
using Why = coap::event::NotificationRejected::Why;
namespace event = coap::event;
namespace code = coap::code;

class ObserveClient {
 public:
  explicit ObserveClient(Script script)
      : script_(script),
        duplicates_({}),
        talk_(
            {}, [this](const Bytes& b, const Message& m) { on_sent(b, m); },
            [this](const coap::Event& e) { std::visit([this](const auto& one) { on(one); }, e); }) {}

  void run() {
    talk_.drain();
    for (int steps = 0; !script_.ended() && steps < 400; ++steps) step();
    talk_.pass(std::chrono::seconds{400});
    for (const auto& one : observations_) must(one.asks != Asks::registration, "every registration ends");
  }

 private:
  struct Observation {
    coap::ObservationId id;
    AckPolicy policy;
    coap::Token token;  // empty until it has been sent
    bool stands = true;
    enum class Asks { registration, refresh, cancellation };
    std::optional<Asks> asks;  // the GET that is under way or waits
    Instant asked_at{};
    bool refused = false;  // its GET was reset
    std::optional<std::uint32_t> newest;
    Instant newest_at{};
  };
  using Asks = Observation::Asks;

  // -- steps --------------------------------------------------------------------------------------------------------

  void step() {
    switch (script_.pick(10)) {
      case 0:
        return observe(script_.flag() ? AckPolicy::held : AckPolicy::at_once);
      case 1:
        return refresh();
      case 2:
        return cancel();
      case 3:
        return peer_answers(script_.byte());
      case 4:
      case 5:
        return peer_notifies();
      case 6:
        if (last_fed_) feed(*last_fed_);
        return;
      case 7:
        return acknowledge(script_.byte());
      case 8:
        return peer_resets();
      default:
        return talk_.pass(duration_of(script_.byte()));
    }
  }

  Observation* any() { return observations_.empty() ? nullptr : &observations_[script_.pick(observations_.size())]; }

  void observe(AckPolicy policy) {
    if (observations_.size() == 8) return;
    Observation made{{}, policy, {}, true, Asks::registration, talk_.now, false, std::nullopt, {}};
    coap::Request request;
    request.path = "/r" + std::to_string(observations_.size());
    observations_.push_back(made);
    observations_.back().id = talk_.connection.observe(request, policy, talk_.now);
    talk_.drain();
  }

  void refresh() {
    auto* one = any();
    if (one == nullptr) return;
    if (one->stands && !one->asks) {
      one->asks = Asks::refresh;
      one->asked_at = talk_.now;
    }
    talk_.connection.refresh(one->id, talk_.now);
    talk_.drain();
  }

  void cancel() {
    auto* one = any();
    if (one == nullptr) return;
    if (one->stands) {
      one->stands = false;
      one->asks = Asks::cancellation;
      one->asked_at = talk_.now;
    }
    talk_.connection.cancel(one->id, talk_.now);
    talk_.drain();
  }

  /// To the GET in flight: inside the ACK, or the ACK alone.
  void peer_answers(std::uint8_t choice) {
    if (!in_flight_ || !talk_.connection.busy(Slot::ordinary)) return;
    Message answer = message_of(Type::ack, code::empty, in_flight_->id);
    if (choice % 5 == 0) return talk_.receive(answer);
    answer.token = in_flight_->token;
    answer.code = choice % 5 == 1 ? code::not_found : code::content;
    if (choice % 5 > 2) answer.options.add_uint(OptionNumber::observe, choice);
    if (!is_in_doubt(answer)) take(answer, nullptr);
  }

  /// A cancellation that nobody answers ends without a word, at an instant that chance has chosen.
  bool is_in_doubt(const Message& message) {
    for (auto& one : observations_) {
      if (one.token != message.token || one.asks != Asks::cancellation) continue;
      if (talk_.now - one.asked_at >= std::chrono::seconds{93}) one.asks.reset();
      return one.asks && talk_.now - one.asked_at >= std::chrono::seconds{62};
    }
    return false;
  }

  /// A response of its own, under a token that was issued or not, fresh or old, with Observe or without.
  void peer_notifies() {
    const auto* one = any();
    const std::uint8_t choice = script_.byte();
    const std::uint8_t age = script_.byte();
    const bool unknown = one == nullptr || one->token.size() == 0 || choice % 16 == 15;
    Message message = message_of((choice & 16) != 0 ? Type::con : Type::non, code::content, next_id(choice),
                                 unknown ? token_of(age % 2 == 0 ? "none" : "no") : one->token);
    if (choice % 16 == 14) message.code = code::service_unavailable;
    // Around the newest one and around half the circle from it, where the comparison turns (RFC 7641 §3.4).
    const std::uint32_t newest = one != nullptr ? one->newest.value_or(0) : 0;
    const std::uint32_t value = newest + age - 128 + ((choice & 32) != 0 ? 1u << 23 : 0);
    if (choice % 16 != 13) message.options.add_uint(OptionNumber::observe, value & 0xffffff);
    feed(message);
  }

  /// Mostly a new message id, now and then one of few.
  std::uint16_t next_id(std::uint8_t choice) {
    return (choice & 64) != 0 ? static_cast<std::uint16_t>(choice >> 7) : next_peer_id_++;
  }

  void feed(const Message& message) {
    if (is_in_doubt(message)) return;
    last_fed_ = message;
    const bool confirmable = message.type == Type::con;
    if (duplicates_.judge(message.id, talk_.now) == Verdict::is_new) {
      duplicates_.add(message.id, confirmable, talk_.now);
      return take(message, duplicates_.find(message.id));
    }
    const auto& known = *duplicates_.find(message.id);
    if (confirmable && known.reply) expected_reply_ = coap::decode(*known.reply)->type;
    talk_.receive(message);
    must(!expected_reply_, "a duplicate is answered as before");
  }

  /// A response that is seen for the first time. `seen`: where its answer is remembered; none for an ACK.
  void take(const Message& message, DuplicateModel::Seen* seen) {
    const auto by_token = [&](const Observation& o) { return o.token == message.token && o.token.size() > 0; };
    const auto at = std::ranges::find_if(observations_, by_token);
    const auto observe = message.options.uint(OptionNumber::observe);
    if (at != observations_.end() && at->stands) {
      expect_notification(*at, message, observe);
    } else if (at != observations_.end() && at->asks && !observe) {
      if (message.type == Type::con) expected_reply_ = Type::ack;  // the answer to the cancellation
      at->asks.reset();
    } else if (message.type != Type::ack) {
      expected_reply_ = Type::rst;
      expected_rejection_ = at == observations_.end() ? Why::unknown : Why::retired;
    }
    if (seen != nullptr && expected_reply_)
      duplicates_.answered(*seen, coap::encode(message_of(*expected_reply_, code::empty, message.id)), false);
    talk_.receive(message);
    must(!expected_reply_, "what is owed an answer gets it");
    must(!expected_notification_ && !expected_end_ && !expected_rejection_, "what has happened is told");
  }

  void expect_notification(Observation& one, const Message& message, std::optional<std::uint32_t> observe) {
    const bool success = message.code.cls() == 2;
    const bool held = one.policy == AckPolicy::held && success;
    if (message.type == Type::con && !held) expected_reply_ = Type::ack;
    if (success) {
      expected_notification_ = event::NotificationReceived{
          one.id, {}, message.type == Type::con, !observe || is_fresh(one, *observe), message.code, {}, {}};
      if (observe && expected_notification_->fresh) {
        one.newest = observe;
        one.newest_at = talk_.now;
      }
      holds_ = held && message.type == Type::con ? std::optional(message.id) : std::nullopt;
    }
    // A Non-confirmable one has overtaken the answer, which is still asked for.
    const bool overtakes = message.type == Type::non && success && observe && one.asks;
    one.asks = overtakes ? std::optional(Asks::refresh) : std::nullopt;
    if (success && observe) return;
    one.stands = false;
    expected_end_ = event::ObservationEnded{one.id, message.code};
  }

  /// RFC 7641 §3.4, as the distance on the circle of 24 bits.
  bool is_fresh(const Observation& one, std::uint32_t value) const {
    if (!one.newest || talk_.now > one.newest_at + std::chrono::seconds{128}) return true;
    const std::uint32_t ahead = (value - *one.newest) & 0xffffff;
    // At exactly half the circle neither is newer.
    return ahead != 0 && ahead < (1u << 23);
  }

  void acknowledge(std::uint8_t choice) {
    if (deliveries_.empty()) return;
    const auto delivery = deliveries_[choice % deliveries_.size()];
    if (const auto at = held_.find(delivery); at != held_.end()) {
      const auto [id, until] = at->second;
      held_.erase(at);
      if (talk_.now < until) {  // later the id may name another message
        expected_reply_ = Type::ack;
        duplicates_.answered(*duplicates_.find(id), coap::encode(message_of(Type::ack, code::empty, id)), false);
      }
    }
    talk_.connection.acknowledge(delivery, talk_.now);
    talk_.drain();
    must(!expected_reply_, "a held ACK leaves when it is told to");
  }

  void peer_resets() {
    if (!in_flight_ || !talk_.connection.busy(Slot::ordinary)) return;
    for (auto& one : observations_) {
      if (one.token != in_flight_->token) continue;
      one.refused = true;
      if (one.asks == Asks::cancellation) one.asks.reset();
    }
    talk_.receive(message_of(Type::rst, code::empty, in_flight_->id));
    for (const auto& one : observations_) must(!one.refused || !one.stands, "a refused registration ends it");
  }

  // -- what the connection says ---------------------------------------------------------------------------------------

  void on_sent(const Bytes&, const Message& message) {
    if (message.type == Type::ack || message.type == Type::rst) {
      must(expected_reply_ == message.type && message.code.is_empty(), "only what is owed is answered");
      must(duplicates_.find(message.id) != nullptr, "an answer names a message that came");
      return expected_reply_.reset();
    }
    must(message.type == Type::con && message.code == code::get, "observations are asked for by CON GET");
    in_flight_ = message;
    const std::string path = coap::uri_path(message.options);
    auto& one = observations_.at(std::stoul(path.substr(2)));
    must(message.token.size() == 4, "a token has four bytes");
    if (one.token.size() == 0) must(tokens_.insert(message.token).second, "no token is issued twice");
    must(one.token.size() == 0 || one.token == message.token, "the same token refreshes and cancels");
    one.token = message.token;
    must(one.asks.has_value(), "nobody asks without being told");
    must(message.options.uint(OptionNumber::observe) == (*one.asks == Asks::cancellation ? 1u : 0u),
         "0 registers, 1 cancels");
  }

  void on(const event::NotificationReceived& got) {
    must(expected_notification_ && expected_notification_->observation == got.observation,
         "the token names the observation");
    must(expected_notification_->fresh == got.fresh, "fresh is what RFC 7641 calls newer");
    must(expected_notification_->confirmable == got.confirmable && expected_notification_->code == got.code, "as sent");
    deliveries_.push_back(got.delivery);
    if (holds_) held_.emplace(got.delivery, std::pair{*holds_, talk_.now + std::chrono::seconds{247}});
    holds_.reset();
    expected_notification_.reset();
  }
  void on(const event::ObservationEnded& ended) {
    if (expected_end_) {
      must(expected_end_->observation == ended.observation && expected_end_->code == ended.code, "the right one ends");
      return expected_end_.reset();
    }
    const auto at = std::ranges::find(observations_, ended.observation, &Observation::id);
    must(at != observations_.end() && at->stands && at->asks, "only what was asked can fail");
    must(at->refused || at->asks == Asks::registration, "a refresh that nobody answers ends nothing");
    must(at->refused || talk_.now - at->asked_at >= std::chrono::seconds{62}, "not before the retransmissions ran out");
    must(ended.code.is_empty(), "no answer has no code");
    at->stands = false;
    at->asks.reset();
  }
  void on(const event::NotificationRejected& rejected) {
    must(expected_rejection_ == rejected.why, "unknown or retired");
    expected_rejection_.reset();
  }
  void on(const event::Opened&) {}
  template <class Other>
  void on(const Other&) {
    must(false, "nothing else happens");
  }

  Script script_;
  DuplicateModel duplicates_;
  std::vector<Observation> observations_;
  std::set<coap::Token> tokens_;
  std::map<coap::DeliveryId, std::pair<std::uint16_t, Instant>> held_;  // the peer's message id, and until when
  std::vector<coap::DeliveryId> deliveries_;
  std::optional<Message> in_flight_, last_fed_;
  std::uint16_t next_peer_id_ = 100;
  std::optional<std::uint16_t> holds_;  // the message id of the notification under way, where its ACK will be held
  std::optional<Type> expected_reply_;
  std::optional<event::NotificationReceived> expected_notification_;
  std::optional<event::ObservationEnded> expected_end_;
  std::optional<Why> expected_rejection_;
  Conversation talk_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ObserveClient(Script(ByteView(data, size))).run();
  return 0;
}
