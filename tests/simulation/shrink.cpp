#include "shrink.hpp"

#include <algorithm>

namespace wardlink::simulation {

Schedule shorten(Schedule schedule, const std::function<bool(const Schedule&)>& fails, int most) {
  auto part = std::max<std::size_t>(1, schedule.size() / 2);
  while (!schedule.empty() && most > 0) {
    bool shorter = false;
    for (std::size_t from = 0; from < schedule.size() && most > 0;) {
      Schedule rest = schedule;
      const auto begin = rest.begin() + static_cast<std::ptrdiff_t>(from);
      rest.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(part, rest.size() - from)));
      --most;
      if (fails(rest)) {
        schedule = std::move(rest);
        shorter = true;
      } else {
        from += part;
      }
    }
    if (!shorter && part == 1) break;
    part = std::max<std::size_t>(1, part / 2);
  }
  return schedule;
}

}  // namespace wardlink::simulation
