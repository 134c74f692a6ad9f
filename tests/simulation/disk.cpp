#include "disk.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace wardlink::simulation {
namespace {

thread_local Disk* in_use = nullptr;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_file(int descriptor, const std::string& path) {
  struct stat mine {
  }, named{};
  return ::fstat(descriptor, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
         mine.st_dev == named.st_dev;
}

constexpr std::string_view prefix = "wardlink-disk-of-";

/// Folders of processes that are there no more.
void remove_left_behind() {
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const auto process = std::atoi(name.c_str() + prefix.size());
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) left.push_back(entry.path());
  }
  std::error_code ignored;  // another process may remove them, too
  for (const auto& folder : left) std::filesystem::remove_all(folder, ignored);
}

}  // namespace

Disk::Disk(std::size_t number) {
  static std::once_flag once;
  std::call_once(once, remove_left_behind);
  const auto name = std::string(prefix) + std::to_string(::getpid()) + "-" + std::to_string(number) + "-XXXXXX";
  std::string pattern = (std::filesystem::temp_directory_path() / name).string();
  folder_ = ::mkdtemp(pattern.data());
}

Disk::~Disk() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Disk::path() const { return folder_ + "/journal.jsonl"; }

Disk::InUse::InUse(Disk& disk) { in_use = &disk; }
Disk::InUse::~InUse() { in_use = nullptr; }

void Disk::arm(unsigned steps, Chance chance) {
  steps_ = steps;
  chance_ = chance;
}

void Disk::disarm() {
  steps_.reset();
  failing_ = 0;
}

void Disk::step() {
  if (!steps_ || left_) return;
  if (*steps_ == 0) {
    left_ = what_is_left(*chance_);
    steps_.reset();
  } else {
    --*steps_;
  }
}

/// All that was synchronised, and of the rest any part from its beginning; a name that a rename took may be the old
/// file's again.
Disk::Left Disk::what_is_left(Chance& chance) const {
  if (replaced_ && chance.happens(0.5)) return {replaced_};
  if (!std::filesystem::exists(path())) return {};
  auto content = content_of(path());
  const auto least = std::min(synchronised_, content.size());
  content.resize(least + chance.below(content.size() - least + 1));
  return {std::move(content)};
}

void Disk::cut(Chance chance) {
  const auto left = left_ ? std::move(*left_) : what_is_left(chance);
  left_.reset();
  steps_.reset();
  replaced_.reset();
  stuck_ = false;
  std::filesystem::remove(path() + ".new");
  std::filesystem::remove(path());
  synchronised_ = left.content ? left.content->size() : 0;
  if (left.content) std::ofstream(path(), std::ios::binary) << *left.content;
}

/// The file system's calls, seen by the disk in use.
struct Calls {
  static int synchronise(int descriptor) {
    Disk* disk = in_use;
    if (disk == nullptr) return 0;
    if (disk->failing_ > 0) {
      --disk->failing_;
      disk->stuck_ = disk->stuck_ || is_file(descriptor, disk->path());
      errno = EIO;
      return -1;
    }
    disk->step();
    struct stat about {};
    if (::fstat(descriptor, &about) != 0) return -1;
    const auto size = static_cast<std::size_t>(about.st_size);
    if (S_ISDIR(about.st_mode)) disk->replaced_.reset();
    if (!disk->stuck_ && is_file(descriptor, disk->path())) disk->synchronised_ = size;
    if (is_file(descriptor, disk->path() + ".new")) disk->fresh_synchronised_ = size;
    return 0;
  }
  static void written() {
    if (in_use != nullptr) in_use->step();
  }
  static int rename(const char* from, const char* to) {
    Disk* disk = in_use;
    if (disk != nullptr) disk->step();
    auto before = disk != nullptr && disk->path() == to ? std::optional(content_of(to)) : std::nullopt;
    const auto result = static_cast<int>(::syscall(SYS_rename, from, to));
    if (result == 0 && before) {
      before->resize(std::min(before->size(), disk->synchronised_));
      disk->replaced_ = std::move(before);
      disk->synchronised_ = disk->fresh_synchronised_;
      disk->stuck_ = false;
    }
    return result;
  }
};

}  // namespace wardlink::simulation

extern "C" int fsync(int file) { return wardlink::simulation::Calls::synchronise(file); }
extern "C" int fdatasync(int file) { return wardlink::simulation::Calls::synchronise(file); }
extern "C" ssize_t write(int file, const void* bytes, size_t size) {
  wardlink::simulation::Calls::written();
  return ::syscall(SYS_write, file, bytes, size);
}
extern "C" int rename(const char* from, const char* to) { return wardlink::simulation::Calls::rename(from, to); }
