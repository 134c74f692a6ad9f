#pragma once
// Opaque page tokens: where the next page begins, and a digest of the request that they belong to. A token holds no
// right: what it leads to is filtered by the caller's own grants.

#include <google/protobuf/message.h>

#include <optional>
#include <string>

#include "storage/instants.hpp"
#include "storage/record_store.hpp"
#include "storage/status.hpp"

namespace wardlink::storage {

/// `request` with its fields page_token and page_size cleared. `place` is what comes back from read_page_token().
std::string make_page_token(const google::protobuf::Message& request, const std::string& place);
/// InvalidArgument when it is none of ours, or belongs to another request.
std::string read_page_token(const google::protobuf::Message& request, const std::string& token);

std::string to_place(const Position& position);
Position read_place(const std::string& place);

/// 0 = 1,000; more than 10,000 is cut. InvalidArgument below 0.
std::size_t page_size_of(std::int32_t asked);

/// What a page token belongs to: the request but for its page.
template <class Request>
Request without_page(Request request) {
  request.clear_page_token();
  request.clear_page_size();
  return request;
}

/// The span of time and the page of a list request, into its query. InvalidArgument names the field at fault.
template <class Request, class Query>
void read_span_and_page(const Request& request, Query& query) {
  if (request.has_start_time()) query.start = parse_instant("start_time", request.start_time());
  if (request.has_end_time()) query.end = parse_instant("end_time", request.end_time());
  if (query.start && query.end && *query.start > *query.end) {
    throw InvalidArgument("end_time", "lies before start_time");
  }
  query.limit = page_size_of(request.page_size());
  if (!request.page_token().empty()) {
    query.after = read_place(read_page_token(without_page(request), request.page_token()));
  }
}

}  // namespace wardlink::storage
