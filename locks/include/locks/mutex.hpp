#pragma once
// A mutex that says what it guards. A member names its mutex, a function names the mutex that its callers hold, and
// scripts/check-locks compares both with each path of the code (clang's thread safety analysis). Other compilers see
// std::mutex and nothing else. Seen by all, sees nobody.
//
//   locks::Mutex mutex_;
//   int count_ GUARDED_BY(mutex_) = 0;           // read and written while mutex_ is held
//   void add(int more) REQUIRES(mutex_);         // called while mutex_ is held
//   void wait_for_ten() {
//     const locks::Lock lock(mutex_);
//     changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return count_ >= 10; });
//   }
//
// Not checked: constructors and destructors, and what a reference to a guarded member reaches after the lock is gone.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#if defined(__clang__)
#define LOCKS_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define LOCKS_ATTRIBUTE(attribute)
#endif

// Abseil, which gRPC's headers include, has these two as well, with the same meaning.
#ifndef GUARDED_BY
/// Behind a member: the mutex that is held wherever it is read or written.
#define GUARDED_BY(mutex) LOCKS_ATTRIBUTE(guarded_by(mutex))
#endif
#ifndef ACQUIRED_BEFORE
/// Behind a mutex: the mutexes that are never held when it is locked.
#define ACQUIRED_BEFORE(...) LOCKS_ATTRIBUTE(acquired_before(__VA_ARGS__))
#endif
/// Behind a function's parameters: the mutexes that its caller holds, before and after.
#define REQUIRES(...) LOCKS_ATTRIBUTE(requires_capability(__VA_ARGS__))
/// Behind a function's parameters: the mutexes that its caller does not hold.
#define EXCLUDES(...) LOCKS_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace locks {

/// Not recursive. Locked by Lock only.
class LOCKS_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

 private:
  friend class Lock;
  friend class Unlock;
  friend class Condition;
  std::mutex mutex_;
};

/// Holds the mutex for as long as it lives.
class LOCKS_ATTRIBUTE(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) LOCKS_ATTRIBUTE(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~Lock() LOCKS_ATTRIBUTE(release_capability()) = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const std::lock_guard<std::mutex> lock_;
};

/// Releases a mutex that is held, and takes it again at its own end.
class LOCKS_ATTRIBUTE(scoped_lockable) Unlock {
 public:
  explicit Unlock(Mutex& mutex) LOCKS_ATTRIBUTE(release_capability(mutex)) : mutex_(mutex.mutex_) { mutex_.unlock(); }
  ~Unlock() LOCKS_ATTRIBUTE(release_capability()) { mutex_.lock(); }
  Unlock(const Unlock&) = delete;
  Unlock& operator=(const Unlock&) = delete;

 private:
  std::mutex& mutex_;
};

/// std::condition_variable for a Mutex that the caller holds: released while it waits, held when `predicate` runs and
/// afterwards.
class Condition {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  /// May return without a notification.
  void wait(Mutex& mutex) REQUIRES(mutex) { condition_.wait(Held(mutex).lock()); }
  template <class Predicate>
  void wait(Mutex& mutex, Predicate predicate) REQUIRES(mutex) {
    condition_.wait(Held(mutex).lock(), std::move(predicate));
  }
  /// May return before `until` without a notification.
  template <class Clock, class Duration>
  void wait_until(Mutex& mutex, const std::chrono::time_point<Clock, Duration>& until) REQUIRES(mutex) {
    condition_.wait_until(Held(mutex).lock(), until);
  }
  /// Returns what `predicate` says last.
  template <class Clock, class Duration, class Predicate>
  bool wait_until(Mutex& mutex, const std::chrono::time_point<Clock, Duration>& until, Predicate predicate)
      REQUIRES(mutex) {
    return condition_.wait_until(Held(mutex).lock(), until, std::move(predicate));
  }
  /// Returns what `predicate` says last.
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, const std::chrono::duration<Rep, Period>& limit, Predicate predicate) REQUIRES(mutex) {
    return condition_.wait_for(Held(mutex).lock(), limit, std::move(predicate));
  }

 private:
  /// The mutex as std::condition_variable wants it; it stays locked.
  class Held {
   public:
    explicit Held(Mutex& mutex) : lock_(mutex.mutex_, std::adopt_lock) {}
    ~Held() { lock_.release(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    std::unique_lock<std::mutex>& lock() { return lock_; }

   private:
    std::unique_lock<std::mutex> lock_;
  };
  std::condition_variable condition_;
};

}  // namespace locks
