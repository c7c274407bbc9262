// What the operator orders: retry, hold, release, delete, of messages that are named by their ids.
// Which ones are meant is asked before (control.cc, list): what comes in after that is never taken.
#include <fmt/format.h>

#include "base/events.h"
#include "queue/item.h"

namespace posthorn::queue {
namespace {

// Of one order, and of those how many at a time: they share the syncs of the folder.
constexpr std::size_t kOrderedMax = 1000, kAtOnceMax = 50;

bool is_verb(std::string_view verb) {
  return verb == "retry" || verb == "hold" || verb == "release" || verb == "delete";
}

}  // namespace

struct Queue::Tally {
  explicit Tally(const net::Executor& executor) : ended(executor) {}
  std::size_t of(Done what) const { return counts[static_cast<std::size_t>(what)]; }
  std::array<std::size_t, 4> counts{};
  std::size_t running = 0;
  net::Event ended;
};

// done=, gone=, not_for_now=, failed=: how many. One that was named alone is refused with a reason.
net::Awaitable<net::Message> Queue::change(net::Message request) {
  if (!is_verb(request.verb)) co_return net::Message("refused").add("error", "unknown command");
  const auto named = request.all("id");
  const std::vector<std::string> ids(named.begin(), named.end());
  if (ids.empty() || ids.size() > kOrderedMax)
    co_return net::Message("refused").add("error",
                                          fmt::format("1 to {} ids are needed", kOrderedMax));
  const auto tally = std::make_shared<Tally>(parts_.scope.executor());
  for (const std::string& id : ids) {
    while (tally->running >= kAtOnceMax) co_await tally->ended.wait(SteadyTime::max());
    ++tally->running;
    parts_.scope.spawn(change_one(this, request.verb, id, tally));
  }
  while (tally->running > 0) co_await tally->ended.wait(SteadyTime::max());
  const bool is_refused = ids.size() == 1 && tally->of(Done::done) == 0;
  net::Message answer(is_refused ? "refused" : "ok");
  answer.add("done", fmt::format("{}", tally->of(Done::done)))
      .add("gone", fmt::format("{}", tally->of(Done::gone)));
  answer.add("not_for_now", fmt::format("{}", tally->of(Done::not_for_now)))
      .add("failed", fmt::format("{}", tally->of(Done::failed)));
  if (is_refused)
    answer.add("error", tally->of(Done::gone) > 0 ? fmt::format("there is no message {}", ids[0])
                        : tally->of(Done::failed) > 0 ? "the disk refused it, and the log says why"
                        : request.verb == "retry"     ? "it is held: release it first"
                                                      : "it is not held");
  co_return answer;
}

net::Awaitable<void> Queue::change_one(Queue* self, std::string verb, std::string id,
                                       std::shared_ptr<Tally> tally) {
  Done done = Done::gone;
  const auto found = self->items_.find(id);
  if (found != self->items_.end()) {
    const ItemPtr item = found->second;
    if (verb == "retry")
      done = self->retry(item);
    else if (verb == "delete")
      done = co_await self->remove(item);
    else
      done = co_await self->set_held(item, verb == "hold" ? Holding::on : Holding::off);
  }
  ++tally->counts[static_cast<std::size_t>(done)];
  --tally->running;
  tally->ended.set();
}

// At once, whatever is thought of where it goes.
Queue::Done Queue::retry(const ItemPtr& item) {
  if (item->stored.is_held) return Done::not_for_now;
  item->again = true;
  if (!item->busy) schedule(item, parts_.clock.steady_now());
  return Done::done;
}

net::Awaitable<Queue::Done> Queue::remove(const ItemPtr& item) {
  const std::string id = item->stored.id;
  item->deleted = true;
  if (!item->busy) {
    item->busy = true;  // nobody else begins with it now
    due_.erase({item->when, id});
    const auto removed = co_await spool_.remove(id);
    item->busy = false;
    if (!removed) {
      item->deleted = false;
      schedule(item, parts_.clock.steady_now() + parts_.config.queue.retry_first);
      log_.with_queue(id).error(event::queue_disk_failed, {{"reason", removed.error().what}});
      co_return Done::failed;
    }
    forget(item);
  }
  log_.with_queue(id).info(event::queue_deleted, {});
  co_return Done::done;
}

net::Awaitable<Queue::Done> Queue::set_held(const ItemPtr& item, Holding holding) {
  const bool held = holding == Holding::on;
  if (!held && !item->stored.is_held) co_return Done::not_for_now;
  if (!co_await record(item,
                       {make_record(held ? LogRecord::Kind::hold : LogRecord::Kind::release)}))
    co_return Done::failed;
  item->stored.is_held = held;
  log_.with_queue(item->stored.id).info(held ? event::queue_held : event::queue_released, {});
  if (held) {
    due_.erase({item->when, item->stored.id});
    unpark(item);
  } else if (!item->busy) {
    schedule(item, parts_.clock.steady_now());
  }
  co_return Done::done;
}

}  // namespace posthorn::queue
