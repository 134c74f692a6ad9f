// F5. The message layer against two models in virtual time: the peer's duplicates (RFC 7252 §4.5) and this side's
// retransmissions (§4.2, §4.7; RFC 7641 §4.5.2). Input: a configuration byte, then one step after the other.

#include <set>

#include "duplicate_model.hpp"
#include "retransmission_model.hpp"

namespace {

using namespace fuzz;
using coap::Slot;
using coap::Type;
using Verdict = DuplicateModel::Verdict;
namespace event = coap::event;
namespace code = coap::code;

Connection::Config config_of(std::uint8_t choice) {
  Connection::Config config;
  if ((choice & 1) != 0) config.remembered_messages = 4;
  if ((choice & 2) != 0) config.remembered_responses = 2;
  return config;
}

class MessageLayer {
 public:
  explicit MessageLayer(Script script)
      : script_(script),
        config_(config_of(script_.byte())),
        duplicates_(config_),
        talk_(
            config_, [this](const Bytes& b, const Message& m) { on_sent(b, m); },
            [this](const coap::Event& e) { std::visit([this](const auto& one) { on(one); }, e); }) {}

  void run() {
    talk_.drain();
    register_observer(Slot::ordinary);
    register_observer(Slot::alarm);
    for (int steps = 0; !script_.ended() && steps < 400; ++steps) {
      step();
      check();
    }
    // Nobody answers any more: what waits goes out one after the other, and each has its 93 s.
    pass(config_.request_timeout);
    const auto busy = [this](Slot which) { return talk_.connection.busy(which); };
    for (int i = 0; i <= 400 && (busy(Slot::ordinary) || busy(Slot::alarm)); ++i) pass(std::chrono::seconds{93});
    for (const auto& asked : asked_) must(asked.over, "every request ends");
    must(!busy(Slot::ordinary) && !busy(Slot::alarm), "every slot becomes free");
  }

 private:
  struct Asked {
    coap::RequestId id;
    Instant at;
    coap::Token token;  // empty until it has been sent
    bool over = false;
  };
  struct Open {
    coap::ExchangeId exchange;
    std::uint16_t id;
    bool confirmable;
  };
  struct Observer {
    coap::ObserverId id{};
    bool stands = false;
  };

  static constexpr std::size_t index(Slot slot) { return static_cast<std::size_t>(slot); }
  static coap::Token token(Slot slot) { return token_of(slot == Slot::alarm ? "alarms" : "vitals"); }
  RetransmissionModel& slot(Slot which) { return slots_[index(which)]; }
  Observer& observer(Slot which) { return observers_[index(which)]; }

  // -- steps --------------------------------------------------------------------------------------------------------

  void step() {
    switch (script_.pick(14)) {
      case 0:
        return ask();
      case 1:
        talk_.connection.ping(talk_.now);
        return talk_.drain();
      case 2:
        return notify(Slot::alarm, coap::Reliability::con);
      case 3:
        return notify(Slot::ordinary, coap::Reliability::con);
      case 4:
        return notify(Slot::ordinary, coap::Reliability::non);
      case 5:
      case 6:
        return peer_asks(script_.byte());
      case 7:
        return peer_acknowledges(script_.byte());
      case 8:
        return peer_resets(script_.byte());
      case 9:
        return peer_answers_inside(script_.byte());
      case 10:
        return peer_answers_separately(script_.byte());
      case 11:
        return answer(script_.byte());
      case 12:
        return register_observer(script_.flag() ? Slot::alarm : Slot::ordinary);
      default:
        return pass(duration_of(script_.byte()));
    }
  }

  void ask() {
    const std::string serial = "n=" + std::to_string(asked_.size());
    asked_.push_back({{}, talk_.now, {}});
    asked_.back().id = talk_.connection.request({code::get, "/time", {serial}, {}, {}}, talk_.now);
    talk_.drain();
  }

  void notify(Slot which, coap::Reliability reliability) {
    const Observer to = observer(which);
    const auto serial = static_cast<std::uint32_t>(deliveries_.size() + 1);
    coap::Response response;
    for (int shift = 24; shift >= 0; shift -= 8) response.payload.push_back(static_cast<std::uint8_t>(serial >> shift));
    if (to.stands && reliability == coap::Reliability::con) slot(which).submit(serial);
    deliveries_.push_back(talk_.connection.notify(to.id, response, reliability, which, talk_.now));
    talk_.drain();
  }

  /// Beyond 32, separate responses that wait for their turn included, a request would be refused.
  bool is_full() const { return static_cast<int>(open_.size()) + waiting_ >= 30; }

  /// A request under one of eight message ids, so that ids repeat.
  void peer_asks(std::uint8_t choice) {
    if (is_full()) return answer(choice);
    const bool confirmable = (choice & 8) != 0;
    Message request = message_of(confirmable ? Type::con : Type::non, code::get, choice & 7, token_of("q"));
    coap::add_uri(request.options, "/time", {});
    feed(request);
  }

  void register_observer(Slot which) {
    if (is_full()) return answer(0);
    Message request = message_of(Type::con, code::get, next_peer_id_++, token(which));
    request.options.add_uint(coap::OptionNumber::observe, 0);
    feed(request);
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (open_[i].id != request.id) continue;
      const auto open = open_[i];
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
      answering_ = open.id;
      observer(which) = {talk_.connection.respond_observed(open.exchange, {}, talk_.now), true};
      talk_.drain();
      must(!answering_, "a registration is answered");
      return;
    }
  }

  /// What the peer sends anew or again.
  void feed(const Message& message) {
    const Verdict verdict = duplicates_.judge(message.id, talk_.now);
    auto* known = verdict == Verdict::is_new ? nullptr : duplicates_.find(message.id);
    const bool confirmable = message.type == Type::con;
    const bool repeats = known != nullptr && confirmable && duplicates_.must_repeat(*known);
    if (known != nullptr && known->reply && confirmable) repeating_ = message.id;
    if (verdict == Verdict::is_new) duplicates_.add(message.id, confirmable, talk_.now);
    taken_.reset();
    fed_ = message.id;
    fed_is_confirmable_ = confirmable;
    talk_.receive(message);
    if (verdict == Verdict::is_new) must(taken_.has_value(), "what is new is taken");
    if (verdict == Verdict::is_known) {
      must(!taken_, "a duplicate is not taken again");
      if (repeats && !forgotten_.contains(message.id)) must(!repeating_, "a duplicate is answered as before");
    }
    if (verdict == Verdict::may_be_either && taken_) {
      duplicates_.add(message.id, confirmable, talk_.now);
      forgotten_.insert(message.id);
    }
    repeating_.reset();
  }

  std::optional<std::uint16_t> an_id(std::uint8_t choice) {
    std::vector<std::uint16_t> ids;
    for (const auto& one : slots_) {
      if (one.in_flight) ids.push_back(one.in_flight->message.id);
      for (const auto& old : one.superseded) ids.push_back(old.id);
    }
    if ((choice & 0x80) != 0)
      for (const auto& [id, observer_id] : non_) ids.push_back(id);
    if (ids.empty()) return std::nullopt;
    return ids[choice % ids.size()];
  }

  void peer_acknowledges(std::uint8_t choice) {
    const std::uint16_t id = an_id(choice).value_or(choice);
    expected_ack_.reset();
    for (auto& one : slots_) {
      if (one.in_flight && one.in_flight->message.id == id) {
        if (one.is_notification(one.in_flight->message)) expected_ack_ = delivery_of(one.in_flight->message);
        one.in_flight.reset();
        break;
      }
      const auto old = std::ranges::find(one.superseded, id, &Message::id);
      if (old == one.superseded.end()) continue;
      expected_ack_ = delivery_of(*old);
      one.superseded.erase(old);
      break;
    }
    talk_.receive(message_of(Type::ack, code::empty, id));
    must(!expected_ack_, "an ACK names what it acknowledges");
  }

  void peer_resets(std::uint8_t choice) {
    const std::uint16_t id = an_id(choice).value_or(choice);
    for (const auto which : {Slot::ordinary, Slot::alarm}) {
      auto& one = slot(which);
      const bool current = one.in_flight && one.in_flight->message.id == id;
      const bool notification = current && one.is_notification(one.in_flight->message);
      if (notification || std::ranges::find(one.superseded, id, &Message::id) != one.superseded.end()) {
        expect_loss(which, event::Failure::reset);
        break;
      }
      if (current) {
        one.in_flight.reset();
        break;
      }
      const auto non = std::ranges::find(non_, id, &std::pair<std::uint16_t, coap::ObserverId>::first);
      if (which == Slot::alarm && non != non_.end() && observer(Slot::ordinary).stands &&
          observer(Slot::ordinary).id == non->second) {
        expect_loss(Slot::ordinary, event::Failure::reset);
      }
    }
    talk_.receive(message_of(Type::rst, code::empty, id));
    must(!expected_loss_, "a Reset takes the observer");
  }

  void expect_loss(Slot which, event::Failure why) {
    auto& one = slot(which);
    expected_loss_ = event::ObserverLost{observer(which).id, why, unacknowledged(which)};
    one.clear_notifications();
  }

  std::vector<coap::DeliveryId> unacknowledged(Slot which) {
    auto& one = slot(which);
    std::vector<coap::DeliveryId> all;
    for (const auto& old : one.superseded) all.push_back(delivery_of(old));
    for (const auto* sent : {&one.ended, &one.in_flight})
      if (*sent && one.is_notification((*sent)->message)) all.push_back(delivery_of((*sent)->message));
    if (const auto serial = one.waiting()) all.push_back(deliveries_[*serial - 1]);
    return all;
  }

  /// An ACK with something inside: a response, or what must not be there (RFC 7252 §4.2, table 1).
  void peer_answers_inside(std::uint8_t choice) {
    auto& one = slot((choice & 1) != 0 ? Slot::alarm : Slot::ordinary);
    if (!one.in_flight) return;
    const Message asked = one.in_flight->message;
    const bool right_token = (choice & 2) != 0;
    const bool request_code = (choice & 4) != 0;
    const bool reset = (choice & 8) != 0;
    const Message answer = message_of(reset ? Type::rst : Type::ack, request_code ? code::post : code::content,
                                      asked.id, right_token ? asked.token : token_of("none"));
    if (!asked.code.is_request() || !right_token || request_code || reset) return talk_.receive(answer);
    one.in_flight.reset();
    expected_response_ = serial_of(asked);
    talk_.receive(answer);
    must(!expected_response_, "a response inside an ACK is taken");
  }

  void peer_answers_separately(std::uint8_t choice) {
    if (asked_.empty()) return;
    const std::size_t serial = choice % asked_.size();
    const auto token = asked_[serial].token;
    if (token.size() == 0) return;
    const Message answer =
        message_of((choice & 0x80) != 0 ? Type::con : Type::non, code::content, next_peer_id_++, token);
    if (!asked_[serial].over) {
      expected_response_ = serial;
      auto& ordinary = slot(Slot::ordinary).in_flight;
      if (ordinary && ordinary->message.token == token) ordinary.reset();
    }
    feed(answer);
    must(!expected_response_, "a separate response is taken");
    if (script_.flag()) feed(answer);
  }

  void answer(std::uint8_t choice) {
    if (open_.empty()) return;
    const std::size_t which = choice % open_.size();
    const Open open = open_[which];
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
    answering_ = open.id;
    talk_.connection.respond(open.exchange, {code::content, 0, Bytes{'t'}, {}}, talk_.now);
    talk_.drain();
    if (answering_ && open.confirmable) ++waiting_;  // unless it has gone already
    answering_.reset();
  }

  void pass(Duration duration) {
    for (const auto until = talk_.now + duration; talk_.now < until;) {
      const auto due = talk_.connection.next_deadline();
      talk_.pass(std::min(until, due ? std::max(*due, talk_.now) : until) - talk_.now);
      const auto next = talk_.connection.next_deadline();
      must(!next || *next > talk_.now, "time goes on");
      check();
    }
  }

  void check() {
    std::vector<std::uint16_t> ids;
    for (const auto& open : open_)
      if (!forgotten_.contains(open.id)) ids.push_back(open.id);
    duplicates_.check_acknowledged(ids, talk_.now);
    for (auto& one : slots_) one.check(talk_.now);
    for (const auto& asked : asked_)
      must(asked.over || talk_.now < asked.at + config_.request_timeout, "a request ends in time");
    for (const auto which : {Slot::ordinary, Slot::alarm})
      must(talk_.connection.busy(which) == slot(which).in_flight.has_value(), "both know what is in flight");
  }

  // -- what the connection says ---------------------------------------------------------------------------------------

  void on_sent(const Bytes& bytes, const Message& message) {
    if (message.type == Type::ack || message.type == Type::rst) return on_reply(bytes, message);
    if (message.type == Type::non) {
      if (message.token == token(Slot::ordinary) && RetransmissionModel::is_notification(message) &&
          !message.payload.empty()) {
        non_.emplace_back(message.id, observer(Slot::ordinary).id);
        if (non_.size() > 64) non_.erase(non_.begin());
      }
      return must(used_ids_.insert(message.id).second, "no message id twice");
    }
    auto& one = slot(message.token == token(Slot::alarm) ? Slot::alarm : Slot::ordinary);
    const bool again = one.in_flight && one.in_flight->message.id == message.id;
    if (!again) must(used_ids_.insert(message.id).second, "no message id twice");
    if (message.code.is_request()) asked_[serial_of(message)].token = message.token;
    if (!again && message.token == token_of("q")) --waiting_;
    const bool gone = one.in_flight && one.in_flight->message.code.is_request() &&
                      talk_.now >= asked_[serial_of(one.in_flight->message)].at + config_.request_timeout;
    one.sent(bytes, message, gone, talk_.now);
    one.note_sent(message);
  }

  void on_reply(const Bytes& bytes, const Message& message) {
    auto* seen = duplicates_.find(message.id);
    must(seen != nullptr, "an answer names a message that came");
    if (forgotten_.contains(message.id)) {  // two exchanges under one id: each is answered, and takes a place
      if (!message.code.is_empty()) duplicates_.answered_another();
      return answering_.reset();
    }
    if (seen->reply) {
      must(repeating_ == message.id, "nothing is answered twice unless it comes twice");
      must(bytes == *seen->reply, "a duplicate gets the same bytes");
      return repeating_.reset();
    }
    const bool response = !message.code.is_empty();
    must(seen->confirmable || message.type == Type::rst, "only a CON is acknowledged");
    if (response) must(answering_ == message.id, "a response is the application's");
    const bool is_request = std::ranges::find(open_, message.id, &Open::id) != open_.end();
    if (!response && is_request) must(talk_.now - seen->at >= config_.max_response_delay, "an empty ACK waits");
    answering_.reset();
    duplicates_.answered(*seen, bytes, response);
  }

  void on(const event::RequestReceived& request) {
    taken_ = fed_;
    open_.push_back({request.exchange, fed_, fed_is_confirmable_});
  }
  void on(const event::ResponseReceived& response) {
    taken_ = fed_;
    must(expected_response_ && asked_[*expected_response_].id == response.request, "a response is its request's");
    asked_[*expected_response_].over = true;
    expected_response_.reset();
  }
  void on(const event::RequestFailed& failed) {
    for (auto& asked : asked_) {
      if (asked.id != failed.request) continue;
      must(!asked.over, "a request ends once");
      asked.over = true;
      auto& in_flight = slot(Slot::ordinary).in_flight;
      const bool was_sent = asked.token.size() > 0;
      if (was_sent && in_flight && in_flight->message.token == asked.token) in_flight.reset();
    }
  }
  void on(const event::NotificationAcknowledged& acknowledged) {
    must(expected_ack_ == acknowledged.delivery, "exactly what was acknowledged is named");
    expected_ack_.reset();
  }
  void on(const event::ObserverLost& lost) {
    const Slot which = observer(Slot::alarm).id == lost.observer ? Slot::alarm : Slot::ordinary;
    must(observer(which).stands && observer(which).id == lost.observer, "an observer is lost once");
    if (lost.why == event::Failure::timeout) {
      const auto& last = slot(which).ended ? slot(which).ended : slot(which).in_flight;
      must(last && last->count == 4, "an observer is given four retransmissions");
      expect_loss(which, event::Failure::timeout);
    }
    must(expected_loss_ && expected_loss_->observer == lost.observer && expected_loss_->failed == lost.failed,
         "what is still owed is named");
    expected_loss_.reset();
    observer(which).stands = false;
  }
  void on(const event::NotificationRejected& rejected) {
    taken_ = fed_;
    must(rejected.why == event::NotificationRejected::Why::retired, "a token that was issued is retired");
  }
  void on(const event::Opened&) {}
  template <class Other>
  void on(const Other&) {
    must(false, "nothing else happens");
  }

  static std::size_t serial_of(const Message& request) {
    return std::stoul(request.options.strings(coap::OptionNumber::uri_query).at(0).substr(2));
  }
  coap::DeliveryId delivery_of(const Message& message) {
    return deliveries_[RetransmissionModel::serial_of(message) - 1];
  }

  Script script_;
  Connection::Config config_;
  DuplicateModel duplicates_;
  std::array<RetransmissionModel, 2> slots_;
  std::array<Observer, 2> observers_;
  std::vector<std::pair<std::uint16_t, coap::ObserverId>> non_;  // the last 64
  std::vector<coap::DeliveryId> deliveries_;                     // by serial, from 1
  std::vector<Asked> asked_;
  std::vector<Open> open_;
  std::set<std::uint16_t> used_ids_, forgotten_;
  std::uint16_t next_peer_id_ = 40000;
  std::uint16_t fed_ = 0;
  bool fed_is_confirmable_ = false;
  int waiting_ = 0;  // separate responses that have not been sent yet
  std::optional<std::uint16_t> taken_, repeating_, answering_;
  std::optional<coap::DeliveryId> expected_ack_;
  std::optional<std::size_t> expected_response_;
  std::optional<event::ObserverLost> expected_loss_;
  Conversation talk_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MessageLayer(Script(ByteView(data, size))).run();
  return 0;
}
