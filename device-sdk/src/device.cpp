// The facade: a thread, a loop, a driver around a DeviceCore; the recorder is what callers touch.

#include "wardlink/device.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "coap/dtls.hpp"
#include "coap/udp_driver.hpp"
#include "device_core.hpp"
#include "name_service.hpp"
#include "recorder.hpp"
#include "wardlink/clock.hpp"

namespace wardlink {
namespace {

constexpr std::size_t kLongestName = 63;
constexpr std::size_t kReceiveBuffer = 256u << 10;  // bytes; a device hears little

std::uint64_t draw_boot() {
  const auto random = coap::secure_random();
  std::array<std::uint8_t, 8> bytes{};
  random(bytes);
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return std::max<std::uint64_t>(1, number & ((std::uint64_t{1} << 53) - 1));
}

void check(const AlarmSettings& alarms) {
  if (!(alarms.hysteresis >= 0 && alarms.hysteresis <= 0.5)) {
    throw std::invalid_argument("The alarm limits' hysteresis must lie between 0 and 0.5.");
  }
  for (const auto& limit : alarms.limits) {
    if (signs::find(limit.sign) == nullptr) {
      throw std::invalid_argument("An alarm limit is for a sign that the catalogue does not have.");
    }
    if (!std::isfinite(limit.threshold)) throw std::invalid_argument("An alarm limit's threshold is not a number.");
  }
}

void check(const std::vector<WaveformOptions>& waveforms) {
  for (auto one = waveforms.begin(); one != waveforms.end(); ++one) {
    const auto* waveform = signs::find_waveform(one->name);
    if (waveform == nullptr) throw std::invalid_argument("A waveform is not in the catalogue: " + one->name + ".");
    const auto same = [&](const WaveformOptions& other) { return other.name == one->name; };
    if (std::any_of(waveforms.begin(), one, same))
      throw std::invalid_argument("The waveform " + one->name + " is there twice.");
    if (!signs::allowed(*waveform, one->rate)) {
      throw std::invalid_argument("The rate of the waveform " + one->name + " is outside of the catalogue's range.");
    }
    if (!std::isfinite(one->scale) || one->scale == 0 || !std::isfinite(one->offset)) {
      throw std::invalid_argument("The scale or offset of the waveform " + one->name + " is not a usable number.");
    }
  }
}

void check(std::chrono::seconds heartbeat) {
  if (heartbeat < std::chrono::seconds{1} || heartbeat > std::chrono::days{1}) {
    throw std::invalid_argument("The heartbeat must lie between a second and a day.");
  }
}

/// An alarm needs a place for its onset and one for its end.
void check_capacities(const DeviceOptions& options) {
  if (options.set_capacity < 1) throw std::invalid_argument("set_capacity must be at least 1.");
  if (options.alarm_capacity < 2) throw std::invalid_argument("alarm_capacity must be at least 2.");
}

std::string name_of(const coap::Credentials& credentials) {
  const auto identity = coap::certificate_identity(credentials.certificate_pem);
  if (!identity) throw std::invalid_argument("The device's certificate is not readable PEM.");
  if (identity->uri.empty() || identity->uri.size() > kLongestName) {
    throw std::invalid_argument("The device's certificate has no SAN URI of at most 63 bytes to name the device.");
  }
  return identity->uri;
}

std::shared_ptr<coap::DtlsContext> context_of(const DeviceOptions& options) {
  const auto& name = options.server_name.empty() ? options.server : options.server_name;
  coap::DtlsOptions dtls;
  dtls.key_log = options.key_log;
  dtls.check_dates = options.calendar_is_right;
  auto context = coap::DtlsContext::client(options.credentials, name, dtls);
  if (!context) throw std::invalid_argument(context.error());
  return *context;
}

bool taken(Refusal refusal) { return refusal == Refusal::none || refusal == Refusal::unwritten; }

}  // namespace

const char* to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "none";
    case Refusal::stopped:
      return "stopped";
    case Refusal::invalid:
      return "invalid";
    case Refusal::full:
      return "full";
    case Refusal::unknown_alarm:
      return "unknown_alarm";
    case Refusal::unwritten:
      return "unwritten";
    case Refusal::ahead:
      return "ahead";
  }
  return "unknown";
}

// -- the loop --------------------------------------------------------------------------------------------------------

struct Runtime::Impl {
  coap::EventLoop loop;
  NameService names{coap::resolve_all};  // posts to the loop
  std::thread thread{[this] { loop.run(); }};

  ~Impl() {
    loop.stop();
    thread.join();
  }

  /// Runs `work` on the loop's thread and waits for it; what it throws is thrown here, and is this thread's alone then.
  void run(const std::function<void()>& work) {
    auto done = std::make_shared<std::promise<void>>();
    auto end = done->get_future();
    std::exception_ptr thrown;
    loop.post([done = std::move(done), &work, &thrown] {
      try {
        work();
      } catch (...) {
        thrown = std::current_exception();
      }
      done->set_value();
    });
    end.get();
    if (thrown) std::rethrow_exception(thrown);
  }
};

Runtime::Runtime() : impl_(std::make_unique<Impl>()) {}
Runtime::~Runtime() = default;

// -- one device ------------------------------------------------------------------------------------------------------

struct Device::Impl : std::enable_shared_from_this<Device::Impl> {
  explicit Impl(DeviceOptions given);

  static std::shared_ptr<Impl> make(DeviceOptions options);
  void start();
  bool stop(std::chrono::milliseconds drain);
  /// Tells the loop that there is something new; many reports cost one turn of it.
  void nudge();
  Runtime::Impl& runtime() { return options.runtime->impl(); }
  DeviceCore::Seams seams();
  void look_up();

  DeviceOptions options;
  std::string name;
  std::shared_ptr<coap::DtlsContext> context;
  coap::Random random = coap::secure_random();
  Recorder recorder;
  std::atomic<bool> nudged = false;
  locks::Mutex lifecycle;  // start() and stop() against each other
  enum class Stage : std::uint8_t { fresh, running, stopped } stage GUARDED_BY(lifecycle) = Stage::fresh;

  // On the loop's thread only, once started.
  std::unique_ptr<DeviceCore> core;
  std::unique_ptr<coap::UdpDriver> driver;
};

std::shared_ptr<Device::Impl> Device::Impl::make(DeviceOptions options) {
  check(options.alarms);
  check(options.waveforms);
  check(options.heartbeat);
  check_capacities(options);
  if (!options.tick) {
    host_tick();  // whether there is one
    options.tick = host_tick;
  }
  if (!options.runtime) options.runtime = std::make_shared<Runtime>();
  return std::make_shared<Impl>(std::move(options));
}

Device::Impl::Impl(DeviceOptions given)
    : options(std::move(given)),
      name(name_of(options.credentials)),
      context(context_of(options)),
      recorder({draw_boot(), options.alarms, options.set_capacity, options.alarm_capacity, options.tick,
                options.journal, options.waveforms, options.run_capacity, options.audit, draw_boot}) {}

DeviceCore::Seams Device::Impl::seams() {
  return {[this] { look_up(); }, [this](coap::Instant now) { return context->connect(now); }, random,
          [] { return std::chrono::system_clock::now(); }};
}

void Device::Impl::look_up() {
  auto& loop = runtime().loop;
  runtime().names.look_up(this, options.server, options.port,
                          [&loop, weak = weak_from_this()](const NameService::Answer& found) {
                            loop.post([weak, found] {
                              const auto self = weak.lock();
                              if (!self || !self->core) return;
                              self->core->handle_addresses(found, coap::EventLoop::now());
                              self->driver->wake();
                            });
                          });
}

void Device::Impl::start() {
  const locks::Lock lock(lifecycle);
  if (stage != Stage::fresh) return;
  runtime().run([this] {
    DeviceCore::Config device{name, options.heartbeat, {}};
    device.judges_dates = !options.calendar_is_right;
    device.earliest = WARDLINK_BUILT_ON;
    core = std::make_unique<DeviceCore>(std::move(device), seams(), recorder);
    coap::UdpDriver::Config config;
    config.receive_buffer = kReceiveBuffer;
    auto opened = coap::UdpDriver::open(runtime().loop, config, *core);
    if (!opened) {  // a host without IPv6
      config.host = "0.0.0.0";
      opened = coap::UdpDriver::open(runtime().loop, config, *core);
    }
    if (!opened) throw std::runtime_error(opened.error());
    driver = std::move(*opened);
    core->start(coap::EventLoop::now());
    driver->wake();
  });
  stage = Stage::running;
  recorder.open();
}

bool Device::Impl::stop(std::chrono::milliseconds drain) {
  const locks::Lock lock(lifecycle);
  if (stage == Stage::running) {
    recorder.shut();
    nudge();  // runs of samples that were under way are whole now
    recorder.wait_until_drained(drain);
    runtime().run([this] {
      core->stop(coap::EventLoop::now());
      driver->wake();
      driver.reset();
      core.reset();
    });
    runtime().names.forget(this);
  }
  stage = Stage::stopped;
  const auto left = recorder.status();
  return left.sets_waiting == 0 && left.alarms_owed == 0 && left.runs_waiting == 0;
}

void Device::Impl::nudge() {
  if (nudged.exchange(true)) return;
  runtime().loop.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->nudged = false;
    if (!self->core) return;
    self->core->nudge(coap::EventLoop::now());
    self->driver->wake();
  });
}

Device::Device(DeviceOptions options) : impl_(Impl::make(std::move(options))) {}
Device::~Device() {
  impl_->stop(std::chrono::milliseconds{0});
  // A nudge that came late is behind it then: else its turn of the loop could drop the last hold on the loop's thread.
  impl_->runtime().run([] {});
}

void Device::start() { impl_->start(); }
bool Device::stop(std::chrono::milliseconds drain) { return impl_->stop(drain); }

Refusal Device::report(const MeasurementSet& set) {
  const auto refusal = impl_->recorder.report(set);
  if (taken(refusal)) impl_->nudge();
  return refusal;
}

Refusal Device::waveform(std::string_view name, std::span<const double> samples, std::optional<std::uint64_t> tick_ms) {
  const auto refusal = impl_->recorder.waveform(name, samples, tick_ms);
  if (refusal == Refusal::none && impl_->recorder.runs_waiting() > 0) impl_->nudge();
  return refusal;
}

std::optional<AlarmId> Device::raise(const Alarm& alarm, Refusal* why) {
  const auto id = impl_->recorder.raise(alarm, why);
  if (id) impl_->nudge();
  return id;
}

Refusal Device::end(AlarmId alarm, std::optional<std::uint64_t> tick_ms) {
  const auto refusal = impl_->recorder.end(alarm, tick_ms);
  if (taken(refusal)) impl_->nudge();
  return refusal;
}

Refusal Device::conclude() {
  const auto refusal = impl_->recorder.conclude();
  if (taken(refusal)) impl_->nudge();
  return refusal;
}

DeviceStatus Device::status() const { return impl_->recorder.status(); }
const std::string& Device::name() const { return impl_->name; }
std::uint64_t Device::boot() const { return impl_->recorder.boot(); }

}  // namespace wardlink
