// What the queue logs of a mail that is put off for a day, as the trail keeps it, is a story that
// can be read: attempts that fail alike are one line, with the notices that came of them.
#include "trail/story.h"

#include <gmock/gmock.h>

#include "tests/unit/queue/harness.h"

namespace posthorn::queue {
namespace {

using ::testing::HasSubstr;

// Keeps what is logged as the trail's role would.
class Keeper final : public log::Recorder {
 public:
  explicit Keeper(const Clock& clock) : clock_(clock) { log::record_by(this); }
  ~Keeper() override { log::record_by(nullptr); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void take(const log::Event& event, std::string_view session, std::string_view queue,
            log::Fields fields) noexcept override {
    auto record =
        trail::parse_record(trail::format_record(clock_.now(), event, session, queue, fields));
    if (!record) return;
    record->source = "queue";
    records_.push_back(*std::move(record));
  }

  trail::Story tell(const std::string& id) const {
    trail::Life life;
    for (const trail::Record& record : records_) {
      if (record.queue_id != id) continue;
      life.records.push_back(record);
      if (const auto child = trail::child_of(record); !child.empty())
        life.children.emplace_back(child);
    }
    return trail::tell_story(id, life);
  }

 private:
  const Clock& clock_;
  std::vector<trail::Record> records_;
};

TEST(Story, AMailPutOffForADayIsReadInAFewLines) {
  TempFolder folder;
  CapturedLog log;
  ManualClock clock;
  FaultDisk disk;
  Keeper keeper(clock);
  config::Config config = config_in(folder.path());
  config.queue.warn_after = 4h;
  config.queue.expire_after = 24h;
  Server server(config, disk, clock);
  ASSERT_TRUE(server.start());
  const auto id = server.take(envelope_to({"later@far.test"}));
  ASSERT_TRUE(id) << id.error().what;
  server.settle();
  for (int i = 0; i < 23 * 6; ++i) server.step(10min);
  const trail::Story waiting = keeper.tell(*id);
  EXPECT_EQ(waiting.ending, trail::Ending::waiting);
  EXPECT_LE(waiting.lines.size(), 4U);
  const auto row = std::ranges::find_if(
      waiting.lines, [](const trail::Line& line) { return line.record.event == "queue.deferred"; });
  ASSERT_NE(row, waiting.lines.end());
  EXPECT_EQ(row->count, server.transport.calls_to("later@far.test"));
  EXPECT_GE(row->until - row->at, 20h);
  EXPECT_THAT(row->text, HasSubstr("\"450 4.2.0 Later\""));
  EXPECT_THAT(row->text, HasSubstr("the next attempt is at "));
  EXPECT_EQ(waiting.children.size(), 1U);  // that it is late

  for (int i = 0; i < 24; ++i) server.step(10min);
  const trail::Story lost = keeper.tell(*id);
  EXPECT_EQ(lost.ending, trail::Ending::failed);
  ASSERT_EQ(lost.children.size(), 2U);
  EXPECT_THAT(trail::format_story(lost, {}),
              HasSubstr("later@far.test could not be reached for 1d "));
  EXPECT_EQ(keeper.tell(lost.children[1]).sender, "");
}

}  // namespace
}  // namespace posthorn::queue
