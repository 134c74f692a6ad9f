#pragma once
// Where this checkout and its build are. One file alone is compiled with these paths, so that the objects of two
// checkouts are the same to a compiler cache.

#include <string>

namespace places {

/// Of a file or folder of the checkout: source("docs/wire.md").
std::string source(const std::string& path);

/// Of a program of this build: program("wardlink").
std::string program(const std::string& name);

}  // namespace places
