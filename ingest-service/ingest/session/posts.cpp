#include "ingest/session/posts.hpp"

#include <utility>

#include "ingest/session/diagnostic.hpp"

namespace wardlink::ingest {
namespace {

bool of_alarms(Resource resource) { return row_of(resource).content == Content::alarms; }

coap::Code code_of(QuarantineReason reason) {
  if (reason == QuarantineReason::foreign_name) return coap::code::forbidden;
  if (reason == QuarantineReason::unsupported_format) return coap::code::unsupported_content_format;
  return coap::code::bad_request;
}

/// RFC 7959 §4: how much may come.
coap::Response too_large(std::size_t most) {
  auto response = diagnostic(coap::code::request_entity_too_large,
                             "at most " + std::to_string(most) + " bytes, in one piece; send several");
  response.options.add_uint(coap::OptionNumber::size1, static_cast<std::uint32_t>(most));
  return response;
}

}  // namespace

Posts::Taken Posts::take(Resource resource, const coap::event::RequestReceived& request, const std::string& device,
                         WallTime calendar, bool registered, coap::Instant now) {
  const bool alarms = of_alarms(resource);
  if (request.partial || request.payload.size() > config_.payload) {
    count(resource, PostEnd::refused);
    return {too_large(config_.payload), std::nullopt};
  }
  auto post = read_post(resource, device, request.content_format, request.payload, calendar, registered);
  if (!post) {
    count(resource, PostEnd::refused);
    return {diagnostic(code_of(post.error().reason), to_words(post.error())), post.error().reason};
  }
  if (!context_.sink.connected(alarms ? Lane::alarms : Lane::readings))
    return {try_later(resource, coap::code::service_unavailable, "storage is away: nothing was taken"), std::nullopt};
  if (!alarms && held_readings_ >= config_.held_readings)
    return {try_later(resource, coap::code::too_many_requests, "more readings than can be stored"), std::nullopt};
  if (alarms && open_alarms_ + post->facts.size() > config_.open_alarms)
    return {try_later(resource, coap::code::service_unavailable, "more alarms of yours wait than may"), std::nullopt};
  if (!post->keyed) number_by_hand(*post, device);
  hold(resource, request.exchange, std::move(*post), now);
  return {};
}

/// What comes without keys gets them here: a boot for the session, whose clock is the calendar's.
void Posts::number_by_hand(Post& post, const std::string& device) {
  if (by_hand_sequence_ == 0) context_.sink.attach({by_hand(name_), device, context_.draw_boot(), std::nullopt});
  for (Fact& fact : post.facts) fact.sequence = ++by_hand_sequence_;
}

void Posts::hold(Resource resource, coap::ExchangeId exchange, Post post, coap::Instant now) {
  const SinkSession session = post.keyed ? name_ : by_hand(name_);
  std::vector<Ticket> tickets;
  for (std::size_t i = 0; i < post.facts.size(); ++i)
    waiting_.emplace(tickets.emplace_back(context_.draw_ticket()), exchange);
  held_.emplace(exchange, Held{resource, post.facts.size(), now + config_.patience, tickets});
  if (of_alarms(resource))
    open_alarms_ += tickets.size();
  else
    ++held_readings_;
  for (std::size_t i = 0; i < post.facts.size(); ++i)
    context_.sink.append({session, tickets[i], now, std::move(post.facts[i])});
}

std::optional<Posts::Answer> Posts::settle(Ticket ticket, RecordResult result) {
  const auto at = waiting_.find(ticket);
  if (at == waiting_.end()) return std::nullopt;
  const auto exchange = at->second;
  waiting_.erase(at);
  Held& held = held_.at(exchange);
  held.conflict = held.conflict || result == RecordResult::quarantined;
  if (is_durable(result) && --held.waits_for > 0) return std::nullopt;
  Answer answer{exchange, finish(held, result)};
  forget(exchange);
  return answer;
}

coap::Response Posts::finish(const Held& held, RecordResult result) {
  if (result == RecordResult::shed)
    return try_later(held.resource, coap::code::too_many_requests, "more readings than can be stored");
  if (!is_durable(result))
    return try_later(held.resource, coap::code::service_unavailable, "no room until storage is back");
  if (held.conflict) {
    count(held.resource, PostEnd::refused);
    return diagnostic(coap::code::conflict, "another record has this q: what came is kept in quarantine");
  }
  count(held.resource, PostEnd::stored);
  coap::Response response;
  response.code = coap::code::changed;
  return response;
}

std::vector<Posts::Answer> Posts::expire(coap::Instant now) {
  std::vector<Answer> answers;
  while (!held_.empty() && held_.begin()->second.until <= now) {
    const auto& [exchange, held] = *held_.begin();
    answers.push_back({exchange, try_later(held.resource, coap::code::service_unavailable,
                                           "storage did not answer in time: it may still store this")});
    forget(exchange);
  }
  return answers;
}

std::optional<coap::Instant> Posts::next_deadline() const {
  if (held_.empty()) return std::nullopt;
  return held_.begin()->second.until;
}

void Posts::end() {
  held_.clear();
  held_readings_ = open_alarms_ = 0;
  waiting_.clear();
  if (by_hand_sequence_ != 0) context_.sink.detach(by_hand(name_));
  by_hand_sequence_ = 0;
}

void Posts::count(Resource resource, PostEnd end) {
  ++context_.stats.posts[index_of(resource)][static_cast<std::size_t>(end)];
}

void Posts::forget(coap::ExchangeId exchange) {
  const auto held = held_.extract(exchange);
  if (of_alarms(held.mapped().resource))
    open_alarms_ -= held.mapped().tickets.size();
  else
    --held_readings_;
  for (Ticket ticket : held.mapped().tickets) waiting_.erase(ticket);
}

/// RFC 8516 §3, RFC 7252 §5.9.3.4: Max-Age says when to try again.
coap::Response Posts::try_later(Resource resource, coap::Code code, const char* words) {
  count(resource, code == coap::code::too_many_requests ? PostEnd::shed : PostEnd::away);
  auto response = diagnostic(code, std::string(words) + "; try again later");
  response.options.add_uint(coap::OptionNumber::max_age, static_cast<std::uint32_t>(config_.retry_after.count()));
  return response;
}

}  // namespace wardlink::ingest
