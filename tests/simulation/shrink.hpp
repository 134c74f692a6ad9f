#pragma once
// A shorter schedule that still fails (A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing
// input", 2002): parts of it are left out for as long as the same invariant breaks.

#include <functional>

#include "faults.hpp"

namespace wardlink::simulation {

/// `fails` is asked at most `most` times; `schedule` itself fails.
Schedule shorten(Schedule schedule, const std::function<bool(const Schedule&)>& fails, int most = 300);

}  // namespace wardlink::simulation
