#pragma once
// Where the recordings of real patients lie, where this machine has them.

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "places.hpp"

namespace wardlink::testing {

/// WARDLINK_REALDATA, else ../shared/realdata beside the source folder; empty when there is no such folder.
inline std::optional<std::filesystem::path> realdata() {
  const char* named = std::getenv("WARDLINK_REALDATA");
  const auto folder =
      named != nullptr ? std::filesystem::path(named) : std::filesystem::path(places::source("../shared/realdata"));
  if (!std::filesystem::exists(folder / "THRESHOLD_EPISODES.csv")) return std::nullopt;
  return folder;
}

#define WARDLINK_NEEDS_REALDATA(folder)                                                                      \
  const auto folder##_found = ::wardlink::testing::realdata();                                               \
  if (!folder##_found) GTEST_SKIP() << "the recordings are not here: set WARDLINK_REALDATA to their folder"; \
  const std::filesystem::path& folder = *folder##_found

}  // namespace wardlink::testing
