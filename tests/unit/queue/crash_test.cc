// The whole queue, stopped at every operation on the disk: as a kill, as a power cut, and with one
// failure the process lives on with. After it a sound server ends what is there. Every recipient of
// an acknowledged message then has it, or its sender has been told; a second time only where the
// answer had come and its record had not been written; nobody gets what was never acknowledged
// twice.
#include <cerrno>

#include "harness.h"

namespace posthorn::queue {
namespace {

using Fault = FaultDisk::Fault;

struct Told {
  std::map<std::string, message::Envelope> acknowledged;  // by subject
  std::map<std::string, int> delivered;                   // "subject address"
  std::map<std::string, int> bounced;                     // "subject address" in a notice
  std::map<std::string, int> confirmed;
};

std::string subject_of(const std::string& text) {
  const std::size_t at = text.find("Subject: mail-");
  return at == std::string::npos ? "" : text.substr(at + 9, text.find('\r', at) - at - 9);
}

void gather(const Server& server, Told& told) {
  for (const Call& call : server.transport.calls) {
    const std::string subject = subject_of(call.text);
    for (const message::Recipient& to : call.envelope.recipients) {
      if (!to.address.starts_with("ok") && !to.address.starts_with("sender")) continue;
      if (!call.envelope.sender.empty()) {
        ++told.delivered[subject + " " + to.address];
        EXPECT_TRUE(call.text.ends_with("\r\nbody\r\n")) << "cut: " << call.text.size();
        continue;
      }
      // A notice: who it speaks of.
      for (std::size_t at = call.text.find("Final-Recipient: rfc822; "); at != std::string::npos;
           at = call.text.find("Final-Recipient: rfc822; ", at + 1)) {
        const std::string address = call.text.substr(at + 25, call.text.find('\r', at) - at - 25);
        const bool failed = call.text.find("Action: failed") != std::string::npos;
        ++(failed ? told.bounced : told.confirmed)[subject + " " + address];
      }
    }
  }
}

class CrashQueue : public testing::Test {
 protected:
  static void take(Server& server, Told& told, const std::string& subject,
                   std::vector<std::string> recipients, std::size_t size = 0) {
    message::Envelope envelope = envelope_to(std::move(recipients));
    for (auto& to : envelope.recipients)
      to.notify = {.never = false, .success = to.address == "ok1@example.org", .failure = true};
    const std::string text =
        "Subject: " + subject + "\r\nX: " + std::string(size, 'x') + "\r\n\r\nbody\r\n";
    if (server.take(envelope, text)) told.acknowledged[subject] = envelope;
    server.settle(12);
  }
  static void work(Server& server, Told& told) {
    if (!server.start()) return;
    take(server, told, "mail-1", {"ok1@example.org", "later@far.test", "bad@far.test"});
    take(server, told, "mail-2", {"ok2@example.org"}, 100'000);
    take(server, told, "mail-3", {"ok3@far.test", "bad3@other.test"});
    server.step(6min, 12);
    server.step(11min, 12);
  }
  static config::Config config(const Path& folder) {
    config::Config config = config_in(folder);
    config.queue.warn_after = 10min;
    config.queue.expire_after = 6h;
    return config;
  }
  static int operations() {
    TempFolder folder;
    FaultDisk disk;
    ManualClock clock;
    Told told;
    Server server(config(folder.path()), disk, clock);
    work(server, told);
    EXPECT_EQ(told.acknowledged.size(), 3U);
    return disk.count();
  }

  static void fall(FaultDisk::Plan plan, bool power_cut) {
    SCOPED_TRACE("at operation " + std::to_string(plan.at));
    TempFolder folder;
    FaultDisk disk(plan);
    ManualClock clock;
    Told told;
    {
      Server server(config(folder.path()), disk, clock);
      server.transport.is_dead = [&] { return disk.is_killed(); };
      work(server, told);
      gather(server, told);
    }
    EXPECT_EQ(disk.syncs_after_failed(), 0);
    if (power_cut) disk.cut_power();
    {
      FaultDisk sound;
      Server server(config(folder.path()), sound, clock);
      ASSERT_TRUE(server.start());
      server.settle();
      for (int i = 0; i < 24; ++i) server.step(20min, 12);
      gather(server, told);
      EXPECT_EQ(server.size(), 0U);
      EXPECT_TRUE(names_in(folder.path() / "spool/active").empty());
      EXPECT_TRUE(names_in(folder.path() / "spool/incoming").empty());
      EXPECT_TRUE(names_in(folder.path() / "spool/corrupt").empty());
    }
    judge(told);
  }

  static void judge(const Told& told) {
    int twice = 0;
    for (const auto& [subject, envelope] : told.acknowledged)
      for (const message::Recipient& to : envelope.recipients) {
        const std::string key = subject + " " + to.address;
        const auto& where = to.address.starts_with("ok") ? told.delivered : told.bounced;
        const auto at = where.find(key);
        EXPECT_NE(at, where.end()) << key << " is lost";
        if (to.notify.success) EXPECT_TRUE(told.confirmed.contains(key)) << key;
      }
    // A notice can be lost sight of in two places: "it was made" and "it was sent".
    for (const auto* all : {&told.delivered, &told.bounced, &told.confirmed})
      for (const auto& [key, times] : *all) {
        EXPECT_LE(times, all == &told.delivered ? 2 : 3) << key;
        twice += times - 1;
      }
    EXPECT_LE(twice, 2);
  }
};

TEST_F(CrashQueue, KilledAtEveryOperation) {
  const CapturedLog log;
  const int all = operations();
  EXPECT_GT(all, 50);
  for (int at = 1; at <= all && !HasFailure(); ++at)
    fall({.fault = Fault::for_good, .at = at}, false);
}

TEST_F(CrashQueue, PowerCutAtEveryOperation) {
  const CapturedLog log;
  const int all = operations();
  for (int at = 1; at <= all && !HasFailure(); ++at)
    fall({.fault = Fault::for_good, .at = at}, true);
}

TEST_F(CrashQueue, OneFailureAtEveryOperation) {
  const CapturedLog log;
  const int all = operations();
  for (const int error : {ENOSPC, EIO})
    for (int at = 1; at <= all && !HasFailure(); ++at)
      fall({.fault = Fault::once, .at = at, .error = error}, error == EIO);
}

}  // namespace
}  // namespace posthorn::queue
