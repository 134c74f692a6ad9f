// The power goes: what was written but not yet synchronised is gone, wholly or from any byte on. A killed process
// cannot show that, since the kernel keeps what was handed to it; so this executable has fsync and fdatasync of its
// own, which note how much of each file is on the disk by then. I1
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "wardlink/journal.hpp"

namespace {

std::map<ino_t, off_t> synchronised;  // bytes of each file; a folder is there or not

int synchronise(int file, long call) {
  struct stat about {};
  if (fstat(file, &about) != 0) return -1;
  if (syscall(call, file) != 0) return -1;
  synchronised[about.st_ino] = about.st_size;
  return 0;
}

}  // namespace

extern "C" int fsync(int file) { return synchronise(file, SYS_fsync); }
extern "C" int fdatasync(int file) { return synchronise(file, SYS_fdatasync); }

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

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

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
    for (auto sets = random() % 3; sets > 0; --sets) journal->generated(7, SequencedSet{i * 3 + sets, 0, {{1, 70}}});
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

}  // namespace
}  // namespace wardlink
