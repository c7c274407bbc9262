#include "tools/transfer.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/ids.h"
#include "config/account_path.h"
#include "process/sandbox.h"
#include "store/mailbox_name.h"
#include "store/maildir.h"
#include "tools/account_name.h"
#include "tools/complain.h"
#include "tools/progress.h"
#include "tools/store_desk.h"
#include "tools/transfer_work.h"

namespace posthorn::tools {
namespace {

// What the work needs of the world: the account's desk, and where its files lie.
using Work = std::function<net::Task<std::size_t>(Desk desk)>;

// The account is asked for as whoever called us, its files are touched as the store.
net::Task<> work_at(StoreDesk* desk, const std::string* user, const Work* work,
                    std::size_t* count) {
  const Desk ask([desk, user](net::Message request) {
    // A commit of very many messages takes its time.
    return desk->ask(*user, std::move(request), 30min);
  });
  CO_TRY_OK(co_await ask(net::Message("open").add("user", *user)));
  CO_TRY_OK(desk->become_store());
  CO_TRY(*count, co_await (*work)(ask));
  co_return Result<>{};
}

// One command: the account, the input or output, then the work as the store's account.
class Transfer {
 public:
  Transfer(const config::Config& config, const TransferOptions& options)
      : config_(config), options_(options) {}

  int check() {
    const auto user = find_account_name(config_, options_.user);
    if (!user) return complain(user.error().what);
    user_ = *user;
    const std::string folder = options_.folder.empty() ? "INBOX" : options_.folder;
    const auto checked = store::check_mailbox_name(folder);
    if (!checked) return complain(fmt::format("\"{}\" is no folder's name", folder), EX_USAGE);
    folder_ = *checked;
    return 0;
  }

  int run(const Work& work) {
    std::size_t count = 0;
    const auto done = work_at_store(
        config_, [&](StoreDesk& desk) { return work_at(&desk, &user_, &work, &count); });
    progress().end();
    if (!done)
      return complain(done.error().what,
                      done.error().kind == ErrorKind::temporary ? EX_TEMPFAIL : 1);
    fmt::print(stderr, "{} message{}\n", count, count == 1 ? "" : "s");
    return 0;
  }
  const std::string& folder() const { return folder_; }
  Result<Path> account_path() const {
    return config::account_path(config_.paths.mail, config_.store.location, user_);
  }

 private:
  const config::Config& config_;
  const TransferOptions& options_;
  std::string user_;
  std::string folder_;
};

Result<File> open_outside(const Path& path, int flags, int standard) {
  File file(path == "-" ? ::dup(standard) : ::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail_errno("open", path.native(), errno);
  return file;
}

// Where an export goes: made beside its place under another name, and put there when it is whole.
// Done by a process that keeps the caller's rights, while a child does the work as the store's
// account.
class Output {
 public:
  explicit Output(Path place)
      : place_(std::move(place)),
        partial_(place_.parent_path() /
                 fmt::format(".{}.partial-{}", place_.filename().native(), random_hex(4))) {}

  const Path& partial() const { return partial_; }

  int run(const std::function<int()>& work) {
    child_ = ::fork();
    if (child_ < 0) return complain("no process can be made", EX_OSERR);
    if (child_ == 0) {
      const int status = work();
      std::fflush(nullptr);
      ::_exit(status);
    }
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, end_child);
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
    const auto done = code == 0 ? put_in_place() : Result<>{};
    std::error_code ignored;
    std::filesystem::remove_all(partial_, ignored);
    return done ? code : complain(done.error().what);
  }

 private:
  static void end_child(int) { ::kill(child_, SIGKILL); }

  // A file there is never replaced; an empty folder is.
  Result<> put_in_place() {
    Disk& disk = Disk::real();
    if (!std::filesystem::is_directory(partial_)) return disk.link(partial_, place_);
    if (disk.rename(partial_, place_)) return {};
    for (const auto& entry : std::filesystem::directory_iterator(partial_))  // a mount point
      TRY_OK(disk.rename(entry.path(), place_ / entry.path().filename()));
    return {};
  }

  static inline pid_t child_ = 0;
  Path place_;
  Path partial_;
};

// A new folder that belongs to the store's account, for a place that is empty or not there.
Result<> make_partial(const config::Config& config, const Path& place, const Path& partial) {
  std::error_code error;
  if (std::filesystem::exists(place, error) &&
      (!std::filesystem::is_directory(place, error) || !std::filesystem::is_empty(place, error)))
    return fail(ErrorKind::permanent, place.native() + " is not empty");
  if (error) return fail(ErrorKind::permanent, place.native() + ": " + error.message());
  std::filesystem::create_directories(partial, error);
  if (error) return fail(ErrorKind::permanent, partial.native() + ": " + error.message());
  if (geteuid() != 0) return {};
  TRY(const process::Account account, process::find_account(config.users.store));
  if (::chown(partial.c_str(), account.uid, account.gid) != 0)
    return fail_errno("chown", partial.native(), errno);
  return {};
}

Path without_slash(Path path) {
  return path.has_filename() || path == "/" ? path : path.parent_path();
}

}  // namespace

int import_mail(const config::Config& config, const TransferOptions& options) {
  Transfer transfer(config, options);
  if (const int fault = transfer.check(); fault != 0) return fault;
  if (options.format == MailFormat::maildir) {
    const auto info = find_file_info(options.place / "cur");
    if (!info || !*info || !(*info)->is_folder())
      return complain(options.place.native() + " is no maildir");
    return transfer.run(
        [&](const Desk& desk) { return import_maildir(desk, options.place, transfer.folder()); });
  }
  const auto input = open_outside(options.place, O_RDONLY, STDIN_FILENO);
  if (!input) return complain(input.error().what);
  return transfer.run(
      [&](const Desk& desk) { return import_mbox(desk, *input, transfer.folder()); });
}

int export_mail(const config::Config& config, const TransferOptions& options) {
  Transfer transfer(config, options);
  if (const int fault = transfer.check(); fault != 0) return fault;
  if (options.format == MailFormat::mbox && options.place == "-") {
    const File output(::dup(STDOUT_FILENO));
    return transfer.run([&](const Desk& desk) {
      return options.folder.empty() ? export_one_mbox(desk, output, transfer.folder())
                                    : export_mbox(desk, output, transfer.folder());
    });
  }
  const Path place = without_slash(options.place);
  Output output(place);
  std::error_code error;
  const bool is_maildir = options.format == MailFormat::maildir;
  if (is_maildir && !options.folder.empty())
    return complain("a maildir is exported whole; --folder is for mbox", EX_USAGE);
  if (is_maildir || (options.folder.empty() && std::filesystem::is_directory(place, error))) {
    if (const auto made = make_partial(config, place, output.partial()); !made)
      return complain(made.error().what);
    const auto account = transfer.account_path();
    if (!account) return complain(account.error().what);
    return output.run([&] {
      return transfer.run([&](const Desk& desk) {
        return is_maildir ? export_maildir(desk, *account, output.partial())
                          : export_mboxes(desk, output.partial());
      });
    });
  }
  if (std::filesystem::exists(place, error)) return complain(place.native() + " is there");
  const auto file = open_outside(output.partial(), O_WRONLY | O_CREAT | O_EXCL, STDOUT_FILENO);
  if (!file) return complain(file.error().what);
  return output.run([&] {
    return transfer.run([&](const Desk& desk) {
      return options.folder.empty() ? export_one_mbox(desk, *file, transfer.folder())
                                    : export_mbox(desk, *file, transfer.folder());
    });
  });
}

}  // namespace posthorn::tools
