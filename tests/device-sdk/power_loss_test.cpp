// The power goes: what was written but not yet synchronised is gone, wholly or from any byte on. A killed process
// cannot show that, since the kernel keeps what was handed to it; so this executable has fsync and fdatasync of its
// own, which note how much of each file is on the disk by then; and an flock, so that others come in between. I1
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "wardlink/journal.hpp"

namespace {

std::map<ino_t, off_t> synchronised;    // bytes of each file; a folder is there or not
std::function<void()> after_each_step;  // the power may go between any two calls
std::vector<std::string>
    names_before;       // what older files held whose name a rename took, until the folder is on the disk
int failing_syncs = 0;  // so many fail, with EIO
std::function<void()> before_a_lock;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool looking = false;  // at what would be left: that writes files of its own, in the same folder

void step() {
  if (!after_each_step || std::exchange(looking, true)) return;
  after_each_step();
  looking = false;
}

int synchronise(int file, long call) {
  if (failing_syncs > 0) {
    --failing_syncs;
    errno = EIO;
    return -1;
  }
  struct stat about {};
  if (fstat(file, &about) != 0) return -1;
  if (syscall(call, file) != 0) return -1;
  synchronised[about.st_ino] = about.st_size;
  if (S_ISDIR(about.st_mode) && !looking) names_before.clear();
  step();
  return 0;
}

}  // namespace

extern "C" int fsync(int file) { return synchronise(file, SYS_fsync); }
extern "C" int fdatasync(int file) { return synchronise(file, SYS_fdatasync); }
extern "C" ssize_t write(int file, const void* bytes, size_t size) {
  const auto count = syscall(SYS_write, file, bytes, size);
  step();
  return count;
}
extern "C" int rename(const char* from, const char* to) {
  auto old = content_of(to);
  const auto result = static_cast<int>(syscall(SYS_rename, from, to));
  if (result == 0) names_before.push_back(std::move(old));
  step();
  return result;
}

extern "C" int flock(int file, int operation) noexcept {
  if (auto others = std::exchange(before_a_lock, {})) others();
  return static_cast<int>(syscall(SYS_flock, file, operation));
}

namespace wardlink {
namespace {

using ::testing::IsSupersetOf;

const std::string kDevice = "urn:dev:os:32473-a";

class PowerLoss : public ::testing::Test {
 protected:
  PowerLoss() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wardlink-power-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ / "bed-7.jsonl";
  }
  ~PowerLoss() override { std::filesystem::remove_all(folder_); }

  static ino_t number_of(const std::filesystem::path& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0 ? about.st_ino : 0;
  }

  std::string bytes() const { return content_of(path_); }

  /// What a journal owes whose file holds these bytes: "boot/sequence".
  std::set<std::string> owed_after(const std::string& left) const {
    const auto copy = folder_ / "after.jsonl";
    std::ofstream(copy, std::ios::binary) << left;
    std::set<std::string> names;
    for (const auto& one : open_file_journal(copy, kDevice)->owed()) {
      names.insert(std::to_string(one.boot) + "/" + std::to_string(one.record.sequence));
    }
    return names;
  }

  std::filesystem::path folder_, path_;
};

SequencedAlarm alarm(std::uint64_t sequence) {
  SequencedAlarm record;
  record.sequence = sequence;
  record.tick_ms = 1000 * sequence;
  record.event = SequencedAlarm::Event::raised;
  record.alarm.code = "lead-off";
  return record;
}

TEST_F(PowerLoss, TakesNoAlarmThatMayHaveBeenSent) {
  const auto journal = open_file_journal(path_, kDevice);
  EXPECT_TRUE(synchronised.contains(number_of(folder_))) << "the file's name may be gone from its folder";
  std::mt19937 random(2026);
  std::set<std::string> owed;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(journal->generated(7, alarm(i)));
    owed.insert("7/" + std::to_string(i));  // from here on it may be sent
    if (random() % 2 == 0) {
      journal->acknowledged(7, i, {});  // lost with the power, it is only sent once more
      owed.erase("7/" + std::to_string(i));
    }
    const auto whole = bytes();
    const auto kept = static_cast<std::size_t>(synchronised[number_of(path_)]);
    for (const std::size_t more : {std::size_t{0}, random() % (whole.size() - kept + 1), whole.size() - kept}) {
      EXPECT_THAT(owed_after(whole.substr(0, kept + more)), IsSupersetOf(owed)) << "record " << i;
    }
    // A file that has grown on the disk before its content has arrived reads as zeros there.
    EXPECT_THAT(owed_after(whole.substr(0, kept) + std::string(whole.size() - kept, '\0')), IsSupersetOf(owed));
  }
}

TEST_F(PowerLoss, TakesNothingThatWasMendedWhenTheJournalWasOpened) {
  { open_file_journal(path_, kDevice)->generated(7, alarm(1)); }
  std::ofstream(path_, std::ios::binary | std::ios::app) << "{\"type\":\"al";
  const auto journal = open_file_journal(path_, kDevice);
  EXPECT_EQ(synchronised[number_of(path_)], static_cast<off_t>(bytes().size()));
  EXPECT_THAT(owed_after(bytes()), ::testing::ElementsAre("7/1"));
}

/// The power goes after each system call of a rotation, and anywhere in what was written since the last sync; with the
/// old name of the file or the new one, as long as the folder is not on the disk.
TEST_F(PowerLoss, TakesNothingThatWasPromisedWhereverARotationIs) {  // DUR-2
  const auto journal = open_file_journal(path_, kDevice);
  std::set<std::string> owed;
  std::uint64_t next = 0;
  const auto raise = [&](std::size_t count) {
    std::vector<SequencedAlarm> some;
    for (std::size_t i = 0; i < count; ++i) some.push_back(alarm(++next));
    ASSERT_EQ(journal->generated_all(7, some), count);
    for (const auto& one : some) owed.insert("7/" + std::to_string(one.sequence));
  };
  const auto settle = [&](std::uint64_t sequence) {
    owed.erase("7/" + std::to_string(sequence));
    journal->acknowledged(7, sequence, {});
  };
  while (bytes().size() < 63u << 10) {
    raise(10);
    for (auto i = next - 9; i < next; ++i) settle(i);
  }
  std::mt19937 random(2026);
  std::size_t images = 0;
  const auto check = [&] {
    auto left = names_before;
    const auto whole = bytes();
    const auto kept = std::min(whole.size(), static_cast<std::size_t>(synchronised[number_of(path_)]));
    left.push_back(whole);
    left.push_back(whole.substr(0, kept));
    left.push_back(whole.substr(0, kept) + std::string(whole.size() - kept, '\0'));
    left.push_back(whole.substr(0, kept + random() % (whole.size() - kept + 1)));
    for (const auto& image : left) EXPECT_THAT(owed_after(image), IsSupersetOf(owed));
    images += left.size();
  };
  after_each_step = check;
  const auto first = number_of(path_);
  for (int i = 0; i < 60 && number_of(path_) == first; ++i) {
    raise(1 + random() % 3);
    settle(next);
  }
  raise(2);
  step();
  after_each_step = {};
  EXPECT_NE(number_of(path_), first) << "it was not written anew";
  EXPECT_LT(bytes().size(), 64u << 10);
  EXPECT_GT(images, 50u);
  EXPECT_THAT(owed_after(bytes()), IsSupersetOf(owed));
}

/// After a sync that failed the kernel may have dropped what it held, and a second one says that all is well.
TEST_F(PowerLoss, WhatAFailedSyncLeftIsWrittenAnew) {  // DUR-2
  const auto journal = open_file_journal(path_, kDevice);
  ASSERT_TRUE(journal->generated(7, alarm(1)));
  const auto first = number_of(path_);
  failing_syncs = 1;
  EXPECT_FALSE(journal->generated(7, alarm(2)));
  failing_syncs = 1;
  EXPECT_FALSE(journal->generated(7, alarm(2))) << "a new file that cannot be synchronised is none";
  EXPECT_EQ(number_of(path_), first);
  EXPECT_TRUE(journal->generated(7, alarm(2)));
  EXPECT_NE(number_of(path_), first);
  EXPECT_THAT(owed_after(bytes().substr(0, static_cast<std::size_t>(synchronised[number_of(path_)]))),
              ::testing::ElementsAre("7/1", "7/2"));
}

// -- two that open one journal: the second has the file open, and not yet locked, while the first writes it anew
// --------

class OpenedDuringARotation : public PowerLoss {
 protected:
  /// Until the file has another number.
  static void rotate(Journal& journal, const std::filesystem::path& path) {
    const auto before = number_of(path);
    std::uint64_t next = 1;
    for (; number_of(path) == before && next < 2000; ++next) {
      journal.generated(7, alarm(next));
      journal.acknowledged(7, next, {});
    }
    EXPECT_NE(number_of(path), before);
  }
};

TEST_F(OpenedDuringARotation, TheSecondIsRefusedWhileTheFirstGoesOn) {  // DUR-2
  const auto first = open_file_journal(path_, kDevice);
  before_a_lock = [&] { rotate(*first, path_); };
  try {
    open_file_journal(path_, kDevice);
    FAIL() << "it has a file without a name";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("in use"));
  }
}

TEST_F(OpenedDuringARotation, TheSecondWritesTheFileOfThatNameWhenTheFirstHasGone) {  // DUR-2, I1
  auto first = open_file_journal(path_, kDevice);
  before_a_lock = [&] {
    rotate(*first, path_);
    first.reset();
  };
  const auto second = open_file_journal(path_, kDevice);
  ASSERT_TRUE(second->generated(8, alarm(1)));
  EXPECT_THAT(owed_after(bytes()), ::testing::Contains("8/1"));
}

TEST_F(OpenedDuringARotation, AFileThatIsGoneIsMadeAnew) {  // DUR-2, I1
  before_a_lock = [&] { std::filesystem::remove(path_); };
  const auto journal = open_file_journal(path_, kDevice);
  ASSERT_TRUE(journal->generated(8, alarm(1)));
  EXPECT_THAT(owed_after(bytes()), ::testing::ElementsAre("8/1"));
}

TEST_F(OpenedDuringARotation, AFileThatIsReplacedAgainAndAgainIsInUse) {  // DUR-2
  const std::function<void()> replace = [&] {
    std::filesystem::remove(path_);
    before_a_lock = replace;
  };
  before_a_lock = replace;
  EXPECT_THROW(open_file_journal(path_, kDevice), std::runtime_error);
  before_a_lock = {};
}

/// A group of calls that wait together costs one sync, whatever its size.
TEST_F(PowerLoss, OneSyncServesAllThatWait) {  // DUR-2
  const auto journal = open_file_journal(path_, kDevice);
  ASSERT_TRUE(journal->generated(7, alarm(1)));
  int syncs = 0;
  std::vector<SequencedAlarm> many;
  for (std::uint64_t i = 2; i <= 100; ++i) many.push_back(alarm(i));
  auto before = synchronised[number_of(path_)];
  after_each_step = [&] {
    const auto now = synchronised[number_of(path_)];
    syncs += now != std::exchange(before, now) ? 1 : 0;
  };
  EXPECT_EQ(journal->generated_all(7, many), many.size());
  after_each_step = {};
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(synchronised[number_of(path_)], static_cast<off_t>(bytes().size()));
}

}  // namespace
}  // namespace wardlink
