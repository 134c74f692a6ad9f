#include "storage/wire/status.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <typeinfo>

namespace wardlink::storage {

grpc::Status status_of(const std::exception& error) {
  if (dynamic_cast<const InvalidArgument*>(&error)) return {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  if (const auto* refused = dynamic_cast<const Refused*>(&error)) return {refused->code(), error.what()};
  if (dynamic_cast<const OutOfRange*>(&error)) return {grpc::StatusCode::OUT_OF_RANGE, error.what()};
  if (dynamic_cast<const Exhausted*>(&error)) return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.what()};
  if (dynamic_cast<const Stopping*>(&error)) return {grpc::StatusCode::UNAVAILABLE, error.what()};
  if (const auto* store = dynamic_cast<const StoreError*>(&error)) {
    switch (store->kind()) {
      case StoreError::Kind::away:
        spdlog::warn(fmt::format("a call ends unanswered: {}", error.what()));
        return {grpc::StatusCode::UNAVAILABLE, "the database is away; try again"};
      case StoreError::Kind::not_found:
        return {grpc::StatusCode::NOT_FOUND, error.what()};
      case StoreError::Kind::exists:
        return {grpc::StatusCode::ALREADY_EXISTS, error.what()};
      case StoreError::Kind::precondition:
        return {grpc::StatusCode::FAILED_PRECONDITION, error.what()};
    }
  }
  if (dynamic_cast<const StoreUnfit*>(&error)) return {grpc::StatusCode::UNAVAILABLE, error.what()};
  spdlog::error(fmt::format("a call failed in a way that was not foreseen: {}", typeid(error).name()));
  return {grpc::StatusCode::INTERNAL, "an error that was not foreseen; the service's log says where"};
}

}  // namespace wardlink::storage
