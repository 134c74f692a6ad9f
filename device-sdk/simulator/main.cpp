// wardlink-ward: simulated wearables over real DTLS.

#include <atomic>
#include <csignal>
#include <exception>
#include <iostream>

#include "config.hpp"
#include "ward.hpp"

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");

void on_signal(int) { interrupted = true; }

void print_list(const ward::Config& config, const std::vector<ward::Badge>& badges) {
  for (std::size_t i = 0; i < badges.size(); ++i) {
    std::cout << badges[i].label << ' ' << badges[i].urn;
    if (!config.replay.empty()) std::cout << ' ' << config.replay[i];
    std::cout << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) try {
  ward::Config config;
  if (const auto code = ward::parse(argc, argv, config)) return *code;
  auto badges = ward::load_badges(config);
  if (config.list) {
    print_list(config, badges);
    return 0;
  }
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  ward::Ward ward(config, std::move(badges));
  const bool complete = ward.run(interrupted);
  std::cout << ward.report();
  return complete ? 0 : 1;
} catch (const std::exception& problem) {
  std::cerr << "wardlink-ward: " << problem.what() << '\n';
  return 1;
}
