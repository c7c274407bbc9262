#include "store/transfer_desk.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "base/events.h"
#include "base/log.h"
#include "store/away_desk.h"
#include "store/find_desk.h"
#include "store/room.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kFoldersAnswered = 100;
constexpr std::size_t kMessagesAnswered = 200;
constexpr std::size_t kCommitBatch = 200;  // a short hold of the account each
constexpr std::size_t kStagedMax = 10'000'000;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Uid uid_in(const net::Message& request, std::string_view key) {
  return static_cast<Uid>(number(request.get(key)));
}

Result<> must_be_done(NameResult result, std::string_view folder) {
  if (result == NameResult::done || result == NameResult::exists) return {};
  return fail(ErrorKind::permanent, fmt::format("the folder {} does not take it", folder));
}

}  // namespace

net::Awaitable<net::Message> TransferDesk::answer(net::Message request) {
  if (is_busy_) co_return net::Message("failed").add("error", "one question at a time");
  is_busy_ = true;
  Result<net::Message> done = co_await work(request);
  is_busy_ = false;
  if (done) co_return *std::move(done);
  co_return net::Message("failed").add("error", done.error().what);
}

net::Awaitable<void> TransferDesk::clear() {
  (void)co_await accounts_.pool().run([this]() -> Result<> {
    for (const Staged& staged : staged_) staged.delivery->abort();
    return {};
  });
  staged_.clear();
  incoming_.reset();
}

net::Task<net::Message> TransferDesk::work(const net::Message& request) {
  const std::string& verb = request.verb;
  const net::Message ok("ok");
  if (verb == "open") co_return co_await open(std::string(request.get("user")));
  if (verb == "look") co_return co_await look(std::string(request.get("user")));
  if (verb == "room") co_return co_await room(request);
  if (!account_) co_return fail(ErrorKind::permanent, "no account is open");
  std::string name(request.get("name"));
  std::string mailbox(request.get("mailbox"));
  if (verb.starts_with("script")) co_return co_await scripts_.answer(*account_, request);
  if (verb == "where") co_return co_await answer_where(*account_, request);
  if (verb.starts_with("away")) co_return co_await answer_away(accounts_, *account_, request);
  if (verb == "folders") co_return co_await folders(std::string(request.get("after")));
  if (verb == "create") {
    CO_TRY(const auto made, co_await account_->create(name));
    CO_TRY_OK(must_be_done(made, name));
    co_return ok;
  }
  if (verb == "subscribe") {
    CO_TRY_OK(co_await account_->subscribe(name));
    co_return ok;
  }
  if (verb == "piece") co_return co_await piece(std::string(request.get("bytes")));
  if (verb == "keywords") {
    for (const std::string_view keyword : request.all("keyword"))
      if (incoming_keywords_.size() <= kKeywordsMax) incoming_keywords_.emplace_back(keyword);
    co_return ok;
  }
  if (verb == "stage") co_return co_await stage(request);
  if (verb == "origin") {
    origins_.push_back({.mailbox = mailbox,
                        .uidvalidity = static_cast<std::uint32_t>(uid_in(request, "uidvalidity")),
                        .uidnext = uid_in(request, "uidnext")});
    co_return ok;
  }
  if (verb == "commit") co_return co_await commit();
  if (verb == "settle") {
    CO_TRY_OK(co_await settle());
    co_return ok;
  }
  if (verb == "list") co_return co_await list(mailbox, uid_in(request, "after"));
  if (verb == "words")
    co_return co_await words(mailbox, uid_in(request, "uid"),
                             static_cast<std::size_t>(number(request.get("from"))));
  if (verb == "read")
    co_return co_await read(mailbox, uid_in(request, "uid"), number(request.get("offset")));
  co_return fail(ErrorKind::permanent, "no question of this desk");
}

net::Task<net::Message> TransferDesk::open(std::string user) {
  CO_TRY(account_, co_await accounts_.open(std::move(user)));
  CO_TRY_OK(co_await account_->ensure_defaults());
  co_return net::Message("ok");
}

// Whoever may only look makes nobody's folder by a name that he thought of.
net::Task<net::Message> TransferDesk::look(std::string user) {
  account_.reset();
  CO_TRY(const bool is_there, co_await has_folder(accounts_, user));
  if (!is_there) co_return net::Message("none");
  CO_TRY(account_, co_await accounts_.open(std::move(user)));
  co_return net::Message("ok");
}

net::Task<net::Message> TransferDesk::room(const net::Message& request) {
  CO_TRY(const bool is_there, co_await has_folder(accounts_, std::string(request.get("account"))));
  if (!is_there) co_return net::Message("ok").add("bytes", "0").add("messages", "0");
  co_return co_await answer_room(accounts_, request);
}

net::Task<net::Message> TransferDesk::folders(std::string after) {
  CO_TRY(const auto mailboxes, co_await account_->list());
  net::Message answer("ok");
  bool is_behind = after.empty();
  for (const MailboxInfo& mailbox : mailboxes) {
    if (is_behind && mailbox.is_selectable) answer.add("name", mailbox.name);
    if (mailbox.name == after) is_behind = true;
    if (answer.fields.size() == kFoldersAnswered) break;
  }
  co_return answer;
}

net::Task<net::Message> TransferDesk::piece(std::string bytes) {
  if (!incoming_) {
    if (staged_.size() >= kStagedMax) co_return fail(ErrorKind::permanent, "too many messages");
    CO_TRY(incoming_, co_await account_->begin_delivery());
  }
  CO_TRY_OK(co_await incoming_->write(bytes));
  co_return net::Message("ok");
}

net::Task<net::Message> TransferDesk::stage(const net::Message& request) {
  if (!incoming_) {
    CO_TRY(incoming_, co_await account_->begin_delivery());
  }
  Target target{.mailbox = std::string(request.get("mailbox")),
                .flags = static_cast<Flags>(number(request.get("flags"))),
                .keywords = std::exchange(incoming_keywords_, {}),
                .internal_date = {},
                .create = true,
                .uid = uid_in(request, "uid")};
  if (const auto date = request.find("date"))
    target.internal_date = WallTime(std::chrono::seconds(number(*date)));
  CO_TRY_OK(co_await incoming_->settle(target.internal_date));
  staged_.push_back({std::move(incoming_), std::move(target)});
  co_return net::Message("ok");
}

// A connection that ends in the midst of it changes nothing: all that was staged goes in.
net::Task<net::Message> TransferDesk::commit() {
  std::vector<Staged> staged = std::exchange(staged_, {});
  const auto origins = std::exchange(origins_, {});
  std::vector<Account::Origin> taken;
  if (!origins.empty()) {
    CO_TRY(const auto may_keep, co_await account_->take_uidvalidity(origins));
    for (std::size_t i = 0; i < origins.size(); ++i)
      if (may_keep[i]) taken.push_back(origins[i]);
  }
  const std::size_t all = staged.size();
  quota::Usage more{.bytes = 0, .messages = all};
  for (const Staged& one : staged) more.bytes += one.delivery->size();
  CO_TRY(const bool has_room, co_await account_->has_room_for("INBOX", more, "import"));
  if (!has_room)
    co_return fail(ErrorKind::permanent,
                   fmt::format("{} messages of {} bytes are over the account's limit; `posthorn "
                               "quota set {} SIZE` raises it",
                               all, more.bytes, account_->name()));
  for (std::size_t i = 0; i < all; i += kCommitBatch) {
    std::vector<Account::Append> appends;
    for (std::size_t j = i; j < std::min(i + kCommitBatch, all); ++j) {
      Target& target = staged[j].target;
      if (std::ranges::find(taken, target.mailbox, &Account::Origin::mailbox) == taken.end())
        target.uid = 0;
      appends.push_back({staged[j].delivery.get(), target});
    }
    CO_TRY(const auto placed, co_await account_->commit(std::move(appends), quota::Check::none));
    CO_TRY_OK(must_be_done(placed.front().result, placed.front().mailbox));
    for (std::size_t j = i; j < std::min(i + kCommitBatch, all); ++j) staged[j].delivery.reset();
  }
  if (!taken.empty()) CO_TRY_OK(co_await account_->raise_uidnext(taken));
  log::Logger().info(event::store_imported, {{"account", account_->name()}, {"messages", all}});
  co_return net::Message("ok").add("messages", std::to_string(all));
}

net::Task<> TransferDesk::settle() {
  CO_TRY(const auto mailboxes, co_await account_->list());
  for (const MailboxInfo& mailbox : mailboxes)
    if (mailbox.is_selectable)
      CO_TRY_OK(co_await account_->open_view(mailbox.name, Access::read_only));
  log::Logger().info(event::store_exported, {{"account", account_->name()}});
  co_return Result<>{};
}

net::Task<> TransferDesk::look_at(std::string mailbox) {
  if (view_ && view_->mailbox().name() == mailbox) co_return Result<>{};
  reading_.reset();
  CO_TRY(view_, co_await account_->open_view(mailbox, Access::read_only));
  if (!view_) co_return fail(ErrorKind::permanent, fmt::format("there is no folder {}", mailbox));
  log::Logger().info(event::store_exported, {{"account", account_->name()}, {"mailbox", mailbox}});
  co_return Result<>{};
}

net::Task<net::Message> TransferDesk::list(std::string mailbox, Uid after) {
  CO_TRY_OK(co_await look_at(std::move(mailbox)));
  net::Message answer("ok");
  for (std::uint32_t at = view_->first_from(after + 1); at <= view_->size(); ++at) {
    const Entry* entry = view_->mailbox().find(view_->uid_of(at));
    if (entry == nullptr) continue;
    answer.add("message", fmt::format("{} {} {}", entry->uid, entry->flags, entry->internal_date));
    if (answer.fields.size() == kMessagesAnswered) break;
  }
  co_return answer;
}

net::Task<net::Message> TransferDesk::words(std::string mailbox, Uid uid, std::size_t from) {
  CO_TRY_OK(co_await look_at(std::move(mailbox)));
  net::Message answer("ok");
  const Entry* entry = view_->mailbox().find(uid);
  if (entry == nullptr) co_return answer;
  const auto names = view_->mailbox().keyword_names(entry->keywords);
  for (std::size_t i = from; i < names.size() && i - from < kDeskKeywordsMax; ++i)
    answer.add("keyword", names[i]);
  co_return answer;
}

net::Task<net::Message> TransferDesk::read(std::string mailbox, Uid uid, std::uint64_t offset) {
  CO_TRY_OK(co_await look_at(std::move(mailbox)));
  if (!reading_ || reading_->uid != uid) {
    CO_TRY(reading_, co_await view_->mailbox().open_message(uid));
    if (!reading_) co_return net::Message("gone");
  }
  std::string bytes(kDeskPieceMax, '\0');
  CO_TRY(const std::size_t n, co_await accounts_.pool().run([&]() -> Result<std::size_t> {
    return read_at(reading_->file, bytes, offset);
  }));
  bytes.resize(n);
  co_return net::Message("ok").add("bytes", bytes);
}

net::Awaitable<void> serve_desk(Accounts& accounts, net::Scope& scope, net::StreamPtr stream,
                                net::LineGate gate) {
  TransferDesk desk(accounts);
  co_await net::serve_lines(
      scope, std::move(stream),
      [&desk](net::Message request) { return desk.answer(std::move(request)); }, std::move(gate));
  co_await desk.clear();
}

}  // namespace posthorn::store
