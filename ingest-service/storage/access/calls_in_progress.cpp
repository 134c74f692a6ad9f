#include "storage/access/calls_in_progress.hpp"

#include "storage/wire/status.hpp"

namespace wardlink::storage {

CallsInProgress::Call CallsInProgress::begin(const std::string& subject) {
  const locks::Lock lock(mutex_);
  const auto mine = by_subject_.find(subject);
  const auto count = mine == by_subject_.end() ? 0 : mine->second;
  if (count >= of_one_ || all_ >= of_all_) {
    ++refused_;
    throw Exhausted(count >= of_one_ ? "this subject has too many calls in progress: end one, or wait for one"
                                     : "as many calls as there may be are in progress: try again later");
  }
  ++by_subject_[subject];
  ++all_;
  return {*this, subject};
}

void CallsInProgress::end(const std::string& subject) {
  const locks::Lock lock(mutex_);
  const auto mine = by_subject_.find(subject);
  if (--mine->second == 0) by_subject_.erase(mine);
  --all_;
}

}  // namespace wardlink::storage
