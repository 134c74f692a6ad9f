#pragma once
// Opaque page tokens: where the next page begins, and a digest of the request that they belong to. A token holds no
// right: what it leads to is filtered by the caller's own grants.

#include <google/protobuf/message.h>

#include <optional>
#include <string>

#include "storage/port/record_store.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {

/// `request` with its fields page_token and page_size cleared. `place` is what comes back from read_page_token().
std::string make_page_token(const google::protobuf::Message& request, const std::string& place);
/// InvalidArgument when it is none of ours, or belongs to another request.
std::string read_page_token(const google::protobuf::Message& request, const std::string& token);

std::string to_place(const Position& position);
Position read_place(const std::string& place);

/// 0 = 1,000; more than 10,000 is cut. InvalidArgument below 0.
std::size_t page_size_of(std::int32_t asked);

/// A page ends behind the element with which it reaches this size, the encoded elements counted: a client takes 4 MiB
/// by default. An element is 100 KiB at most.
constexpr std::size_t page_bytes = 1024 * 1024;
/// Where a client that knows no pages must get all that there is in one.
constexpr std::size_t single_page_bytes = 3 * page_bytes;

/// Adds rows to a page by `add(row)`, which returns the size of what it added, for as long as they fit. Returns how
/// many.
template <class Rows, class Add>
std::size_t fill_page(const Rows& rows, Add add, std::size_t most_bytes = page_bytes) {
  std::size_t taken = 0;
  for (std::size_t bytes = 0; taken < rows.size() && bytes < most_bytes; ++taken) bytes += add(rows[taken]);
  return taken;
}

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
