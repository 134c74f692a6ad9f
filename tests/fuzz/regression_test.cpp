// Every corpus file, and every truncation of it, through its fuzz target: what was found once stays found.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <vector>

#include "places.hpp"
#include "script.hpp"

extern "C" {
int fuzz_message(const std::uint8_t* data, std::size_t size);
int fuzz_text(const std::uint8_t* data, std::size_t size);
int fuzz_observation(const std::uint8_t* data, std::size_t size);
int fuzz_reliability(const std::uint8_t* data, std::size_t size);
int fuzz_senml(const std::uint8_t* data, std::size_t size);
int fuzz_session(const std::uint8_t* data, std::size_t size);
int fuzz_intake(const std::uint8_t* data, std::size_t size);
int fuzz_post(const std::uint8_t* data, std::size_t size);
int fuzz_demultiplexing(const std::uint8_t* data, std::size_t size);
}

namespace {

struct Target {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);
};

void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

class FuzzRegression : public testing::TestWithParam<Target> {
 protected:
  static std::vector<std::filesystem::path> corpus() {
    std::vector<std::filesystem::path> files;
    const auto folder = std::filesystem::path(places::source("tests/fuzz/corpus")) / GetParam().name;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
  }

  /// A copy of exactly that size, so that a sanitizer sees the first byte behind it.
  static void run(const fuzz::Bytes& file, std::size_t size, const std::string& name) {
    const fuzz::Bytes input(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    try {
      GetParam().run(input.data(), input.size());
    } catch (const std::exception& broken) {
      ADD_FAILURE() << name << ", its first " << size << " bytes: " << broken.what();
    }
  }
};

TEST_P(FuzzRegression, HoldsItsPromisesForTheCorpus) {  // COAP-03, MSG-01 to -05, MSG-08, OBS-01, OBS-06 to -12
  const auto files = corpus();
  ASSERT_FALSE(files.empty());
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const fuzz::Bytes file{std::istreambuf_iterator<char>(in), {}};
    for (std::size_t size = 0; size <= file.size(); ++size) {
      run(file, size, path.filename());
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzRegression,
                         testing::Values(Target{"message", fuzz_message}, Target{"text", fuzz_text},
                                         Target{"observation", fuzz_observation},
                                         Target{"reliability", fuzz_reliability}, Target{"senml", fuzz_senml},
                                         Target{"session", fuzz_session}, Target{"intake", fuzz_intake},
                                         Target{"post", fuzz_post}, Target{"demultiplexing", fuzz_demultiplexing}),
                         [](const auto& made) { return std::string(made.param.name); });

}  // namespace
