#pragma once
// Texts that people write into requests.

#include <string>

namespace wardlink::storage {

/// InvalidArgument naming the field, unless it has 1 to 200 characters and no NUL.
void require_text(const std::string& field, const std::string& text);

}  // namespace wardlink::storage
