#include "trail/desk.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/ascii.h"
#include "base/events.h"
#include "base/metrics.h"

namespace posthorn::trail {
namespace {

constexpr std::size_t kWaitingMax = 20'000;  // records
constexpr std::size_t kGroupMax = 2000;      // in one transaction
constexpr std::size_t kAnswerMax = 40'000;   // bytes
constexpr std::size_t kFoundMax = 200;

const log::Event* find_event(std::string_view name) {
  const auto events = event::all();
  const auto found = std::ranges::find(events, name, &log::Event::name);
  return found == events.end() ? nullptr : &*found;
}

net::Message refused(std::string_view why) {
  return net::Message("refused").add("error", why);
}
net::Message temporary(std::string_view why) {
  return net::Message("temporary").add("error", why);
}

}  // namespace

Desk::Desk(net::Scope& scope, net::BlockingPool& pool, Options options)
    : scope_(scope),
      pool_(pool),
      options_(std::move(options)),
      wake_(scope.executor()),
      written_(scope.executor()),
      free_(scope.executor()),
      stopping_(scope.executor()) {}

net::Awaitable<void> Desk::start() {
  note(co_await pool_.run([this] { return open(); }));
  scope_.spawn(write(this));
  scope_.spawn(clean(this));
}

void Desk::stop() {
  is_stopped_ = true;
  wake_.close();
  stopping_.close();
}

// On the pool.
Result<> Desk::open() {
  if (book_.is_open() && !book_.is_damaged()) return {};
  const Path file = options_.folder / "trail.db";
  for (const bool is_again : {false, true}) {
    book_.close();
    reader_.close();
    auto opened = book_.open(file, Book::Access::keep);
    if (opened) opened = reader_.open(file, Book::Access::read);
    if (const auto info = find_file_info(file); info && *info) inode_ = (*info)->inode;
    if (opened || !book_.is_damaged() || is_again) return opened;
    book_.close();
    const Path aside = options_.folder / "trail.db.damaged";
    std::error_code error;
    std::filesystem::rename(file, aside, error);
    for (const char* end : {"-wal", "-shm"})
      std::filesystem::remove(Path(file.native() + end), error);
    log_.error(event::trail_replaced, {{"file", aside.native()}, {"reason", opened.error().what}});
  }
  return {};
}

// On the pool.
bool Desk::is_gone() const {
  const auto info = find_file_info(options_.folder / "trail.db");
  return inode_ && info && (!*info || (*info)->inode != *inode_);
}

// On the pool. What was written beside a file that is gone must not be taken for the new one's.
Result<> Desk::begin_anew() {
  log_.error(event::trail_replaced, {{"file", "-"}, {"reason", "it was removed or moved away"}});
  book_.close();
  reader_.close();
  const Path file = options_.folder / "trail.db";
  std::error_code error;
  if (!std::filesystem::exists(file, error) && !error)
    for (const char* end : {"-wal", "-shm"})
      std::filesystem::remove(Path(file.native() + end), error);
  return open();
}

// On the pool.
Result<> Desk::keep(const std::vector<Record>& records) {
  std::error_code error;
  if (const auto room = std::filesystem::space(options_.folder, error);
      !error && room.available < options_.free_min)
    return fail(ErrorKind::temporary,
                "fewer bytes are free on " + options_.folder.native() + " than queue.free_min");
  TRY_OK(open());
  return book_.keep(records);
}

void Desk::note(const Result<>& kept) {
  const std::string why = kept ? "" : kept.error().what;
  if (why.empty() && !paused_.empty()) log_.info(event::trail_resumed, {});
  if (!why.empty() && paused_.empty()) log_.error(event::trail_paused, {{"error", why}});
  paused_ = why;
}

net::Awaitable<net::Message> Desk::take(std::string_view source, log::Senders senders,
                                        net::Message request) {
  if (request.verb != "tell") co_return refused("not a question for this socket");
  auto batch = std::make_shared<Batch>();
  std::size_t forged = 0;
  for (const std::string_view text : request.all("r")) {
    auto record = parse_record(text);
    const log::Event* known = record ? find_event(record->event) : nullptr;
    if (known == nullptr || (known->senders & senders) == 0) {
      ++forged;
      continue;
    }
    record->source = source;
    batch->records.push_back(*std::move(record));
  }
  if (forged > 0 && !told_forged_) {
    told_forged_ = true;
    log_.error(event::trail_forged, {{"by", source}, {"records", forged}});
  }
  if (batch->records.empty()) co_return refused("nothing to keep");
  if (records_waiting_ + batch->records.size() > kWaitingMax) co_return temporary("too much waits");
  records_waiting_ += batch->records.size();
  waiting_.push_back(batch);
  wake_.set();
  while (!batch->is_done && !is_stopped_) co_await written_.wait(SteadyTime::max());
  co_return batch->is_written ? net::Message("ok")
                              : temporary(paused_.empty() ? "it is stopping" : paused_);
}

net::Awaitable<void> Desk::take_turn() {
  const auto is_to_be_opened = [this] { return !book_.is_open() || book_.is_damaged(); };
  while (is_writing_ || (is_reading_ && is_to_be_opened())) co_await free_.wait(SteadyTime::max());
  is_writing_ = true;
  is_opening_ = is_to_be_opened();
  is_reading_ = is_reading_ || is_opening_;
}

void Desk::end_turn() {
  is_writing_ = false;
  if (std::exchange(is_opening_, false)) is_reading_ = false;
  free_.set();
}

// What came while the last group was written is the next one.
net::Awaitable<void> Desk::write(Desk* self) {
  while (!self->waiting_.empty() || !self->is_stopped_) {
    if (self->waiting_.empty()) {
      co_await self->wake_.wait(SteadyTime::max());
      continue;
    }
    co_await self->take_turn();
    std::vector<Record> records;
    std::vector<std::shared_ptr<Batch>> group;
    while (!self->waiting_.empty() && (group.empty() || records.size() < kGroupMax)) {
      group.push_back(self->waiting_.front());
      self->waiting_.pop_front();
      std::ranges::move(group.back()->records, std::back_inserter(records));
    }
    const auto kept = co_await self->pool_.run([&] { return self->keep(records); });
    self->end_turn();
    self->records_waiting_ -= records.size();
    self->note(kept);
    if (kept)
      metrics::count(metric::trail_records, "", "", static_cast<std::int64_t>(records.size()));
    for (const auto& batch : group) {
      batch->is_written = kept.has_value();
      batch->is_done = true;
    }
    self->written_.set();
  }
  self->written_.close();
}

net::Awaitable<void> Desk::clean(Desk* self) {
  while (!self->is_stopped_) {
    bool is_done = true;
    if (!self->is_writing_ && !self->is_reading_ && self->paused_.empty()) {
      self->is_writing_ = self->is_reading_ = true;
      const auto pruned = co_await self->pool_.run([self]() -> Result<Book::Pruned> {
        if (self->is_gone()) TRY_OK(self->begin_anew());
        if (!self->book_.is_open()) return Book::Pruned{};
        return self->book_.prune(Clock::system().now() - self->options_.keep,
                                 self->options_.size_max);
      });
      self->is_writing_ = self->is_reading_ = false;
      self->free_.set();
      is_done = !pruned || pruned->is_done;
    }
    // Others come in between the pieces.
    co_await self->stopping_.wait_for(is_done ? self->options_.clean_every : 20ms);
  }
}

net::Awaitable<net::Message> Desk::answer(net::Message request) {
  while (is_reading_ && !is_stopped_) co_await free_.wait(SteadyTime::max());
  if (is_stopped_) co_return temporary("it is stopping");
  is_reading_ = true;
  auto answered = co_await pool_.run([&]() -> Result<net::Message> {
    if (!reader_.is_open()) return temporary("the trail's database cannot be read");
    if (request.verb == "find") return find(request);
    if (request.verb == "mail" || request.verb == "session") return tell_life(request);
    if (request.verb == "logins") return tell_logins(request);
    if (request.verb == "status") return tell_extent();
    return refused("unknown command");
  });
  is_reading_ = false;
  free_.set();
  if (!answered) co_return temporary(answered.error().what);
  if (request.verb == "status" && !paused_.empty()) answered->add("paused", paused_);
  co_return *std::move(answered);
}

net::Message Desk::find(const net::Message& request) {
  Search search{.message_id = std::string(request.get("message_id")),
                .address = std::string(request.get("address")),
                .sender = std::string(request.get("from")),
                .recipient = std::string(request.get("to")),
                .refused_only = request.get("refused") == "1"};
  if (const auto since = to_number<std::int64_t>(request.get("since")))
    search.since = WallTime(std::chrono::milliseconds(*since));
  search.max = std::clamp<std::size_t>(to_number<std::size_t>(request.get("max")).value_or(50), 1,
                                       kFoundMax);
  const auto found = reader_.find(search);
  if (!found) return temporary(found.error().what);
  net::Message answer("ok");
  for (const Match& match : *found)
    answer.add("id", match.queue_id)
        .add("session", match.session)
        .add("at", std::to_string(match.at.time_since_epoch().count()));
  return answer;
}

net::Message Desk::tell_life(const net::Message& request) {
  const std::string id(request.get("id"));
  const auto life = request.verb == "mail" ? reader_.life_of_mail(id) : reader_.life_of_session(id);
  if (!life) return temporary(life.error().what);
  net::Message answer("ok");
  const std::size_t after = to_number<std::size_t>(request.get("after")).value_or(0);
  if (after == 0) {
    if (!life->parent.empty()) answer.add("parent", life->parent);
    for (const std::string& child : life->children) answer.add("child", child);
    if (life->is_cut) answer.add("cut", "1");
  }
  std::size_t size = 0;
  for (std::size_t i = after; i < life->records.size(); ++i) {
    const std::string text = format_record(life->records[i]);
    size += text.size() + static_cast<std::size_t>(std::ranges::count(text, '\n')) + 20;
    if (size > kAnswerMax && i > after) {
      answer.add("more", std::to_string(i));
      break;
    }
    answer.add("source", life->records[i].source).add("r", text);
  }
  return answer;
}

net::Message Desk::tell_logins(const net::Message& request) {
  constexpr std::size_t kLoginsMax = 40;
  const std::size_t max = to_number<std::size_t>(request.get("max")).value_or(5);
  const auto logins = reader_.logins_of(std::string(request.get("account")),
                                        std::clamp<std::size_t>(max, 1, kLoginsMax));
  if (!logins) return temporary(logins.error().what);
  net::Message answer("ok");
  std::size_t size = 0;
  for (const Record& record : *logins) {
    const std::string text = format_record(record);
    size += 2 * text.size();
    if (size > kAnswerMax) break;
    answer.add("r", text);
  }
  return answer;
}

net::Message Desk::tell_extent() {
  const auto extent = reader_.measure();
  if (!extent) return temporary(extent.error().what);
  net::Message answer("ok");
  answer.add("records", std::to_string(extent->records)).add("bytes", std::to_string(extent->size));
  if (extent->first) answer.add("first", format_log_time(*extent->first));
  if (extent->last) answer.add("last", format_log_time(*extent->last));
  return answer;
}

}  // namespace posthorn::trail
