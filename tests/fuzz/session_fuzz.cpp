// F8. What an authenticated peer may say once the session stands, with both roles active: this side observes and is
// observed, asks and is asked. Input: a byte for the application's manner, then messages, each as it stands, or with
// its token and message id replaced by ones that matter just now.

#include "conversation.hpp"

namespace {

using namespace fuzz;
using coap::Slot;
using coap::Type;
namespace event = coap::event;
namespace code = coap::code;

class BothRoles {
 public:
  explicit BothRoles(Script script)
      : script_(script),
        manner_(script_.byte()),
        talk_(
            config_of(manner_), [this](const Bytes&, const Message& m) { on_sent(m); },
            [this](const coap::Event& e) { std::visit([this](const auto& one) { on(one); }, e); }) {}

  void run() {
    talk_.drain();
    observations_.push_back(
        talk_.connection.observe({code::get, "/vitals", {}, {}, {}}, coap::AckPolicy::at_once, talk_.now));
    observations_.push_back(
        talk_.connection.observe({code::get, "/alarms", {}, {}, {}}, coap::AckPolicy::held, talk_.now));
    talk_.connection.request({code::post, "/rd", {"lt=90"}, 40, {'<', '/', 'a', '>'}}, talk_.now);
    talk_.drain();
    for (int steps = 0; !script_.ended() && steps < 200; ++steps) step();
    talk_.pass(std::chrono::seconds{400});
    if (!closed_) check_alive();
  }

 private:
  static Connection::Config config_of(std::uint8_t manner) {
    Connection::Config config;
    config.detect_silence = (manner & 1) != 0;
    config.remembered_messages = 16;
    config.remembered_responses = 2;
    return config;
  }

  void step() {
    const std::uint8_t choice = script_.byte();
    switch (choice % 8) {
      case 0:
        return command(script_.byte());
      case 1:
        return talk_.pass(duration_of(script_.byte()));
      case 2:
        return receive(script_.block());  // raw
      default:
        return receive_altered(choice, script_.block());
    }
  }

  /// The fuzzer's message, with a token or an id that this side knows.
  void receive_altered(std::uint8_t choice, ByteView bytes) {
    auto message = coap::decode(bytes);
    if (!message) return receive(bytes);
    if ((choice & 8) != 0 && !tokens_.empty()) message->token = tokens_[script_.pick(tokens_.size())];
    if ((choice & 16) != 0 && !ids_.empty()) message->id = ids_[script_.pick(ids_.size())];
    if (message->code.is_empty()) message->token = {};
    receive(coap::encode(*message));
  }

  void receive(ByteView plaintext) {
    if (plaintext.size() == 1 && plaintext[0] == coap::testing::MemoryChannel::kCloseNotify) closed_ = true;
    sent_ = 0;
    talk_.receive(plaintext);
    // An answer, what waited behind what it ended (two slots), and what the application says to it.
    must(sent_ <= 6, "one message does not make a storm");
  }

  void command(std::uint8_t choice) {
    auto& connection = talk_.connection;
    const auto slot = (choice & 128) != 0 ? Slot::alarm : Slot::ordinary;
    switch (choice % 8) {
      case 0:
        connection.request({code::get, "/time", {}, {}, {}}, talk_.now);
        break;
      case 1:
        if (!observers_.empty())
          connection.notify(observers_[(choice >> 3) % observers_.size()],
                            {(choice & 32) != 0 ? code::service_unavailable : code::content, 112, {0x80}, {}},
                            (choice & 64) != 0 ? coap::Reliability::con : coap::Reliability::non, slot, talk_.now);
        break;
      case 2:
        connection.refresh(observations_[(choice >> 3) % observations_.size()], talk_.now);
        break;
      case 3:
        connection.cancel(observations_[(choice >> 3) % observations_.size()], talk_.now);
        break;
      case 4:
        if (!held_.empty()) {
          if ((choice & 64) != 0)
            connection.decline(held_.back());
          else
            connection.acknowledge(held_.back(), talk_.now);
          held_.pop_back();
        }
        break;
      case 5:
        connection.ping(talk_.now);
        break;
      case 6:
        if (!waiting_.empty()) {
          connection.respond(waiting_.back(), {code::content, 0, {'l', 'a', 't', 'e'}, {}}, talk_.now);
          waiting_.pop_back();
        }
        break;
      default:
        if ((choice & 64) != 0 && !observers_.empty())
          connection.remove_observer(observers_[(choice >> 3) % observers_.size()]);
        else if (observations_.size() < 8)
          observations_.push_back(
              connection.observe({code::get, "/waveforms/ecg", {}, {}, {}}, coap::AckPolicy::at_once, talk_.now));
    }
    talk_.drain();
  }

  /// A session that stands answers a ping, whatever was said before.
  void check_alive() {
    reset_ = false;
    talk_.receive(message_of(Type::con, code::empty, 0x7777));
    must(reset_, "a session that stands answers a ping");
  }

  void on_sent(const Message& message) {
    ++sent_;
    if (message.type == Type::rst && message.id == 0x7777) reset_ = true;
    must(!after_end_, "nothing is said after the end");
    if (message.type == Type::ack || message.type == Type::rst) return;
    ids_.push_back(message.id);
    if (message.code.is_request()) tokens_.push_back(message.token);
    if (ids_.size() > 32) ids_.erase(ids_.begin());
    if (tokens_.size() > 32) tokens_.erase(tokens_.begin());
  }

  void on(const event::RequestReceived& request) {
    must(!request.method.is_empty() && request.method.cls() == 0, "a request has a method");
    must(request.path.starts_with('/'), "a request has a path");
    const coap::Response response{code::content, 112, {0x80}, {}};
    if (request.observe == 0u && (manner_ & 2) != 0) {
      observers_.push_back(
          talk_.connection.respond_observed_separately(request.exchange, response, Slot::alarm, talk_.now).first);
    } else if (request.observe == 0u) {
      observers_.push_back(talk_.connection.respond_observed(request.exchange, response, talk_.now));
    } else if ((manner_ & 4) != 0) {
      waiting_.push_back(request.exchange);
      return;
    } else {
      talk_.connection.respond(request.exchange, {code::not_found, {}, {}, {}}, talk_.now);
    }
    drain_sent();
  }
  void on(const event::NotificationReceived& notification) {
    must(std::ranges::find(observations_, notification.observation) != observations_.end(), "it is one of ours");
    if (notification.confirmable && notification.observation == observations_[1])
      held_.push_back(notification.delivery);
  }
  void on(const event::Closed& closed) {
    must(!after_end_, "the end comes once");
    after_end_ = closed_ = true;
    must(closed.reason != coap::CloseReason::none, "the end has a reason");
  }
  template <class Other>
  void on(const Other&) {
    must(!after_end_, "nothing follows the end");
  }

  /// What a command inside an event's handler sends; its events come by the loop that is running.
  void drain_sent() {
    while (const auto datagram = talk_.connection.poll_datagram()) {
      const auto message = coap::decode(*datagram);
      must(bool{message}, "what is sent is CoAP");
      on_sent(*message);
    }
  }

  Script script_;
  std::uint8_t manner_;
  std::vector<coap::ObservationId> observations_;
  std::vector<coap::ObserverId> observers_;
  std::vector<coap::ExchangeId> waiting_;
  std::vector<coap::DeliveryId> held_;
  std::vector<coap::Token> tokens_;
  std::vector<std::uint16_t> ids_;
  std::size_t sent_ = 0;
  bool closed_ = false;
  bool after_end_ = false;
  bool reset_ = false;
  Conversation talk_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BothRoles(Script(ByteView(data, size))).run();
  return 0;
}
