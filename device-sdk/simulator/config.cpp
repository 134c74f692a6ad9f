#include "config.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "coap/dtls.hpp"
#include "coap/key_log.hpp"

namespace ward {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAbout =
    "Simulated wearables on the Wardlink device SDK: each opens its own DTLS session with its own certificate.\n\n"
    "Without --replay every wearer is a physiological model, one measurement set a second. With --replay every\n"
    "file is one wearer: the n-th file uses the n-th certificate, in the order of the labels. Ticks and alarm\n"
    "durations follow the recording, --seconds and CoAP's timers are real time.\n\n"
    "Examples:\n"
    "  wardlink-ward --pki pki --devices 4\n"
    "  wardlink-ward --pki pki --replay bed1.csv bed2.csv --speed 8 --journal-dir journals --audit-dir audit\n\n"
    "Exit code: 0 when everything was sent and every alarm acknowledged, else 1.";

std::string read(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path.string() + " cannot be opened.");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A factor above zero, or `max`.
std::optional<double> to_speed(const std::string& text) {
  if (text == "max") return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value > 0) || value > 1e6) {
    throw CLI::ValidationError("--speed", "give a factor above 0, or max");
  }
  return value;
}

}  // namespace

std::optional<int> parse(int argc, const char* const* argv, Config& config) {
  CLI::App app{kAbout, "wardlink-ward"};
  app.set_version_flag("--version", WARDLINK_VERSION);
  app.add_option("--server", config.server, "ingest's host; its certificate must carry this name")
      ->capture_default_str();
  app.add_option("--port", config.port, "ingest's UDP port")->capture_default_str();
  app.add_option("--pki", config.pki, "folder with service-ca.pem and devices/*.pem, *.key")->required();
  app.add_option("--devices", config.devices, "how many wearables (default: all certificates)")
      ->check(CLI::PositiveNumber);
  auto* replay = app.add_option("--replay", config.replay,
                                "recordings, one wearable each: CSV, t_seconds and any of heart_rate_bpm, spo2_percent, "
                                "respiration_rate_bpm, temperature_celsius, systolic_mmhg, diastolic_mmhg");
  app.add_option("--waveforms", config.waveforms,
                 "ecg,ppg,resp: of the model, or with --replay from the files beside a recording that are there: "
                 "bed1_ecg.csv beside bed1.csv")
      ->delimiter(',')
      ->check(CLI::IsMember({"ecg", "ppg", "resp"}));
  std::string speed;
  app.add_option("--speed", speed, "how fast to replay: a factor, or max (default: 1)")->needs(replay);
  app.add_option("--seconds", config.seconds, "stop measuring after so many seconds")->check(CLI::PositiveNumber);
  app.add_option("--hysteresis", config.hysteresis, "of the alarm limits, as a fraction of the threshold")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.5));
  app.add_option("--shortest", config.shortest_s, "seconds that a condition must stand to be an alarm")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--journal-dir", config.journal_dir, "keep one journal of owed alarms a device: <label>.jsonl");
  app.add_option("--audit-dir", config.audit_dir,
                 "write one audit book of all that it generated a device: <label>.jsonl");
  app.add_option("--ready-file", config.ready_file, "written (JSON) when the first sample is taken");
  app.add_option("--status-file", config.status_file, "rewritten (JSON) every second");
  app.add_option("--drain", config.drain_s, "seconds to wait in the end for what is still unsent or unacknowledged")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", config.seed, "of the physiological model")->capture_default_str();
  app.add_flag("--list", config.list, "print label, URN and recording of each wearable, and end");
  try {
    app.parse(argc, argv);
    if (!speed.empty()) config.speed = to_speed(speed);
    for (auto one = config.waveforms.begin(); one != config.waveforms.end(); ++one) {
      if (std::count(one, config.waveforms.end(), *one) > 1) {
        throw CLI::ValidationError("--waveforms", *one + " is there twice");
      }
    }
    if (config.devices != 0 && !config.replay.empty() && config.devices != config.replay.size()) {
      throw CLI::ValidationError("--devices", "with --replay there is one device a recording: leave it out");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
#ifdef WARDLINK_KEY_LOG
  if (const char* path = std::getenv("SSLKEYLOGFILE")) config.key_log = coap::key_log_file(path);
#endif
  return std::nullopt;
}

std::vector<Badge> load_badges(const Config& config) {
  const fs::path folder = fs::path(config.pki) / "devices";
  if (!fs::is_directory(folder)) throw std::runtime_error("There is no folder " + folder.string() + ".");
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".pem") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  const auto wanted = !config.replay.empty() ? config.replay.size()
                      : config.devices != 0  ? config.devices
                                             : paths.size();
  if (paths.size() < wanted || paths.empty()) {
    throw std::runtime_error(folder.string() + " has " + std::to_string(paths.size()) + " device certificates; " +
                             std::to_string(std::max<std::size_t>(wanted, 1)) + " are needed.");
  }
  paths.resize(wanted);

  const auto authority = read(fs::path(config.pki) / "service-ca.pem");
  std::vector<Badge> badges;
  for (const auto& path : paths) {
    auto key = path;
    key.replace_extension(".key");
    Badge badge{path.stem().string(), {}, {read(path), read(key), authority}};
    const auto identity = coap::certificate_identity(badge.credentials.certificate_pem);
    if (!identity) throw std::runtime_error(path.string() + " is not a certificate in PEM.");
    badge.urn = identity->uri;
    badges.push_back(std::move(badge));
  }
  return badges;
}

}  // namespace ward
