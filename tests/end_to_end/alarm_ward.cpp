// Wearables that raise and end alarms all the time, in a process of their own that can be killed: a hundred records a
// second, or as many as the disk journals.
//   alarm_ward PORT PKI_FOLDER JOURNAL_FOLDER COUNT SEED [UNCOUNTED]
// JOURNAL_FOLDER gets two files a device: its journal, <label>.debts, and its audit book, <label>.jsonl.
// UNCOUNTED: a file of eight bytes, so many milliseconds of the host's clock the devices' clocks have not counted.
// SIGTERM: raises no more, waits until nothing is owed, and ends with 0.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "process.hpp"
#include "wardlink/device.hpp"

namespace {

using namespace wardlink;

volatile std::sig_atomic_t stopping = 0;

constexpr std::uint64_t kMostUnjournaled = 20;
std::uint64_t recorded = 0;
std::atomic<std::uint64_t> journaled = 0;

/// A file journal that counts, so that a slow disk makes the load lighter.
class CountingJournal final : public Journal {
 public:
  explicit CountingJournal(std::unique_ptr<Journal> file) : file_(std::move(file)) {}
  bool generated(std::uint64_t boot, const SequencedSet& set) override { return file_->generated(boot, set); }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    const bool written = file_->generated(boot, alarm);
    ++journaled;
    return written;
  }
  std::size_t generated_all(std::uint64_t boot, std::span<const SequencedAlarm> alarms) override {
    const auto written = file_->generated_all(boot, alarms);
    journaled += written;
    return written;
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    return file_->acknowledged(boot, sequence, at);
  }
  std::vector<OwedAlarm> owed() override { return file_->owed(); }
  std::uint64_t damaged_lines() const override { return file_->damaged_lines(); }

 private:
  std::unique_ptr<Journal> file_;
};

/// Of every device: the host's, but for what somebody else writes into the file.
std::function<std::uint64_t()> clock_without(const char* uncounted) {
  const int file = open(uncounted, O_RDWR | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) throw std::runtime_error(std::string("cannot map ") + uncounted);
  return [count = static_cast<std::uint64_t*>(memory)] { return host_tick() - std::atomic_ref(*count).load(); };
}

struct Wearer {
  std::unique_ptr<Device> device;
  std::optional<AlarmId> open;
};

Wearer make(const std::string& label, std::uint16_t port, const std::string& pki, const std::string& journals,
            const std::shared_ptr<Runtime>& runtime, const std::function<std::uint64_t()>& tick) {
  const auto stem = pki + "/devices/" + label;
  DeviceOptions options;
  options.server = "127.0.0.1";
  options.port = port;
  options.credentials = {testing::read_file(stem + ".pem"), testing::read_file(stem + ".key"),
                         testing::read_file(pki + "/service-ca.pem")};
  options.journal = std::make_shared<CountingJournal>(open_file_journal(journals + "/" + label + ".debts", label));
  options.audit = open_audit_book(journals + "/" + label + ".jsonl", label);
  options.runtime = runtime;
  options.tick = tick;
  return {std::make_unique<Device>(std::move(options)), std::nullopt};
}

void act(Wearer& wearer, std::mt19937_64& random) {
  wearer.device->report({{{signs::find("hr")->id, 60.0 + static_cast<double>(random() % 60)}}, {}});
  if (wearer.open) {
    if (wearer.device->end(*wearer.open) == Refusal::none) ++recorded;
    wearer.open.reset();
    return;
  }
  Alarm alarm;
  alarm.kind = AlarmKind::technical;
  alarm.priority = static_cast<AlarmPriority>(1 + random() % 3);
  alarm.code = "lead-off";
  wearer.open = wearer.device->raise(alarm);
  if (wearer.open) ++recorded;
}

}  // namespace

int main(int count, char** words) {
  if (count != 6 && count != 7) return 2;
  std::signal(SIGTERM, [](int) { stopping = 1; });
  const auto port = static_cast<std::uint16_t>(std::atoi(words[1]));
  const auto runtime = std::make_shared<Runtime>();
  std::mt19937_64 random(std::strtoull(words[5], nullptr, 10));
  const auto tick = count == 7 ? clock_without(words[6]) : std::function<std::uint64_t()>{};
  std::vector<Wearer> wearers;
  for (int i = 1; i <= std::atoi(words[4]); ++i) {
    char label[32];
    std::snprintf(label, sizeof label, "device-%04d", i);
    wearers.push_back(make(label, port, words[2], words[3], runtime, tick));
    wearers.back().device->start();
  }
  while (stopping == 0) {
    if (recorded < journaled + kMostUnjournaled) act(wearers[random() % wearers.size()], random);
    poll(nullptr, 0, 10);
  }
  const auto owed = [&] {
    std::uint64_t sum = 0;
    for (const auto& wearer : wearers) sum += wearer.device->status().alarms_owed;
    return sum;
  };
  const bool delivered = testing::eventually([&] { return owed() == 0; }, std::chrono::seconds{600});
  for (const auto& wearer : wearers) {
    const auto status = wearer.device->status();
    if (status.alarms_owed != 0)
      std::printf("%s owes: %s\n", wearer.device->name().c_str(), status.last_problem.c_str());
  }
  return delivered ? 0 : 1;
}
