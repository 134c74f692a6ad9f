// Requests in both directions over one session, and the notifications that are their late responses.

#include <utility>

#include "connection_impl.hpp"

namespace coap {
namespace {

/// RFC 7959 §2.2: the number of the block in all bits but the last four, of which the first says that more follow.
bool is_one_block_of_several(const Message& request) {
  const auto block1 = request.options.uint(OptionNumber::block1);
  return block1 && ((*block1 >> 4) != 0 || (*block1 & 0x8) != 0);
}

// Not answered yet, or by an answer that waits for its turn. The peer's NSTART is 2: more is not a wearable's way.
constexpr std::size_t kMaxOpenExchanges = 32;

Message response_to(const Message& request, Code code) {
  Message response;
  response.type = Type::ack;
  response.id = request.id;
  response.token = request.token;
  response.code = code;
  return response;
}

}  // namespace

// -- what the peer asks ----------------------------------------------------------------------------------------------

void Connection::Impl::receive_request(const Message& message, Instant now) {
  const bool confirmable = message.type == Type::con;
  const bool bad_option = critical_fault(message.options).has_value();
  if (bad_option || exchanges.size() + slot(Slot::ordinary).waiting_responses() >= kMaxOpenExchanges) {
    // RFC 7252 §5.4.1: a NON with an option that must be understood is rejected; silence is allowed (§4.3).
    ++counters.malformed;
    if (!confirmable) return;
    const auto refusal = response_to(message, bad_option ? code::bad_option : code::service_unavailable);
    seen.answered(message.id, encode(refusal));
    return transmit(refusal);
  }
  auto observe = message.code == code::get ? message.options.uint(OptionNumber::observe) : std::nullopt;
  if (observe && *observe > 1) observe.reset();
  if (observe == 1) {
    if (const auto observer = observers.by_token(message.token)) {
      observers.remove(*observer);
      for (auto& one : slots) one.remove(*observer);
      emit(event::ObserverLeft{*observer});
    }
  }
  const auto id = fresh<ExchangeId>();
  exchanges.emplace(id, Exchange{confirmable, false, message.id, message.token, now + config.max_response_delay});
  const auto format = [&](OptionNumber option) {
    const auto number = message.options.uint(option);
    return number ? std::optional{static_cast<std::uint16_t>(*number)} : std::nullopt;
  };
  emit(event::RequestReceived{id, message.code, uri_path(message.options),
                              message.options.strings(OptionNumber::uri_query), observe,
                              format(OptionNumber::content_format), message.payload, format(OptionNumber::accept),
                              is_one_block_of_several(message)});
}

std::optional<Connection::Impl::Exchange> Connection::Impl::take_exchange(ExchangeId id) {
  const auto at = exchanges.find(id);
  if (closed || at == exchanges.end()) return std::nullopt;
  const Exchange exchange = at->second;
  exchanges.erase(at);
  return exchange;
}

Message Connection::Impl::to_message(const Response& response, const Token& token,
                                     std::optional<std::uint32_t> observe) const {
  Message message;
  message.code = response.code;
  message.token = token;
  message.options = response.options;
  if (observe) message.options.add_uint(OptionNumber::observe, *observe);
  if (response.content_format) message.options.add_uint(OptionNumber::content_format, *response.content_format);
  message.payload = response.payload;
  return message;
}

void Connection::Impl::answer(const Exchange& exchange, Message message, Instant now, ObserverId observer) {
  if (exchange.confirmable && !exchange.acknowledged) {
    message.type = Type::ack;
    message.id = exchange.id;
    auto bytes = encode(message);
    transmit(bytes, Type::ack);
    seen.answered(exchange.id, std::move(bytes));
  } else if (exchange.confirmable) {
    message.type = Type::con;
    slot(Slot::ordinary).submit({std::move(message), {Owner::Kind::response, {}, observer}});
    pump(now);
  } else if (const auto id = draw_id(now)) {
    message.type = Type::non;
    message.id = *id;
    transmit(message);
  }
}

ObserverId Connection::Impl::admit(const Exchange& exchange) {
  return observers.add(exchange.token, fresh<ObserverId>());
}

void Connection::Impl::notify_non(ObserverId observer, Message message, Instant now) {
  if (now < probing.next(last_heard)) return;
  // Who only takes notifications has nothing to say; a Reset of a ping is a word (RFC 7252 §4.3).
  auto& ordinary = slot(Slot::ordinary);
  if (now - last_heard >= config.probing_after / 2 && !ordinary.in_flight() && !ordinary.idle_with_work()) {
    ordinary.submit({Message{}, {Owner::Kind::ping}});
    pump(now);
  }
  const auto id = draw_id(now);
  if (!id) return;
  message.type = Type::non;
  message.id = *id;
  observers.sent_non(*id, observer);
  const auto bytes = encode(message);
  probing.sent(bytes.size(), last_heard, now);
  transmit(bytes, Type::non);
}

void Connection::Impl::lose_observer(ObserverId id, event::Failure why) {
  if (observers.find(id) == nullptr) return;
  observers.remove(id);
  event::ObserverLost lost{id, why, {}};
  for (auto& one : slots) {
    const auto removed = one.remove(id);
    lost.failed.insert(lost.failed.end(), removed.begin(), removed.end());
  }
  emit(std::move(lost));
}

// -- what this side asks ---------------------------------------------------------------------------------------------

RequestId Connection::Impl::send_request(const Request& request, const Token& token, Pending::Kind kind,
                                         ObservationId observation, std::optional<std::uint32_t> observe, Instant now,
                                         Reliability reliability) {
  Message message;
  message.type = reliability == Reliability::con ? Type::con : Type::non;
  message.code = request.method;
  message.token = token;
  if (observe) message.options.add_uint(OptionNumber::observe, *observe);
  add_uri(message.options, request.path, request.queries);
  if (request.content_format) message.options.add_uint(OptionNumber::content_format, *request.content_format);
  message.payload = request.payload;
  const auto id = fresh<RequestId>();
  pending.emplace(id, Pending{kind, token, observation, now + config.request_timeout});
  if (reliability == Reliability::con) {
    slot(Slot::ordinary).submit({std::move(message), {Owner::Kind::request, id}});
    pump(now);
  } else if (const auto number = draw_id(now)) {  // else it is as good as lost
    message.id = *number;
    transmit(message);
  }
  return id;
}

std::optional<RequestId> Connection::Impl::pending_by_token(const Token& token) const {
  for (const auto& [id, request] : pending) {
    if (request.token == token) return id;
  }
  return std::nullopt;
}

void Connection::Impl::complete(RequestId id) {
  pending.erase(id);
  // RFC 7252 §5.2.2: a response stands for the ACK of its request where that was lost.
  slot(Slot::ordinary).remove(id);
}

void Connection::Impl::request_failed(RequestId id, event::Failure why) {
  const auto at = pending.find(id);
  if (at == pending.end()) return;
  const Pending request = at->second;
  complete(id);
  if (request.kind == Pending::Kind::plain) emit(event::RequestFailed{id, why});
  // A refresh that was lost says nothing of the observer, whose notifications may come again any time.
  const bool ends = request.kind == Pending::Kind::registration ||
                    (request.kind == Pending::Kind::refresh && why == event::Failure::reset);
  if (ends && observations.find(request.observation) != nullptr) {
    observations.remove(request.observation);
    emit(event::ObservationEnded{request.observation, code::empty});
  }
}

void Connection::Impl::receive_response(const Message& message, Instant now) {
  const auto request = pending_by_token(message.token);
  if (const auto observation = observations.by_token(message.token)) {
    // RFC 7641 §1.2: notifications bear the registration's token, so a Non-confirmable one that has overtaken the
    // answer shows that the peer knows of the observation. What the answer itself carries is still asked for, but where
    // nobody answers, nothing ends.
    const bool overtakes = message.type == Type::non && message.code.is_success() &&
                           message.options.first(OptionNumber::observe).has_value();
    if (request && overtakes) pending.at(*request).kind = Pending::Kind::refresh;
    if (request && !overtakes) complete(*request);
    return receive_notification(*observation, message, now);
  }
  if (!request) return reject(message);
  const auto kind = pending.at(*request).kind;
  // A notification that was on its way when the observation was cancelled under the same token (RFC 7641 §3.6).
  const bool late = kind == Pending::Kind::cancellation && message.options.first(OptionNumber::observe).has_value();
  if (late) return reject(message);
  acknowledge_now(message);
  complete(*request);
  if (kind == Pending::Kind::plain) {
    emit(event::ResponseReceived{*request, message.code, message.options, message.payload});
  }
}

void Connection::Impl::receive_notification(ObservationId id, const Message& message, Instant now) {
  auto& entry = *observations.find(id);
  const auto observe = message.options.uint(OptionNumber::observe);
  const bool ends = !message.code.is_success() || !observe;  // RFC 7641 §3.2, §4.2
  const bool confirmable = message.type == Type::con;
  const auto delivery = fresh<DeliveryId>();
  if (confirmable && entry.policy == AckPolicy::held && message.code.is_success()) {
    while (!held.empty() && held.begin()->second.until <= now) held.erase(held.begin());
    if (held.size() >= config.max_held) {
      ++counters.held_over;
      return seen.forget(message.id);
    }
    held.emplace(delivery, Held{message.id, now + config.exchange_lifetime});
  } else {
    acknowledge_now(message);
  }
  if (message.code.is_success()) {
    const auto format = message.options.uint(OptionNumber::content_format);
    const auto max_age = message.options.uint(OptionNumber::max_age);
    emit(event::NotificationReceived{id, delivery, confirmable, !observe || entry.take(*observe, now), message.code,
                                     format ? std::optional{static_cast<std::uint16_t>(*format)} : std::nullopt,
                                     message.payload, max_age ? std::chrono::seconds{*max_age} : default_max_age});
  }
  if (ends) {
    observations.remove(id);
    emit(event::ObservationEnded{id, message.code});
  }
}

void Connection::Impl::acknowledge_now(const Message& message) {
  if (message.type != Type::con) return;
  seen.answered(message.id, Deduplication::Reply::ack);
  send_empty(Type::ack, message.id);
}

void Connection::Impl::reject(const Message& message) {
  if (message.type == Type::ack) return;  // nothing can be answered to an ACK
  const bool retired = tokens.was_issued(message.token);
  ++(retired ? counters.retired_token : counters.unknown_token);
  seen.answered(message.id, Deduplication::Reply::rst);
  send_empty(Type::rst, message.id);
  using Why = event::NotificationRejected::Why;
  emit(event::NotificationRejected{retired ? Why::retired : Why::unknown, message.type == Type::con});
}

/// RFC 7252 §5.4.1: a response with an option that must be understood is rejected: a CON by a Reset (§4.2), a NON in
/// silence (§4.3). The peer drops an observer that resets (RFC 7641 §3.6), so the observation has ended.
void Connection::Impl::reject_critical(const Message& message) {
  ++counters.malformed;
  if (message.type != Type::con) return;
  seen.answered(message.id, Deduplication::Reply::rst);
  send_empty(Type::rst, message.id);
  const auto observation = observations.by_token(message.token);
  if (!observation) return;
  if (const auto request = pending_by_token(message.token)) complete(*request);
  observations.remove(*observation);
  emit(event::ObservationEnded{*observation, code::empty});
}

void Connection::Impl::expire_exchanges(Instant now) {
  for (auto& [id, exchange] : exchanges) {
    if (!exchange.confirmable || exchange.acknowledged || now < exchange.ack_deadline) continue;
    exchange.acknowledged = true;  // RFC 7252 §5.2.2: a separate response follows
    seen.answered(exchange.id, Deduplication::Reply::ack);
    send_empty(Type::ack, exchange.id);
  }
  std::vector<RequestId> late;
  for (const auto& [id, request] : pending) {
    if (request.deadline <= now) late.push_back(id);
  }
  for (const auto id : late) request_failed(id, event::Failure::timeout);
}

// -- the commands ----------------------------------------------------------------------------------------------------

RequestId Connection::request(Request request, Instant now, Reliability reliability) {
  return impl_->send_request(request, impl_->tokens.issue(), Impl::Pending::Kind::plain, {}, std::nullopt, now,
                             reliability);
}

void Connection::respond(ExchangeId id, Response response, Instant now) {
  const auto exchange = impl_->take_exchange(id);
  if (exchange) impl_->answer(*exchange, impl_->to_message(response, exchange->token, std::nullopt), now);
}

ObserverId Connection::respond_observed(ExchangeId id, Response response, Instant now) {
  const auto exchange = impl_->take_exchange(id);
  if (!exchange) return {};
  const auto observer = impl_->admit(*exchange);
  const auto sequence = impl_->observers.find(observer)->next();
  impl_->answer(*exchange, impl_->to_message(response, exchange->token, sequence), now, observer);
  return observer;
}

std::pair<ObserverId, DeliveryId> Connection::respond_observed_separately(ExchangeId id, Response response, Slot slot,
                                                                          Instant now) {
  const auto exchange = impl_->take_exchange(id);
  if (!exchange) return {};
  if (exchange->confirmable && !exchange->acknowledged) {
    impl_->seen.answered(exchange->id, Deduplication::Reply::ack);
    impl_->send_empty(Type::ack, exchange->id);
  }
  const auto observer = impl_->admit(*exchange);
  return {observer, notify(observer, std::move(response), Reliability::con, slot, now)};
}

DeliveryId Connection::notify(ObserverId id, Response response, Reliability reliability, Slot slot, Instant now) {
  const auto delivery = impl_->fresh<DeliveryId>();
  auto* observer = impl_->observers.find(id);
  if (impl_->closed || observer == nullptr || observer->last) return delivery;
  // RFC 7641 §4.2: an error is the last notification. It carries no Observe option, and there is no observer any more.
  const bool last = !response.code.is_success();
  auto message = impl_->to_message(response, observer->token, last ? std::nullopt : std::optional{observer->next()});
  if (reliability == Reliability::con) {
    message.type = Type::con;
    if (last) observer->last = delivery;
    impl_->slot(slot).submit({std::move(message), {Owner::Kind::notification, {}, id, delivery}});
    impl_->pump(now);
  } else {
    impl_->notify_non(id, std::move(message), now);
    if (last) remove_observer(id);
  }
  return delivery;
}

void Connection::remove_observer(ObserverId observer) {
  impl_->observers.remove(observer);
  for (auto& one : impl_->slots) one.remove(observer);
}

ObservationId Connection::observe(Request request, AckPolicy policy, Instant now) {
  const auto id = impl_->fresh<ObservationId>();
  const auto token = impl_->tokens.issue();
  impl_->observations.add(id, {token, request, policy, std::nullopt, now});
  impl_->send_request(request, token, Impl::Pending::Kind::registration, id, 0, now);
  return id;
}

void Connection::refresh(ObservationId id, Instant now) {
  const auto* entry = impl_->observations.find(id);
  if (entry == nullptr || impl_->pending_by_token(entry->token)) return;
  impl_->send_request(entry->request, entry->token, Impl::Pending::Kind::refresh, id, 0, now);
}

void Connection::cancel(ObservationId id, Instant now) {
  const auto* entry = impl_->observations.find(id);
  if (entry == nullptr) return;
  const auto [token, request] = std::pair{entry->token, entry->request};
  if (const auto registering = impl_->pending_by_token(token)) impl_->complete(*registering);
  impl_->observations.remove(id);
  impl_->send_request(request, token, Impl::Pending::Kind::cancellation, id, 1, now);
}

void Connection::decline(DeliveryId delivery) {
  const auto at = impl_->held.find(delivery);
  if (at == impl_->held.end()) return;
  impl_->seen.forget(at->second.id);
  impl_->held.erase(at);
}

void Connection::acknowledge(DeliveryId delivery, Instant now) {
  const auto at = impl_->held.find(delivery);
  if (impl_->closed || at == impl_->held.end()) return;
  const auto [id, until] = at->second;
  impl_->held.erase(at);
  if (until <= now) return;  // its sender gave up long ago, and would take the ACK for another's
  impl_->seen.answered(id, Deduplication::Reply::ack);
  impl_->send_empty(Type::ack, id);
}

}  // namespace coap
