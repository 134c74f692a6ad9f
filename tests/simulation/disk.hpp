#pragma once
// A device's disk: the real files of the real journal, in a folder of their own, and what a power cut leaves of them.
// This executable has an fsync, fdatasync, write and rename of its own, which note what is on the disk by then.

#include <cstddef>
#include <optional>
#include <string>

#include "chance.hpp"

namespace wardlink::simulation {

class Disk {
 public:
  /// Makes an empty folder, removed with it. `number`: of the device. The first of a process removes what others that
  /// were killed or crashed have left behind.
  explicit Disk(std::size_t number);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  std::string path() const;
  /// While these stand, the calls of the file system are this disk's. One at a time.
  class InUse {
   public:
    explicit InUse(Disk& disk);
    ~InUse();
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
  };

  /// The next `count` synchronisations fail, with EIO; what a failed one was to bring to the disk no later one does.
  void fail(unsigned count) { failing_ = count; }
  /// The power goes before the call after the next `steps` ones: from then on nothing that is written stays.
  void arm(unsigned steps, Chance chance);
  /// Takes back what arm() and fail() have planned.
  void disarm();
  /// It has gone so.
  bool gone() const { return left_.has_value(); }
  /// The power goes now, if it has not; then the folder holds what was left. No file may be open.
  void cut(Chance chance);

  struct Left {
    std::optional<std::string> content;  // empty: there is no such file
  };

 private:
  friend struct Calls;
  Left what_is_left(Chance& chance) const;
  void step();

  std::string folder_;
  unsigned failing_ = 0;
  std::optional<unsigned> steps_;  // until the power goes
  std::optional<Chance> chance_;
  std::optional<Left> left_;
  bool stuck_ = false;                   // a synchronisation of the journal's file has failed
  std::size_t synchronised_ = 0;         // bytes of the journal's file
  std::size_t fresh_synchronised_ = 0;   // of the one that is to take its place
  std::optional<std::string> replaced_;  // what the name stood for, until the folder is on the disk
};

}  // namespace wardlink::simulation
