#include "learn/learner.h"

#include <algorithm>

#include "base/events.h"
#include "base/metrics.h"

namespace posthorn::learn {
namespace {

using message::MailClass;

// Messages that are open at once: each holds a descriptor.
constexpr std::size_t kOpenMax = 20;

void count(std::string_view result, MailClass what, std::size_t by = 1) {
  metrics::count(metric::lessons, result, message::to_string(what), static_cast<std::int64_t>(by));
}

}  // namespace

Learner::Learner(Parts parts)
    : parts_(std::move(parts)),
      notebook_(parts_.folder, parts_.disk, parts_.pool, parts_.scope.clock(), parts_.bounds),
      memory_(parts_.folder / "taught", parts_.disk, parts_.pool),
      news_(parts_.scope.executor()) {}

net::Task<> Learner::start() {
  CO_TRY_OK(co_await notebook_.open());
  // Without it a lesson may be given twice, which does no harm.
  if (const auto read = co_await memory_.open(); !read)
    log::Logger{}.warn(event::lesson_failed, {{"error", read.error().what}});
  is_open_ = true;
  parts_.scope.spawn(teach());
  co_return Result<>{};
}

void Learner::stop() {
  is_stopped_ = true;
  news_.close();
}

net::Awaitable<void> Learner::add_by_use(const imap::Happening& happening, store::SpecialUse use,
                                         std::vector<std::string>& names) {
  auto found = co_await happening.account->find_by_use(use);
  if (found && *found) names.push_back(**std::move(found));
}

net::Awaitable<Folders> Learner::find_folders(const imap::Happening& happening) const {
  const config::Store& settings = parts_.config.store;
  Folders folders{.junk = {settings.junk}, .trash = {settings.trash}};
  if (happening.cause == imap::Cause::flag) co_return folders;
  co_await add_by_use(happening, store::SpecialUse::junk, folders.junk);
  co_await add_by_use(happening, store::SpecialUse::trash, folders.trash);
  co_return folders;
}

net::Awaitable<void> Learner::see(const imap::Happening& happening) {
  const Folders folders = co_await find_folders(happening);
  for (const Teaching& teaching : find_teachings(happening, folders)) {
    const auto done = is_open_ ? co_await take_down(happening, teaching)
                               : fail(ErrorKind::temporary, "the notebook is not open");
    if (!done)
      log::Logger{}.error(event::lesson_failed, {{"account", happening.account->name()},
                                                 {"class", message::to_string(teaching.what)},
                                                 {"error", done.error().what}});
  }
  co_await drop_surplus();
  news_.set();
}

net::Task<> Learner::take_down(const imap::Happening& happening, const Teaching& teaching) {
  Notebook::Writer writer(notebook_, teaching.what, happening.account->name());
  Result<> done = co_await write(writer, happening, teaching);
  if (done) done = co_await writer.finish();
  if (!done) co_await writer.abandon();
  co_return done;
}

net::Task<> Learner::write(Notebook::Writer& writer, const imap::Happening& happening,
                           const Teaching& teaching) {
  const std::vector<store::Uid>& uids = teaching.uids;
  for (std::size_t begin = 0; begin < uids.size(); begin += kOpenMax) {
    const auto first = uids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min(kOpenMax, uids.size() - begin));
    CO_TRY(const auto opened,
           co_await happening.account->open_messages(happening.mailbox, {first, last}));
    for (const auto& message : opened) {
      if (!message || !message->file.is_open()) continue;  // gone already, or not to be read
      if (message->wire_size > parts_.config.filter.message_max) {
        count("too_large", teaching.what);
        continue;
      }
      CO_TRY_OK(co_await writer.add(message->file, message->size, message->wire_size));
      count("kept", teaching.what);
    }
  }
  co_return Result<>{};
}

net::Awaitable<void> Learner::drop_surplus() {
  while (notebook_.is_over_full()) co_await drop_first("too much waits");
}

net::Awaitable<void> Learner::drop_first(std::string_view why) {
  const Page page = *notebook_.first();
  const auto left = co_await notebook_.tear_out();
  tries_ = 0;
  count("dropped", page.what, left.value_or(page.messages.size() - page.next));
  log::Logger{}.warn(event::lesson_dropped, {{"account", page.account},
                                             {"class", message::to_string(page.what)},
                                             {"messages", page.messages.size() - page.next},
                                             {"reason", why}});
  if (!left) log::Logger{}.error(event::lesson_failed, {{"error", left.error().what}});
}

// The one that teaches. News do not end a wait that a failure began.
net::Awaitable<void> Learner::teach() {
  while (!is_stopped_) {
    if (notebook_.first() == nullptr) {
      co_await news_.wait(SteadyTime::max());
      continue;
    }
    if (co_await teach_one() == Next::go_on) {
      wait_ = 0ms;
      continue;
    }
    wait_ = std::clamp(2 * wait_, parts_.pace.retry_first, parts_.pace.retry_longest);
    const SteadyTime due = parts_.scope.after(wait_);
    while (!is_stopped_ && parts_.scope.clock().steady_now() < due) co_await news_.wait(due);
  }
}

net::Awaitable<Learner::Next> Learner::teach_one() {
  // A copy: while it is being taught, it may be torn out.
  const Page page = *notebook_.first();
  if (parts_.scope.clock().now() - page.begun() > parts_.pace.age_max) {
    co_await drop_first("it waited too long");
    co_return Next::go_on;
  }
  const auto message = co_await notebook_.read_next();
  if (!message) {
    log::Logger{}.error(event::lesson_failed, {{"error", message.error().what}});
    co_return co_await take_answer({Answer::Outcome::failed, message.error().what}, page, "");
  }
  const bool is_of_user = parts_.config.filter.learn == config::Learn::user;
  const std::string account = is_of_user ? page.account : std::string();
  const std::string digest = digest_of(account, *message);
  if (memory_.find(digest) == page.what) {
    count("known", page.what);
    co_await pass_on(page.number);
    co_return Next::go_on;
  }
  const Answer answer =
      co_await parts_.courier.carry({.what = page.what, .account = account, .message = *message});
  co_return co_await take_answer(answer, page, digest);
}

net::Awaitable<Learner::Next> Learner::take_answer(const Answer& answer, const Page& page,
                                                   const std::string& digest) {
  const log::Logger log;
  const std::string_view what = message::to_string(page.what);
  switch (answer.outcome) {
    case Answer::Outcome::unavailable:
      if (!std::exchange(is_waiting_told_, true))
        log.warn(event::lesson_waits, {{"error", answer.said}, {"messages", waiting()}});
      co_return Next::wait;
    case Answer::Outcome::failed:
      if (++tries_ < parts_.pace.tries_max) co_return Next::wait;
      [[fallthrough]];
    case Answer::Outcome::refused:
      count(answer.outcome == Answer::Outcome::refused ? "refused" : "failed", page.what);
      log.warn(event::lesson_refused,
               {{"account", page.account}, {"class", what}, {"error", answer.said}});
      break;
    case Answer::Outcome::learned:
    case Answer::Outcome::known:
      count(answer.outcome == Answer::Outcome::known ? "known" : "learned", page.what);
      log.info(event::lesson_learned,
               {{"account", page.account}, {"class", what}, {"reply", answer.said}});
      if (const auto noted = co_await memory_.note(digest, page.what); !noted)
        log.warn(event::lesson_failed, {{"error", noted.error().what}});
      break;
  }
  is_waiting_told_ = false;
  co_await pass_on(page.number);
  co_return Next::go_on;
}

net::Awaitable<void> Learner::pass_on(std::uint64_t page) {
  tries_ = 0;
  if (const auto turned = co_await notebook_.turn(page); !turned)
    log::Logger{}.error(event::lesson_failed, {{"error", turned.error().what}});
}

}  // namespace posthorn::learn
