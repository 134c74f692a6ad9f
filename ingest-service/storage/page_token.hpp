#pragma once
// Opaque page tokens: where the next page begins, and a digest of the request that they belong to. A token holds no
// right: what it leads to is filtered by the caller's own grants.

#include <google/protobuf/message.h>

#include <optional>
#include <string>

#include "storage/record_store.hpp"

namespace wardlink::storage {

/// `request` with its fields page_token and page_size cleared. `place` is what comes back from read_page_token().
std::string make_page_token(const google::protobuf::Message& request, const std::string& place);
/// InvalidArgument when it is none of ours, or belongs to another request.
std::string read_page_token(const google::protobuf::Message& request, const std::string& token);

std::string to_place(const Position& position);
Position read_place(const std::string& place);

/// 0 = 1,000; more than 10,000 is cut. InvalidArgument below 0.
std::size_t page_size_of(std::int32_t asked);

}  // namespace wardlink::storage
