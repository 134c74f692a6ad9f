#include "conversation_oracle.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace coap::testing {
namespace {

using namespace std::chrono_literals;
using MessageKey = std::pair<Side, std::uint16_t>;

bool names_itself(const Message& message) { return message.type == Type::con || message.type == Type::non; }

std::string text_of(const Message& message) { return {message.payload.begin(), message.payload.end()}; }

// -- one rule each ---------------------------------------------------------------------------------------------------

using Complaints = std::vector<std::string>;

void requests_end_once(const Conversation& it, Complaints& wrong) {
  std::map<std::string, int> times_served;
  for (const auto& one : it.served) {
    if (!one.query.empty()) ++times_served[one.query];
  }
  for (const auto& [query, times] : times_served) {
    if (times > 1) wrong.push_back("request " + query + " was handled twice");
  }
  for (const auto& [id, one] : it.asked) {
    const int ends = one.answered + one.failed;
    if (ends != (one.after_close ? 0 : 1)) {
      wrong.push_back("request " + one.query + " ended " + std::to_string(ends) + " times");
    }
    if (one.answered > 0 && times_served[one.query] == 0)
      wrong.push_back("request " + one.query + " was never handled");
  }
}

void notifications_come_once(const Conversation& it, Complaints& wrong) {
  std::map<std::string, const Conversation::Heard*> heard;
  for (const auto& one : it.heard) {
    if (!heard.emplace(one.text, &one).second) wrong.push_back("\"" + one.text + "\" was heard twice");
  }
  for (const auto& [id, one] : it.deliveries) {
    const auto quoted = "\"" + one.text + "\"";
    if (one.acknowledged + one.failed > 1) wrong.push_back(quoted + " ended more than once");
    if (one.failed > 0 && !it.lost.contains(one.observer)) wrong.push_back(quoted + " failed for an observer not lost");
    if (one.reliability == Reliability::non) {
      if (one.acknowledged > 0) wrong.push_back(quoted + " is a NON and was acknowledged");
      continue;
    }
    const auto at = heard.find(one.text);
    const bool to_be_heard = one.status.is_success();  // an error is told as the end of the observation
    if (to_be_heard && one.acknowledged > 0 && at == heard.end())
      wrong.push_back(quoted + " was acknowledged and never heard");
    if (one.acknowledged > 0 && at != heard.end() && at->second->held && !at->second->committed) {
      wrong.push_back(quoted + " was acknowledged and never committed");
    }
    if (one.acknowledged + one.failed > 0 || it.left.contains(one.observer)) continue;
    const bool superseded = std::any_of(it.deliveries.begin(), it.deliveries.end(), [&](const auto& other) {
      return other.second.observer == one.observer && other.second.order > one.order &&
             other.second.reliability == Reliability::con;
    });
    if (!superseded) wrong.push_back(quoted + " was neither acknowledged nor given back");
  }
}

/// RFC 7641 §3.4: what is taken as current never goes backwards.
void freshness_never_goes_back(const Conversation& it, Complaints& wrong) {
  std::map<std::string, std::uint32_t> order;
  for (const auto& [id, one] : it.deliveries) order[one.text] = one.order;
  std::map<ObservationId, std::uint32_t> newest;
  for (const auto& one : it.heard) {
    if (!one.fresh || !order.contains(one.text)) continue;
    if (order[one.text] < newest[one.observation]) wrong.push_back("\"" + one.text + "\" is old and was called fresh");
    newest[one.observation] = order[one.text];
  }
}

/// RFC 9175 §4.2: a token comes back only to refresh or cancel the same observation.
void tokens_are_not_reused(const Conversation& it, Complaints& wrong) {
  std::map<std::pair<Side, Token>, const Conversation::Sent*> first;
  for (const auto& one : it.sent) {
    const auto& message = one.message;
    if (!names_itself(message) || !message.code.is_request()) continue;
    if (message.token.size() != 4) wrong.push_back("a token is not 4 bytes long");
    const auto [at, is_new] = first.emplace(std::pair{one.from, message.token}, &one);
    const auto& before = at->second->message;
    if (is_new || before.id == message.id) continue;
    const bool observes = before.options.first(OptionNumber::observe) && message.options.first(OptionNumber::observe);
    if (!observes || uri_path(before.options) != uri_path(message.options)) wrong.push_back("a token was used twice");
  }
}

/// RFC 7252 §4.4: within EXCHANGE_LIFETIME the same id is the same message.
void message_ids_are_not_reused(const Conversation& it, Complaints& wrong) {
  std::map<MessageKey, const Conversation::Sent*> last;
  for (const auto& one : it.sent) {
    if (!names_itself(one.message)) continue;
    auto& before = last[{one.from, one.message.id}];
    if (before != nullptr && before->bytes != one.bytes && one.at - before->at < 247s) {
      wrong.push_back("a message id was used twice within its lifetime");
    }
    before = &one;
  }
}

/// When that message of `side` was answered for the first time by an ACK or RST.
std::optional<Instant> answered_at(const Conversation& it, const MessageKey& key) {
  for (const auto& one : it.arrived) {
    const auto message = decode(one.bytes);
    if (one.to == key.first && message && !names_itself(*message) && message->id == key.second) return one.at;
  }
  return std::nullopt;
}

/// RFC 7252 §4.2: first after 2 to 3 s, each pause twice the one before, four times at most, none after the answer. A
/// notification that took over from an older one goes on where that one was (RFC 7641 §4.5.2).
void retransmissions_keep_time(const Conversation& it, Complaints& wrong) {
  std::map<MessageKey, std::vector<Instant>> times;
  std::map<MessageKey, bool> notification;
  for (const auto& one : it.sent) {
    if (one.message.type != Type::con) continue;
    times[{one.from, one.message.id}].push_back(one.at);
    notification[{one.from, one.message.id}] =
        !one.message.code.is_request() && one.message.options.first(OptionNumber::observe).has_value();
  }
  for (const auto& [key, at] : times) {
    const auto name = std::string(name_of(key.first)) + "'s message " + std::to_string(key.second);
    const auto answered = answered_at(it, key);
    if (answered && at.back() > *answered) wrong.push_back(name + " was sent again after its answer");
    if (at.size() < 2) continue;
    auto pause = at[1] - at[0];
    auto transmissions = at.size();
    for (auto initial = pause; initial > 3s && notification[key]; initial /= 2) ++transmissions;
    auto initial = pause;
    while (initial > 3s && notification[key]) initial /= 2;
    if (initial < 2s || initial > 3s) wrong.push_back(name + " was first sent again at a wrong time");
    if (transmissions > 5) wrong.push_back(name + " was sent too often");
    for (std::size_t i = 2; i < at.size(); ++i, pause *= 2) {
      if (at[i] - at[i - 1] != pause * 2) wrong.push_back(name + " did not double its pause");
    }
  }
}

/// RFC 7641 §4.4: sequence numbers increase. (A Confirmable one may wait its turn while Non-confirmable ones go.)
void sequences_increase(const Conversation& it, Complaints& wrong) {
  std::map<std::pair<Token, Type>, std::pair<std::uint32_t, std::uint16_t>> last;
  std::set<std::pair<std::uint16_t, bool>> seen;
  for (const auto& one : it.sent) {
    const auto& message = one.message;
    const auto observe = message.options.uint(OptionNumber::observe);
    if (one.from != Side::wearable || !message.code.is_success() || !observe) continue;
    if (!seen.insert({message.id, message.type == Type::ack}).second) continue;  // sent again
    const auto [at, is_new] = last.try_emplace({message.token, message.type}, *observe, message.id);
    if (!is_new && *observe <= at->second.first) wrong.push_back("Observe did not increase");
    at->second = {*observe, message.id};
  }
}

/// An ACK of what is held leaves when it is committed, and not before.
void acks_are_held(const Conversation& it, Complaints& wrong) {
  std::map<std::uint16_t, std::string> texts;
  for (const auto& one : it.sent) {
    if (one.from == Side::wearable && one.message.type == Type::con) texts[one.message.id] = text_of(one.message);
    if (one.from != Side::ingest || one.message.type != Type::ack) continue;
    for (const auto& heard : it.heard) {
      if (!heard.held || heard.text != texts[one.message.id]) continue;
      if (!heard.committed || one.at < *heard.committed) wrong.push_back("\"" + heard.text + "\": ACK before commit");
    }
  }
}

void all_is_at_rest(const Conversation& it, Complaints& wrong) {
  if (it.in_circles) wrong.emplace_back("an end wakes up again and again");
  for (const auto& one : it.arrived) {
    if (one.answers > 3) wrong.push_back("one datagram was answered with " + std::to_string(one.answers));
  }
  if (!it.closed.empty()) return;
  for (const auto* end : {&it.wearable, &it.ingest}) {
    if (end->busy(Slot::ordinary) || end->busy(Slot::alarm)) wrong.emplace_back("something is still in flight");
    if (end->next_deadline()) wrong.emplace_back("something is still waited for");
  }
}

// -- the end of a conversation ---------------------------------------------------------------------------------------

void come_to_rest(Conversation& it) { it.pass(400s); }

/// On a network without faults: each observer that the wearable still has is notified or lost, and observing anew
/// works.
void start_over(Conversation& it) {
  it.network.heal();
  it.network.one_way = 20ms;
  it.answer_time = {};
  it.storage(true);
  if (!it.closed.empty()) return;
  for (const auto& [path, observer] : std::map(it.observers)) it.notify(path, "probe of " + path);
  come_to_rest(it);
  it.observe("/alarms");
  it.pass(1s);
  it.notify("/alarms", "the new observer's");
  come_to_rest(it);
}

void check_new_observer(const Conversation& it, Complaints& wrong) {
  if (!it.closed.empty()) return;
  const bool works = std::any_of(it.deliveries.begin(), it.deliveries.end(), [](const auto& one) {
    return one.second.text == "the new observer's" && one.second.acknowledged == 1;
  });
  if (!works) wrong.emplace_back("observing anew does not work");
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "\n  " + line;
  return text;
}

/// How often retransmissions ran out.
std::size_t timeouts(const Conversation& it) {
  const auto requests =
      std::count_if(it.asked.begin(), it.asked.end(), [](const auto& one) { return one.second.failed > 0; });
  const auto observers = std::count_if(it.lost.begin(), it.lost.end(),
                                       [](const auto& one) { return one.second == event::Failure::timeout; });
  return static_cast<std::size_t>(requests + observers);
}

/// True when all held.
bool run(const Script& script, const Conversation::Config& config, const std::vector<Fault>& faults,
         std::size_t timeouts_without_faults) {
  Conversation it(faults, config);
  script(it);
  come_to_rest(it);
  start_over(it);
  auto wrong = complaints(it);
  check_new_observer(it, wrong);
  // One or two faults do not use up four retransmissions.
  if (it.closed.empty() && timeouts(it) > timeouts_without_faults)
    wrong.emplace_back("something was given up that could have been repaired");
  if (wrong.empty()) return true;
  std::string what;
  for (const auto& fault : faults) what += to_string(fault) + "; ";
  ADD_FAILURE() << what << "seed " << config.seed << join(wrong) << "\ntranscript:" << join(transcript(it));
  return false;
}

}  // namespace

std::vector<std::string> complaints(const Conversation& conversation) {
  Complaints wrong;
  for (const auto rule :
       {requests_end_once, notifications_come_once, freshness_never_goes_back, tokens_are_not_reused,
        message_ids_are_not_reused, retransmissions_keep_time, sequences_increase, acks_are_held, all_is_at_rest}) {
    rule(conversation, wrong);
  }
  return wrong;
}

std::unique_ptr<Conversation> play(const Script& script, const Conversation::Config& config) {
  auto it = std::make_unique<Conversation>(std::vector<Fault>{}, config);
  script(*it);
  auto lines = transcript(*it);
  come_to_rest(*it);
  const auto wrong = complaints(*it);
  EXPECT_TRUE(wrong.empty()) << join(wrong) << "\ntranscript:" << join(lines);
  return it;
}

void replay_with_faults(const Script& script, const Conversation::Config& config, int pairs) {
  Conversation faultless({}, config);
  script(faultless);
  const auto datagrams = faultless.network.sent();
  come_to_rest(faultless);
  const auto by_itself = timeouts(faultless);
  constexpr std::array kinds{Fault::Kind::lost, Fault::Kind::doubled, Fault::Kind::delayed, Fault::Kind::echoed};
  int failures = 0;
  for (std::size_t n = 0; n < datagrams; ++n) {
    for (const auto kind : kinds) {
      if (!run(script, config, {{kind, n}}, by_itself) && ++failures == 3) return;
    }
  }
  std::mt19937_64 chance(config.seed);
  const auto draw = [&] {
    // A little beyond the end: a fault makes a conversation longer.
    return Fault{static_cast<Fault::Kind>(chance() % kinds.size()), chance() % (datagrams + 4)};
  };
  for (int pair = 0; pair < pairs; ++pair) {
    auto seeded_config = config;
    seeded_config.seed = config.seed + 1 + static_cast<std::uint64_t>(pair);
    if (!run(script, seeded_config, {draw(), draw()}, by_itself) && ++failures == 3) return;
  }
}

// -- the transcript --------------------------------------------------------------------------------------------------

namespace {

class Names {
 public:
  std::string id(Side owner, std::uint16_t number) {
    auto& known = ids_[{owner, number}];
    if (known.empty()) known = name_of(owner)[0] + std::to_string(++counts_[owner]);
    return known;
  }
  std::string token(const Token& token) {
    auto& known = tokens_[token];
    if (known.empty()) known = std::string(1, static_cast<char>('a' + (tokens_.size() - 1) % 26));
    return known;
  }

 private:
  std::map<MessageKey, std::string> ids_;
  std::map<Side, int> counts_;
  std::map<Token, std::string> tokens_;
};

std::string describe(Code code) {
  if (code == code::get) return "GET";
  if (code == code::post) return "POST";
  return to_string(code);
}

std::string line(const Conversation::Sent& one, Names& names) {
  constexpr const char* types[] = {"CON", "NON", "ACK", "RST"};
  const auto& message = one.message;
  std::string text = one.from == Side::wearable ? "wearable " : "ingest   ";
  text += types[static_cast<int>(message.type)];
  text += " " + names.id(names_itself(message) ? one.from : other(one.from), message.id);
  if (message.code.is_empty()) return text;
  text += " " + describe(message.code);
  if (message.code.is_request()) text += " " + uri_path(message.options);
  for (const auto& query : message.options.strings(OptionNumber::uri_query)) text += "?" + query;
  text += " [" + names.token(message.token) + "]";
  if (const auto observe = message.options.uint(OptionNumber::observe)) text += " observe " + std::to_string(*observe);
  if (!message.payload.empty()) text += " \"" + text_of(message) + "\"";
  return text;
}

}  // namespace

std::vector<std::string> transcript(const Conversation& conversation) {
  Names names;
  std::vector<std::string> lines;
  for (const auto& one : conversation.sent) lines.push_back(line(one, names));
  return lines;
}

}  // namespace coap::testing
