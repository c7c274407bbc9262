// Queue: what waits, and its scheduler. For each message: filter, plan for each recipient, attempts
// grouped by where they go, back-off, and at last a bounce. Everything that counts is on disk
// (queue/spool.h) before it is acted on. Lives on the role's thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/log.h"
#include "config/config.h"
#include "deliver/attempt.h"
#include "filter/filter.h"
#include "filter/outcome.h"
#include "message/dsn.h"
#include "net/scope.h"
#include "queue/selection.h"
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
    filter::Scanner* filter = nullptr;  // nullptr: no spam stage
    // Clients that send in our name without a login (smtp.relay_from).
    std::function<bool(const std::string& address)> is_trusted = {};
  };
  explicit Queue(Parts parts);

  net::Task<> start();  // reads the spool, begins to work
  void stop();          // no new attempts; those that run are waited for by the scope
  void look_again();    // at the clock: what is due now begins

  // For the sink: a message that comes in.
  bool is_full() const;
  std::unique_ptr<Spool::Writer> begin(message::Envelope envelope);
  net::Task<std::string> commit(Spool::Writer& writer);  // the queue id

  // A mail of the server's own to its postmaster, in the spool when this returns: its queue id.
  net::Task<std::string> write_to_postmaster(std::string subject, std::string text);

  struct Census {
    std::size_t active = 0, deferred = 0, held = 0;
    std::chrono::milliseconds oldest{0};
    std::string oldest_id;
    std::string oldest_reason;  // why it still waits; empty: nothing was tried yet
  };
  Census census() const;
  // Of the last tries at relays, by "[smtp.example.net]:587"; one that works again has none.
  struct RelayFault {
    std::string_view state;  // "login refused", "down"
    std::string reason;
    SteadyTime seen{};
  };
  std::map<std::string, RelayFault> relay_faults() const;

  // list, show; retry, hold, release, delete.
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
    std::string sender;  // the message's own, or what it is rewritten to
  };
  // Where an item waits for room: the destination (empty: all are busy), new mail or old, its turn.
  struct Place {
    std::string crowd;
    bool is_new = true;
    std::uint64_t turn = 0;
    auto operator<=>(const Place&) const = default;
  };

  enum class Text { unread, checked };  // checked: it is what was written
  void add(Stored stored, Text text);
  void tell_accepted(const Stored& stored) const;
  void tell_found() const;
  void schedule(const ItemPtr& item, SteadyTime when);
  void forget(const ItemPtr& item);
  void park(const ItemPtr& item);
  void unpark(const ItemPtr& item);
  void wake_parked(const std::string& crowd, std::size_t room);
  std::chrono::milliseconds age(const Item& item) const;
  SteadyTime steady(WallTime when) const;
  static net::Awaitable<void> pump(Queue* self);
  static net::Awaitable<void> work(Queue* self, ItemPtr item);
  net::Awaitable<bool> check_text(const ItemPtr& item);
  net::Awaitable<bool> pass_filter(const ItemPtr& item);
  net::Awaitable<std::optional<filter::Outcome>> scan(const ItemPtr& item, const log::Logger& log);
  net::Awaitable<bool> put_on_top(const ItemPtr& item, filter::Verdict verdict,
                                  const log::Logger& log);
  net::Task<std::optional<std::string>> look_at_header(const ItemPtr& item,
                                                       const std::string& filter_headers);
  net::Awaitable<void> try_recipients(const ItemPtr& item);
  bool start_groups(const ItemPtr& item);
  static net::Awaitable<void> run_group(Queue* self, ItemPtr item, Group group);
  net::Awaitable<void> attempt(const ItemPtr& item, const Group& group);
  LogRecord record_of(const Stored& stored, const Group& group, std::size_t i,
                      const deliver::Attempted& attempted, const deliver::Outcome& outcome) const;
  void note_destination(const std::string& key, const deliver::Attempted& attempted,
                        const log::Logger& log);
  void note_relay(const std::string& key, const deliver::Attempted& attempted);
  net::Awaitable<std::list<Group>> plan(const ItemPtr& item);
  net::Task<> record(const ItemPtr& item, std::vector<LogRecord> records);
  net::Awaitable<void> finish(const ItemPtr& item);
  net::Awaitable<bool> confirm(const ItemPtr& item);
  net::Awaitable<bool> notify(const ItemPtr& item, message::Dsn::Kind kind,
                              std::vector<std::size_t> recipients);
  net::Awaitable<bool> notify_some(const ItemPtr& item, message::Dsn::Kind kind,
                                   std::span<const std::size_t> recipients);
  void tell_dropped(const Stored& stored, std::size_t recipient) const;
  net::Task<std::vector<std::string>> who_is_told(const Stored& stored, const log::Logger& log);
  enum class Returned { header, whole };
  net::Task<std::string> returned_text(const Stored& stored, Returned what);
  net::Message list(const net::Message& request) const;
  std::size_t add_message(net::Message& page, const Item& item) const;
  net::Awaitable<net::Message> show(std::string id);
  // What became of a message that something was ordered for.
  enum class Done {
    done,
    gone,         // it is not here, or not any more
    not_for_now,  // what is held is not tried, what is not held not released
    failed        // the disk refused it
  };
  struct Tally;
  net::Awaitable<net::Message> change(net::Message request);
  static net::Awaitable<void> change_one(Queue* self, std::string verb, std::string id,
                                         std::shared_ptr<Tally> tally);
  net::Awaitable<Done> remove(const ItemPtr& item);
  enum class Holding { on, off };
  net::Awaitable<Done> set_held(const ItemPtr& item, Holding holding);
  Done retry(const ItemPtr& item);

  Parts parts_;
  Spool spool_;
  net::Event wake_;
  std::map<std::string, ItemPtr> items_;
  std::set<std::pair<SteadyTime, std::string>> due_;
  std::map<std::string, Destination> destinations_;
  std::map<Place, ItemPtr> parked_;
  std::uint64_t turns_ = 0;
  std::size_t working_ = 0;
  std::size_t attempting_ = 0;
  bool stopped_ = false;
  SteadyTime login_alarm_{};
  // What is wrong with a smarthost since it was last asked, for the operator; forgotten when nobody
  // asks it any more.
  std::map<std::string, RelayFault> relay_faults_;
  log::Logger log_;
};

}  // namespace posthorn::queue
