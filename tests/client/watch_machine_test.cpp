// What a watch does next, in virtual time: the stream lost at each step, responses late, silence, cursors that cannot
// be used, refusals.

#include "watch_machine.hpp"

#include <gmock/gmock.h>

#include <random>

namespace wardlink::client {
namespace {

using namespace std::chrono_literals;
using Action = WatchMachine::Action;
using Instant = WatchMachine::Instant;
using testing::ElementsAre;
using testing::IsEmpty;

Error error(grpc::StatusCode code) { return {Cause::refused, code, "because", "Because."}; }
const Error away(Cause::away, grpc::StatusCode::UNAVAILABLE, "away", "Away.");

/// A row of the present state where `cursor` is empty, else what was committed as that number.
v1::WatchResponse response(const std::string& text, const std::string& cursor = {}) {
  v1::WatchResponse made;
  made.set_patient_display_name(text);
  made.set_cursor(cursor);
  return made;
}

std::string text_of(const WatchEvent& event) {
  if (const auto* state = std::get_if<PresentState>(&event)) {
    constexpr const char* reasons[] = {"first", "again", "resynchronised"};
    return std::string("state ") + reasons[static_cast<int>(state->reason)];
  }
  if (const auto* lost = std::get_if<StreamLost>(&event)) return "lost " + lost->error.detail();
  return std::get<v1::WatchResponse>(event).patient_display_name();
}

class WatchMachineTest : public testing::Test {
 protected:
  /// From now on with these options.
  void start(WatchOptions options) {
    machine_.emplace(std::move(options), [this] { return chance_; });
  }
  void start() { start({}); }

  std::vector<std::string> events() {
    std::vector<std::string> texts;
    while (const auto event = machine_->poll_event()) texts.push_back(text_of(*event));
    return texts;
  }
  /// At its next instant; what it was told to do.
  Action at_deadline() {
    now_ = std::max(now_, machine_->deadline().value());
    return machine_->poll_action(now_);
  }
  void hear(const v1::WatchResponse& heard) {
    machine_->handle_read(now_);
    machine_->handle_response(heard);
  }
  void end(const Error& reason, bool renewed = false) { machine_->handle_end(now_, reason, renewed); }
  /// The stream is lost; how long the machine pauses.
  std::chrono::milliseconds pause_after_a_loss() {
    EXPECT_EQ(at_deadline(), Action::open);
    end(away);
    events();
    return std::chrono::duration_cast<std::chrono::milliseconds>(*machine_->deadline() - now_);
  }

  Instant now_ = Instant(1000s);
  double chance_ = 1;
  std::optional<WatchMachine> machine_;
};

TEST_F(WatchMachineTest, BeginsWithThePresentStateAndGoesOnFromItsCursor) {
  start({.parent = "wards/icu", .waveforms = true});
  EXPECT_EQ(at_deadline(), Action::open);
  EXPECT_EQ(machine_->request().parent(), "wards/icu");
  EXPECT_TRUE(machine_->request().waveforms());
  EXPECT_EQ(machine_->request().cursor(), "");
  hear(response("row"));
  EXPECT_THAT(events(), ElementsAre("state first", "row"));
  EXPECT_EQ(machine_->cursor(), "");
  hear(response("complete", "c1"));
  EXPECT_EQ(machine_->cursor(), "") << "it was not told yet";
  EXPECT_THAT(events(), ElementsAre("complete"));
  EXPECT_EQ(machine_->cursor(), "c1");
  end(away);
  EXPECT_THAT(events(), ElementsAre("lost away"));
  EXPECT_EQ(at_deadline(), Action::open);
  EXPECT_EQ(machine_->request().cursor(), "c1");
  hear(response("two", "c2"));
  EXPECT_THAT(events(), ElementsAre("two"));
}

TEST_F(WatchMachineTest, AGivenCursorNeedsNoPresentState) {
  start({.cursor = "c7"});
  EXPECT_EQ(at_deadline(), Action::open);
  EXPECT_EQ(machine_->request().cursor(), "c7");
  hear(response("eight", "c8"));
  EXPECT_THAT(events(), ElementsAre("eight"));
}

TEST_F(WatchMachineTest, APresentStateThatWasCutShortComesOnceMore) {
  start();
  at_deadline();
  hear(response("row"));
  events();
  end(away);
  events();
  at_deadline();
  EXPECT_EQ(machine_->request().cursor(), "");
  hear(response("row"));
  EXPECT_THAT(events(), ElementsAre("state again", "row"));
}

TEST_F(WatchMachineTest, SilenceIsALossAndWhatComesTooLateComesAgain) {
  start();
  at_deadline();
  hear(response("complete", "c1"));
  events();
  machine_->handle_read(now_);
  now_ += 15s - 1ms;
  EXPECT_EQ(machine_->poll_action(now_), Action::none);
  hear(response("late heartbeat", "c2"));
  EXPECT_THAT(events(), ElementsAre("late heartbeat"));

  machine_->handle_read(now_);
  now_ += 15s;
  EXPECT_EQ(machine_->poll_action(now_), Action::cancel);
  EXPECT_EQ(machine_->poll_action(now_ + 1h), Action::none) << "once";
  EXPECT_FALSE(machine_->deadline());
  machine_->handle_response(response("three", "c3"));
  EXPECT_THAT(events(), IsEmpty());
  end(error(grpc::StatusCode::CANCELLED));
  EXPECT_THAT(events(), ElementsAre("lost nothing was heard for 15000 ms"));
  EXPECT_EQ(at_deadline(), Action::open);
  EXPECT_EQ(machine_->request().cursor(), "c2");
  hear(response("three", "c3"));
  EXPECT_THAT(events(), ElementsAre("three"));
}

TEST_F(WatchMachineTest, SilenceCountsFromTheCallOnAndOnlyWhileAResponseIsAwaited) {
  start();
  at_deadline();
  EXPECT_EQ(*machine_->deadline(), now_ + 15s) << "no answer to the call";
  hear(response("row"));
  events();
  EXPECT_FALSE(machine_->deadline()) << "the program is busy with the row";
  EXPECT_EQ(machine_->poll_action(now_ + 1h), Action::none);
}

TEST_F(WatchMachineTest, AnEndThatIsToldTwiceIsOneLoss) {
  start();
  at_deadline();
  end(away);
  end(away);
  EXPECT_THAT(events(), ElementsAre("lost away"));
  machine_->handle_response(response("of a call that has ended", "c1"));
  machine_->handle_read(now_);
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(at_deadline(), Action::open);
}

TEST_F(WatchMachineTest, PausesDoubleUpToTheLongestUntilThereIsANewCursor) {
  start();
  for (const auto pause : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    EXPECT_EQ(pause_after_a_loss(), pause);
  }
  at_deadline();
  hear(response("row"));
  events();
  end(away);
  events();
  EXPECT_EQ(*machine_->deadline() - now_, 5000ms) << "a server that dies of the present state is not asked faster";
  at_deadline();
  hear(response("complete", "c1"));
  events();
  end(away);
  events();
  EXPECT_EQ(*machine_->deadline() - now_, 100ms);
}

TEST_F(WatchMachineTest, ChanceCutsAPauseToHalfOfItAtMost) {
  start({.first_pause = 1s, .longest_pause = 1s});
  chance_ = 0;
  EXPECT_EQ(pause_after_a_loss(), 500ms);
  chance_ = 0.5;
  EXPECT_EQ(pause_after_a_loss(), 750ms);
}

TEST_F(WatchMachineTest, AnUnusableCursorIsToldAndThePresentStateFollows) {
  start({.cursor = "of another database"});
  at_deadline();
  end(error(grpc::StatusCode::OUT_OF_RANGE));
  EXPECT_THAT(events(), ElementsAre("lost because"));
  EXPECT_EQ(machine_->cursor(), "");
  // Lost once more, before anything is heard: still to be told.
  at_deadline();
  end(away);
  events();
  EXPECT_EQ(at_deadline(), Action::open);
  EXPECT_EQ(machine_->request().cursor(), "");
  hear(response("complete", "c1"));
  EXPECT_THAT(events(), ElementsAre("state resynchronised", "complete"));
  end(away);
  events();
  at_deadline();
  hear(response("two", "c2"));
  EXPECT_THAT(events(), ElementsAre("two"));
}

// The database was away for long and comes back as another one.
TEST_F(WatchMachineTest, ACursorThatIsGivenUpDoesNotWaitAsAnOutageDoes) {
  start({.cursor = "of another database"});
  for (int i = 0; i < 10; ++i) pause_after_a_loss();
  at_deadline();
  end(error(grpc::StatusCode::OUT_OF_RANGE));
  EXPECT_EQ(*machine_->deadline() - now_, 100ms);
  EXPECT_EQ(at_deadline(), Action::open);
  end(away);
  EXPECT_EQ(*machine_->deadline() - now_, 200ms) << "another outage begins";
}

TEST_F(WatchMachineTest, OutOfRangeEndsItWhereThereIsNoCursorOrNoWishToBeginAnew) {
  start();
  at_deadline();
  end(error(grpc::StatusCode::OUT_OF_RANGE));
  EXPECT_TRUE(machine_->over() && machine_->reason());

  start({.cursor = "c1", .begins_anew = false});
  at_deadline();
  end(error(grpc::StatusCode::OUT_OF_RANGE));
  EXPECT_TRUE(machine_->over() && machine_->reason());
}

TEST_F(WatchMachineTest, ARefusalEndsItAndAnythingElseIsALoss) {
  using Code = grpc::StatusCode;
  const std::set<Code> final{Code::INVALID_ARGUMENT, Code::NOT_FOUND,           Code::PERMISSION_DENIED,
                             Code::UNAUTHENTICATED,  Code::FAILED_PRECONDITION, Code::UNIMPLEMENTED,
                             Code::ALREADY_EXISTS};
  for (int code = Code::OK; code <= Code::UNAUTHENTICATED; ++code) {
    if (code == Code::OUT_OF_RANGE) continue;
    for (const bool heard : {false, true}) {
      start();
      at_deadline();
      if (heard) hear(response("complete", "c1"));
      events();
      end(error(Code(code)));
      const bool ends = final.contains(Code(code));
      EXPECT_EQ(machine_->over(), ends) << code;
      EXPECT_EQ(machine_->reason() ? machine_->reason()->code() : Code::OK, ends ? Code(code) : Code::OK);
      EXPECT_EQ(events().size(), ends ? 0u : 1u);
      EXPECT_EQ(machine_->deadline().has_value(), !ends);
    }
  }
}

TEST_F(WatchMachineTest, AnExpiredCertificateThatWasRenewedIsALoss) {
  start();
  at_deadline();
  end(error(grpc::StatusCode::UNAUTHENTICATED), true);
  EXPECT_FALSE(machine_->over());
  at_deadline();
  end(error(grpc::StatusCode::UNAUTHENTICATED), false);
  EXPECT_TRUE(machine_->over() && machine_->reason());
}

TEST_F(WatchMachineTest, WhoDoesNotWaitAtTheStartEndsWithTheFirstFailure) {
  start({.waits_at_start = false});
  at_deadline();
  end(away);
  ASSERT_TRUE(machine_->over());
  EXPECT_EQ(machine_->reason()->code(), grpc::StatusCode::UNAVAILABLE);

  start({.waits_at_start = false});
  at_deadline();
  hear(response("row"));
  events();
  end(away);
  EXPECT_FALSE(machine_->over()) << "it stood";
}

TEST_F(WatchMachineTest, CanBeStoppedAtAnyStep) {
  start();
  machine_->stop();  // before the first call
  EXPECT_TRUE(machine_->over());
  EXPECT_FALSE(machine_->reason() || machine_->deadline());

  start();
  at_deadline();
  end(away);
  machine_->stop();  // in a pause
  EXPECT_TRUE(machine_->over());
  EXPECT_THAT(events(), ElementsAre("lost away"));

  for (const bool silent : {false, true}) {
    start();
    at_deadline();
    if (silent) {
      EXPECT_EQ(at_deadline(), Action::cancel);
    }
    machine_->stop();
    machine_->stop();
    EXPECT_FALSE(machine_->over()) << "the call must end first";
    EXPECT_EQ(machine_->poll_action(now_), silent ? Action::none : Action::cancel);
    end(error(grpc::StatusCode::PERMISSION_DENIED));
    EXPECT_TRUE(machine_->over());
    EXPECT_FALSE(machine_->reason());
    EXPECT_THAT(events(), IsEmpty());
  }
}

// -- a whole watch against a server that keeps the contract -----------------------------------------------------------

/// Commits 1 to `last`; its present state is made of what a stream without a cursor finds committed, a row each.
struct Server {
  int last = 6, committed = 2;

  /// What a stream from `cursor` sends, the heartbeat included that ends the present state.
  std::vector<v1::WatchResponse> stream(const std::string& cursor) {
    std::vector<v1::WatchResponse> sent;
    int at = cursor.empty() ? committed : std::stoi(cursor);
    if (cursor.empty()) {
      for (int number = 1; number <= at; ++number) sent.push_back(response(std::to_string(number)));
      sent.push_back(response("complete", std::to_string(at)));
    }
    while (at < last) {
      const auto number = std::to_string(++at);
      sent.push_back(response(number, number));
    }
    return sent;
  }
};

/// What a program knows that does as it is told.
struct Board {
  std::vector<std::string> known;
  int states = 0;

  void take(const std::string& event) {
    if (event.starts_with("state ")) {
      known.clear();
      ++states;
    } else if (!event.starts_with("lost ") && event != "complete") {
      known.push_back(event);
    }
  }
};

class WholeWatch : public WatchMachineTest {
 protected:
  enum class Loss { reset, silence };

  /// One stream, lost after `count` responses; false where there are no more than these.
  bool stream_until(std::size_t count, Loss loss) {
    if (!machine_->deadline() || at_deadline() != Action::open) return false;
    const auto sent = server_.stream(machine_->request().cursor());
    for (std::size_t i = 0; i < std::min(count, sent.size()); ++i) {
      hear(sent[i]);
      for (const auto& event : events()) board_.take(event);
    }
    if (count >= sent.size()) return false;
    if (loss == Loss::silence) {
      machine_->handle_read(now_);
      EXPECT_EQ(at_deadline(), Action::cancel);
      machine_->handle_response(sent[count]);  // just too late
      end(error(grpc::StatusCode::CANCELLED));
    } else {
      end(away);
    }
    for (const auto& event : events()) board_.take(event);
    return true;
  }

  void begin() {
    start();
    server_ = {};
    board_ = {};
  }

  Server server_;
  Board board_;
};

TEST_F(WholeWatch, LostAtEachStepAndAtEachStepAgainItMissesNothingAndHasNothingTwice) {
  for (const auto loss : {Loss::reset, Loss::silence}) {
    for (std::size_t first = 0; first < 8; ++first) {
      for (std::size_t second = 0; second < 8; ++second) {
        begin();
        if (stream_until(first, loss)) {
          server_.committed = 4;  // the present state may be another one by now
          if (stream_until(second, loss)) stream_until(100, loss);
        }
        EXPECT_THAT(board_.known, ElementsAre("1", "2", "3", "4", "5", "6")) << first << " " << second;
      }
    }
  }
}

TEST_F(WholeWatch, ByChance) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    std::mt19937 random(seed);
    begin();
    server_.last = 40;
    for (int streams = 0; streams < 60; ++streams) {
      if (!stream_until(random() % 4, random() % 2 == 0 ? Loss::reset : Loss::silence)) break;
      server_.committed = std::min(40, server_.committed + static_cast<int>(random() % 3));
    }
    stream_until(100, Loss::reset);
    std::vector<std::string> all;
    for (int number = 1; number <= 40; ++number) all.push_back(std::to_string(number));
    ASSERT_EQ(board_.known, all) << "seed " << seed;
  }
}

}  // namespace
}  // namespace wardlink::client
