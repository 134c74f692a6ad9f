#pragma once
// Numbers as enumerators: of the database, of cursors and of page tokens. Nowhere else does a number become one.

#include <limits>
#include <optional>
#include <type_traits>

#include "storage/port/live_store.hpp"

namespace wardlink::storage {

/// Whether the enumeration has such a value. The compiler asks for each new one (-Wswitch).
constexpr bool known(Stream stream) {
  switch (stream) {
    case Stream::vitals:
    case Stream::alarms:
    case Stream::manual:
    case Stream::storage:
      return true;
  }
  return waveform_of(stream) != 0;
}

constexpr bool known(AlarmEvent event) {
  switch (event) {
    case AlarmEvent::raised:
    case AlarmEvent::ended:
      return true;
  }
  return false;
}

constexpr bool known(AlarmKind kind) {
  switch (kind) {
    case AlarmKind::physiological:
    case AlarmKind::technical:
      return true;
  }
  return false;
}

constexpr bool known(AlarmPriority priority) {
  switch (priority) {
    case AlarmPriority::low:
    case AlarmPriority::medium:
    case AlarmPriority::high:
      return true;
  }
  return false;
}

constexpr bool known(AlarmEndCause cause) {
  switch (cause) {
    case AlarmEndCause::device:
    case AlarmEndCause::restarted:
    case AlarmEndCause::released:
    case AlarmEndCause::discharged:
    case AlarmEndCause::person:
      return true;
  }
  return false;
}

constexpr bool known(AlarmChange::Kind kind) {
  switch (kind) {
    case AlarmChange::Kind::raised:
    case AlarmChange::Kind::ended:
    case AlarmChange::Kind::acknowledged:
    case AlarmChange::Kind::reattributed:
      return true;
  }
  return false;
}

constexpr bool known(LiveKind kind) {
  switch (kind) {
    case LiveKind::none:
    case LiveKind::set:
    case LiveKind::alarm:
    case LiveKind::acknowledgement:
    case LiveKind::attribution:
    case LiveKind::waveform:
    case LiveKind::end:
    case LiveKind::reattribution:
      return true;
  }
  return false;
}

/// The enumerator of that number, which may be one that only a newer version names: to be shown, never to be decided
/// by. Nothing where it does not fit.
template <typename Enum>
constexpr std::optional<Enum> fitting(std::int64_t number) {
  if (number < 0 || number > std::numeric_limits<std::underlying_type_t<Enum>>::max()) return std::nullopt;
  return Enum{static_cast<std::underlying_type_t<Enum>>(number)};
}

/// The enumerator of that number; nothing where this version knows none.
template <typename Enum>
constexpr std::optional<Enum> numbered(std::int64_t number) {
  const auto value = fitting<Enum>(number);
  return value && known(*value) ? value : std::nullopt;
}

}  // namespace wardlink::storage
