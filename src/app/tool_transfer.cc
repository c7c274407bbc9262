#include "app/tool_transfer.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <sysexits.h>
#include <unistd.h>

#include "app/sandbox.h"
#include "app/supervisor.h"
#include "maps/table.h"
#include "message/headers.h"
#include "message/mailbox_address.h"
#include "message/mbox.h"
#include "store/account.h"
#include "store/dovecot_files.h"
#include "store/file_name.h"
#include "store/line_ends.h"
#include "store/mailbox_name.h"
#include "store/maildir.h"
#include "store/uidlist.h"

namespace posthorn::app {
namespace {

constexpr std::uint64_t kMessageMax = 2ULL << 30U;

int complain(int status, std::string_view what) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return status;
}

// A message on its way, whichever form it has outside.
struct Carried {
  std::string text;  // LF lines
  store::Flags flags = 0;
  std::vector<std::string> keywords;
  std::optional<WallTime> date;
};

net::Task<> deliver(const store::AccountPtr& account, const std::string& folder, Carried mail) {
  CO_TRY(const auto delivery, co_await account->begin_delivery());
  std::string wire;
  store::CrlfConverter().append(mail.text, wire);
  CO_TRY_OK(co_await delivery->write(wire));
  std::erase_if(mail.keywords, [](const std::string& name) { return !store::is_keyword(name); });
  std::vector<store::Target> targets;
  targets.push_back({.mailbox = folder,
                     .flags = mail.flags,
                     .keywords = std::move(mail.keywords),
                     .internal_date = mail.date,
                     .create = true});
  CO_TRY(const auto placed, co_await delivery->commit(std::move(targets)));
  if (placed.front().result != store::NameResult::done)
    co_return fail(ErrorKind::permanent, fmt::format("the folder {} does not take it", folder));
  co_return Result<>{};
}

net::Task<std::size_t> import_mbox(const store::AccountPtr& account, const File& input,
                                   const std::string& folder) {
  message::MboxReader reader;
  std::vector<char> buffer(256 * 1024);
  std::size_t count = 0;
  while (true) {
    const ssize_t n = ::read(input.fd(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) co_return fail_errno("read", "the mbox file", errno);
    if (n == 0)
      reader.finish();
    else
      reader.feed({buffer.data(), static_cast<std::size_t>(n)});
    if (reader.is_foreign())
      co_return fail(ErrorKind::permanent, "it does not begin with a From line: no mbox file");
    while (auto one = reader.take()) {
      const message::MboxMarks& marks = one->marks;
      const auto flag_if = [](bool is_set, store::Flags flag) {
        return is_set ? flag : store::Flags{0};
      };
      Carried mail{
          .text = std::move(one->text),
          .flags = static_cast<store::Flags>(flag_if(marks.seen, store::flag::seen) |
                                             flag_if(marks.answered, store::flag::answered) |
                                             flag_if(marks.flagged, store::flag::flagged) |
                                             flag_if(marks.deleted, store::flag::deleted) |
                                             flag_if(marks.draft, store::flag::draft)),
          .keywords = marks.keywords,
          .date = one->date};
      CO_TRY_OK(co_await deliver(account, folder, std::move(mail)));
      ++count;
    }
    if (n == 0) co_return count;
  }
}

// One folder of a maildir, in the order of its UIDs where they are known.
net::Task<std::size_t> import_folder(const store::AccountPtr& account, const Path& path,
                                     const std::string& folder) {
  CO_TRY(auto scan, store::scan_maildir(path));
  CO_TRY(const auto keyword_file, read_file(path / "dovecot-keywords"));
  const auto names = store::parse_keywords(keyword_file.value_or(""));
  CO_TRY(const auto uid_file, read_file(path / "dovecot-uidlist"));
  std::map<std::string, store::Uid, std::less<>> uids;
  if (uid_file)
    if (const auto list = store::parse_uidlist(*uid_file))
      for (const auto& line : list->lines) uids.emplace(line.base, line.uid);
  const auto uid_of = [&](const store::FolderFile& file) {
    const auto at = uids.find(file.base());
    return at == uids.end() ? 0xFFFF'FFFFU : at->second;
  };
  std::ranges::sort(scan.files, {}, [&](const store::FolderFile& file) {
    return std::pair<store::Uid, std::string_view>(uid_of(file), file.base());
  });
  std::size_t count = 0;
  for (const store::FolderFile& file : scan.files) {
    const Path at = path / (file.place == store::Place::in_new ? "new" : "cur") / file.name;
    CO_TRY(auto text, read_file(at, kMessageMax));
    CO_TRY(const auto info, find_file_info(at));
    if (!text || !info) continue;  // gone meanwhile
    const store::Letters letters = store::parse_info(file.info());
    Carried mail{
        .text = *std::move(text), .flags = letters.flags, .keywords = {}, .date = info->modified};
    for (std::size_t bit = 0; bit < names.size() && bit < store::kKeywordLettersMax; ++bit)
      if ((letters.keywords >> bit & 1U) != 0 && !names[bit].empty())
        mail.keywords.push_back(names[bit]);
    CO_TRY_OK(co_await deliver(account, folder, std::move(mail)));
    ++count;
  }
  co_return count;
}

net::Task<std::size_t> import_maildir(const store::AccountPtr& account, const Path& path,
                                      const std::string& folder) {
  CO_TRY(std::size_t count, co_await import_folder(account, path, folder));
  CO_TRY(const auto folders, store::list_folders(path));
  const std::string above = folder == "INBOX" ? "" : folder + store::kSeparator;
  for (const std::string& one : folders) {
    const auto name = store::name_of_folder(one);
    if (!name) continue;
    CO_TRY_OK(co_await account->create(above + *name));
    CO_TRY(const std::size_t more, co_await import_folder(account, path / one, above + *name));
    count += more;
  }
  CO_TRY(const auto text, read_file(path / "subscriptions"));
  for (const std::string& name : store::parse_subscriptions(text.value_or("")).names)
    CO_TRY_OK(
        co_await account->subscribe(above.empty() || name != "INBOX" ? above + name : folder));
  co_return count;
}

Result<> write_all(const File& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("write", "the mbox file", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

net::Task<std::size_t> export_mbox(const store::AccountPtr& account, const File& output,
                                   const std::string& folder) {
  CO_TRY(const auto view, co_await account->open_view(folder, store::Access::read_only));
  if (!view) co_return fail(ErrorKind::permanent, fmt::format("there is no folder {}", folder));
  std::size_t count = 0;
  const std::vector<store::Uid> uids = view->uids();
  for (const store::Uid uid : uids) {
    CO_TRY(const auto open, co_await view->mailbox().open_message(uid));
    const store::Entry* entry = view->mailbox().find(uid);
    if (!open || entry == nullptr) continue;
    message::MboxMessage message;
    message.text.resize(open->size);
    CO_TRY(const std::size_t n, read_at(open->file, message.text, 0));
    message.text.resize(n);
    message.date = open->internal_date;
    const store::Flags flags = entry->flags;
    message.marks = {.seen = (flags & store::flag::seen) != 0,
                     .old = true,
                     .answered = (flags & store::flag::answered) != 0,
                     .flagged = (flags & store::flag::flagged) != 0,
                     .deleted = (flags & store::flag::deleted) != 0,
                     .draft = (flags & store::flag::draft) != 0,
                     .keywords = {}};
    for (const std::string_view name : view->mailbox().keyword_names(entry->keywords))
      message.marks.keywords.emplace_back(name);
    const auto end = message::find_header_end(message.text, true).value_or(message::HeaderEnd{});
    std::string sender = message::Headers(std::string_view(message.text).substr(0, end.header_size))
                             .find("Return-Path")
                             .value_or("");
    std::erase_if(sender, [](char c) { return c == '<' || c == '>'; });
    message.sender = std::move(sender);
    CO_TRY_OK(write_all(output, message::format_mbox_message(message)));
    ++count;
  }
  co_return count;
}

Result<> copy_dated(const Path& from, const Path& to) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(from, error);
  if (!error) std::filesystem::copy_file(from, to, error);
  if (!error) std::filesystem::last_write_time(to, time, error);
  if (error) return fail(ErrorKind::temporary, fmt::format("{}: {}", to.native(), error.message()));
  return {};
}

// What Dovecot would find: the files of messages, and the lists beside them.
Result<std::size_t> copy_folder(const Path& from, const Path& to) {
  for (const char* name : {"", "cur", "new", "tmp"})
    TRY_OK(Disk::real().make_folder(*name == '\0' ? to : to / name));
  TRY(const auto scan, store::scan_maildir(from));
  for (const store::FolderFile& file : scan.files) {
    const char* place = file.place == store::Place::in_new ? "new" : "cur";
    TRY_OK(copy_dated(from / place / file.name, to / place / file.name));
  }
  TRY(const auto names, store::list_names(from));
  for (const std::string& name : names)
    if (name == "subscriptions" || name == "maildirfolder" ||
        (name.starts_with("dovecot-") && (name == "dovecot-uidlist" || name == "dovecot-keywords" ||
                                          name.starts_with("dovecot-uidvalidity"))))
      TRY_OK(copy_dated(from / name, to / name));
  return scan.files.size();
}

// Looks at every folder, so that all UIDs are given and written down; the copying comes later.
net::Task<> settle(const store::AccountPtr& account) {
  CO_TRY(const auto mailboxes, co_await account->list());
  for (const store::MailboxInfo& mailbox : mailboxes)
    if (mailbox.is_selectable)
      CO_TRY_OK(co_await account->open_view(mailbox.name, store::Access::read_only));
  co_return Result<>{};
}

net::Task<std::size_t> export_mboxes(const store::AccountPtr& account, const Path& folder) {
  CO_TRY(const auto mailboxes, co_await account->list());
  std::size_t count = 0;
  for (const store::MailboxInfo& mailbox : mailboxes) {
    if (!mailbox.is_selectable) continue;
    CO_TRY(const File output,
           Disk::real().open(folder / (mailbox.name + ".mbox"), OpenMode::create));
    CO_TRY(const std::size_t more, co_await export_mbox(account, output, mailbox.name));
    count += more;
  }
  co_return count;
}

using Work = std::function<net::Task<std::size_t>(const store::AccountPtr& account)>;

net::Awaitable<void> with_account(store::Accounts* accounts, std::string user, Work work,
                                  Result<std::size_t>* result) {
  {
    auto account = co_await accounts->open(std::move(user));
    if (!account) {
      *result = std::unexpected(account.error());
    } else {
      const auto defaults = co_await (*account)->ensure_defaults();
      *result = defaults ? co_await work(*account) : std::unexpected(defaults.error());
    }
  }
  co_await accounts->close();
}

Result<std::string> find_account_name(const config::Config& config, std::string_view given) {
  std::string user = message::to_lower(given);
  if (user.find('@') == std::string::npos && !config.server.default_domain.empty())
    user += "@" + config.server.default_domain;
  if (config.maps.mailboxes != std::vector<std::string>{"text:mailboxes"}) return user;
  const Path path = config.paths.maps / "mailboxes";
  TRY(const auto text, read_file(path));
  const maps::TextFile file = maps::parse_text(text.value_or(""), path.native());
  if (std::ranges::find(file.entries, user, &maps::Entry::key) == file.entries.end())
    return fail(ErrorKind::permanent, fmt::format("{} has no mailbox ({})", user, path.native()));
  return user;
}

// The server's place: its lock, its account of the system, its folders.
class Transfer {
 public:
  Transfer(const config::Config& config, const TransferOptions& options)
      : config_(config), options_(options) {}

  // Whatever may be opened only as root, before the rights are given up.
  int run(const std::function<Result<>()>& prepare, const Work& work,
          const std::function<Result<std::size_t>(const Path& account)>& afterwards = {}) {
    const auto user = find_account_name(config_, options_.user);
    if (!user) return complain(1, user.error().what);
    std::string folder = options_.folder.empty() ? "INBOX" : options_.folder;
    const auto checked = store::check_mailbox_name(folder);
    if (!checked) return complain(EX_USAGE, fmt::format("\"{}\" is no folder's name", folder));
    folder_ = *checked;
    if (const auto made = prepare_folders(config_); !made) return complain(1, made.error().what);
    const auto lock = take_instance_lock(config_);
    if (!lock)
      return complain(EX_TEMPFAIL,
                      "the server runs, and an account has one owner at a time: `posthorn stop` "
                      "first, or use an IMAP client");
    // Standard output may be the mail's.
    log::start({.level = log::Level::error, .role = "tool", .file = "/dev/stderr"});
    Result<> ready = prepare();
    if (ready) ready = become(config_.users.store);
    if (!ready) return complain(1, ready.error().what);
    Result<std::size_t> result = fail(ErrorKind::temporary, "nothing was done");
    {
      asio::io_context context(1);
      net::BlockingPool pool(1);
      {
        net::Scope scope(context.get_executor());
        store::Accounts accounts(scope, pool,
                                 {.store = config_.store,
                                  .mail = config_.paths.mail,
                                  .hostname = config_.server.hostname});
        scope.spawn(with_account(&accounts, *user, work, &result));
        context.run();
      }
      pool.join();
    }
    if (result && afterwards) {
      const auto path = store::account_path(config_.paths.mail, config_.store.location, *user);
      result = path ? afterwards(*path) : std::unexpected(path.error());
    }
    if (!result) return complain(1, result.error().what);
    fmt::print(stderr, "{} message{}\n", *result, *result == 1 ? "" : "s");
    return 0;
  }
  const std::string& folder() const { return folder_; }

 private:
  const config::Config& config_;
  const TransferOptions& options_;
  std::string folder_;
};

Result<File> open_outside(const Path& path, int flags, int standard) {
  File file(path == "-" ? ::dup(standard) : ::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail_errno("open", path.native(), errno);
  return file;
}

// A new or empty folder that belongs to the store's account.
Result<> make_place(const config::Config& config, const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return fail(ErrorKind::permanent, fmt::format("{}: {}", path.native(), error.message()));
  if (!std::filesystem::is_empty(path, error) || error)
    return fail(ErrorKind::permanent, path.native() + " is not empty");
  if (geteuid() != 0) return {};
  TRY(const Account account, find_account(config.users.store));
  if (::chown(path.c_str(), account.uid, account.gid) != 0)
    return fail_errno("chown", path.native(), errno);
  return {};
}

}  // namespace

int import_mail(const config::Config& config, const TransferOptions& options) {
  Transfer transfer(config, options);
  if (options.format == MailFormat::maildir)
    return transfer.run(
        [&]() -> Result<> {
          const auto info = find_file_info(options.place / "cur");
          if (!info || !*info || !(*info)->is_folder())
            return fail(ErrorKind::permanent, options.place.native() + " is no maildir");
          return {};
        },
        [&](const store::AccountPtr& account) {
          return import_maildir(account, options.place, transfer.folder());
        });
  File input;
  return transfer.run(
      [&]() -> Result<> {
        TRY(input, open_outside(options.place, O_RDONLY, STDIN_FILENO));
        return {};
      },
      [&](const store::AccountPtr& account) {
        return import_mbox(account, input, transfer.folder());
      });
}

int export_mail(const config::Config& config, const TransferOptions& options) {
  Transfer transfer(config, options);
  if (options.format == MailFormat::maildir) {
    if (!options.folder.empty())
      return complain(EX_USAGE, "a maildir is exported whole; --folder is for mbox");
    return transfer.run([&] { return make_place(config, options.place); },
                        [](const store::AccountPtr& account) -> net::Task<std::size_t> {
                          CO_TRY_OK(co_await settle(account));
                          co_return std::size_t{0};
                        },
                        [&](const Path& account) -> Result<std::size_t> {
                          TRY(std::size_t count, copy_folder(account, options.place));
                          TRY(const auto folders, store::list_folders(account));
                          for (const std::string& folder : folders) {
                            if (!store::name_of_folder(folder)) continue;
                            TRY(const std::size_t more,
                                copy_folder(account / folder, options.place / folder));
                            count += more;
                          }
                          return count;
                        });
  }
  std::error_code error;
  if (options.folder.empty() && std::filesystem::is_directory(options.place, error))
    return transfer.run(
        [&] { return make_place(config, options.place); },
        [&](const store::AccountPtr& account) { return export_mboxes(account, options.place); });
  File output;
  return transfer.run(
      [&]() -> Result<> {
        TRY(output, open_outside(options.place, O_WRONLY | O_CREAT | O_EXCL, STDOUT_FILENO));
        return {};
      },
      [&](const store::AccountPtr& account) {
        return export_mbox(account, output, transfer.folder());
      });
}

}  // namespace posthorn::app
