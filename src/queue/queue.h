// Queue: what waits, and its scheduler. For each message: filter, plan for each recipient, attempts
// grouped by where they go, back-off, and at last a bounce. Everything that counts is on disk
// (queue/spool.h) before it is acted on. Lives on the role's thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/config.h"
#include "base/log.h"
#include "deliver/attempt.h"
#include "filter/filter.h"
#include "net/scope.h"
#include "queue/spool.h"
#include "route/directory.h"

namespace posthorn::queue {

class Queue {
 public:
  struct Parts {
    net::Scope& scope;
    net::BlockingPool& pool;
    const config::Config& config;
    Disk& disk;
    const Clock& clock;
    route::Directory& directory;
    deliver::Transport& transport;
    filter::Filter* filter = nullptr;  // nullptr: no spam stage
  };
  explicit Queue(Parts parts);

  net::Task<> start();  // reads the spool, begins to work
  void stop();          // no new attempts; those that run are waited for by the scope

  // For the sink: a message that comes in.
  bool is_full() const;
  std::unique_ptr<Spool::Writer> begin(message::Envelope envelope);
  net::Task<std::string> commit(Spool::Writer& writer);  // the queue id

  // list, show, retry, hold, release, delete, status.
  net::Awaitable<net::Message> answer(net::Message request);

 private:
  struct Item;
  using ItemPtr = std::shared_ptr<Item>;
  struct Destination {
    std::size_t running = 0;
    SteadyTime down_until{};
    std::chrono::milliseconds backoff{0};
  };
  struct Group {
    route::Plan plan;
    std::string key;
    std::vector<std::size_t> recipients;
  };

  void add(Stored stored);
  void schedule(const ItemPtr& item, SteadyTime when);
  SteadyTime steady(WallTime when) const;
  static net::Awaitable<void> pump(Queue* self);
  static net::Awaitable<void> work(Queue* self, ItemPtr item);
  net::Awaitable<bool> pass_filter(const ItemPtr& item);
  net::Awaitable<void> try_recipients(const ItemPtr& item);
  net::Awaitable<void> attempt(const ItemPtr& item, const Group& group);
  net::Awaitable<std::vector<Group>> plan(const ItemPtr& item);
  net::Task<> record(const ItemPtr& item, std::vector<LogRecord> records);
  net::Awaitable<void> finish(const ItemPtr& item);
  net::Awaitable<bool> notify(const ItemPtr& item, bool failed,
                              const std::vector<std::size_t>& recipients);
  net::Task<std::string> returned_text(const Stored& stored, bool whole);
  net::Message list(const net::Message& request) const;
  net::Awaitable<net::Message> show(std::string id);
  net::Awaitable<net::Message> change(std::string verb, std::string id);

  Parts parts_;
  Spool spool_;
  net::Event wake_;
  std::map<std::string, ItemPtr> items_;
  std::set<std::pair<SteadyTime, std::string>> due_;
  std::map<std::string, Destination> destinations_;
  std::size_t working_ = 0;
  bool stopped_ = false;
  SteadyTime login_alarm_{};
  log::Logger log_;
};

}  // namespace posthorn::queue
