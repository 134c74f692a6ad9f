// A whole wearable: wardlink-minimal certificate.pem key.pem ca.pem [port [seconds]]
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "wardlink/device.hpp"

static std::string read(const char* path) { return {std::istreambuf_iterator<char>(std::ifstream(path).rdbuf()), {}}; }

int main(int argc, char** argv) try {
  if (argc < 4) throw std::invalid_argument("Give the device's certificate, its key and the service's authority.");
  wardlink::DeviceOptions options;
  options.credentials = {read(argv[1]), read(argv[2]), read(argv[3])};
  if (argc > 4) options.port = static_cast<std::uint16_t>(std::stoi(argv[4]));
  const int seconds = argc > 5 ? std::stoi(argv[5]) : 60;
  wardlink::Device device(options);
  device.start();
  for (int second = 0; second < seconds; ++second) {
    device.report({{{signs::find("hr")->id, 70.0 + second % 5}}, {}});
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return device.stop(std::chrono::seconds(30)) ? 0 : 1;
} catch (const std::exception& problem) {
  std::cerr << problem.what() << '\n';
  return 1;
}
