// ScriptFolder: the Sieve scripts of one user, as they lie in the account's home in Pigeonhole's
// layout, so that either server can take over from the other:
//
//   sieve/NAME.sieve    a script; NAME is what the client called it
//   .dovecot.sieve      a symbolic link, "sieve/NAME.sieve": that one is active. Of what it says
//                       only the last name counts, and it is looked for in sieve/ alone: a link
//                       that came with somebody's maildir leads nowhere else
//   .dovecot.sieve      a plain file (Dovecot's old layout): it is active, and its name is
//                       dovecot.orig (-2, -3 … where that is taken). The first change moves it into
//                       sieve/, as Pigeonhole does
//
// The home is the account's maildir, or the folder home/ in it where scripts lie there
// (docker-mailserver). No mailbox can be called like one of these (store/mailbox_name.h).
//
//   step                                                a crash between two of them leaves
//   put         text synced beside its place, renamed   the old text or the new one
//               over it, folder synced
//   activate    a new link beside the old, renamed      the old one active, or the new one
//               over it, home synced
//   rename      file renamed, folder synced             the old name or the new one
//   … of the    a second name linked, synced; the link  two names of one file, of which only the
//   active one  renamed over; the first name removed    active one is shown; the next change
//                                                       removes the other
//   old layout  a second name in sieve/, synced; the    the plain file, shown under the name it is
//               link renamed over the plain file        to have
//
// Changes exclude each other, also between processes (flock on sieve/). All calls block.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace posthorn::scripts {

// A larger file is not read, whoever put it there.
inline constexpr std::uint64_t kScriptSizeMax = 1U << 20U;

struct Limits {
  std::size_t scripts_max = 100;
  std::uint64_t size_max = kScriptSizeMax;
};

struct Listed {
  std::string name;
  bool is_active = false;
};

struct ActiveScript {
  std::string name;
  std::string text;
  std::string stamp;  // another one as soon as another script is active or its file was changed
};

// What became of a change. Nothing was changed unless it is done.
enum class Outcome { done, bad_name, not_found, exists, is_active, too_many, too_large };

class ScriptFolder {
 public:
  // account: its maildir.
  explicit ScriptFolder(Path account, Limits limits = {}, Disk& disk = Disk::real())
      : account_(std::move(account)), limits_(limits), disk_(disk) {}

  // For each delivery: nullopt where none is active. Where the script is still the one of this
  // stamp its text is not read and stays empty.
  Result<std::optional<ActiveScript>> find_active(std::string_view known_stamp = {});

  Result<std::vector<Listed>> list();  // by name
  Result<std::optional<std::string>> find_text(std::string_view name);
  // When its text was changed last; nullopt: there is none of this name.
  Result<std::optional<WallTime>> find_change(std::string_view name);
  // Would a script of this size be taken?
  Result<Outcome> may_put(std::string_view name, std::uint64_t size);
  // The text is not looked at: what is faulty, the caller has refused.
  Result<Outcome> put(std::string_view name, std::string_view text);
  Result<Outcome> activate(std::string_view name);
  Result<> deactivate();
  Result<Outcome> remove(std::string_view name);
  Result<Outcome> rename(std::string_view from, std::string_view to);

 private:
  enum class ActiveForm { none, link, plain, dangling };
  struct State {
    std::map<std::string, std::uint64_t, std::less<>> scripts;  // their inodes
    std::vector<std::string> hidden;  // second names of the active one's file
    ActiveForm form = ActiveForm::none;
    std::string active;
  };
  Disk& disk() const { return disk_.get(); }
  Result<> find_home();
  Result<std::optional<FileInfo>> find_script_file(const Path& path) const;
  Result<State> look();
  Result<> take_plain(const FileInfo& plain, State& state);
  Path path_of(std::string_view name) const;
  Path text_path(const State& state, std::string_view name) const;
  Result<std::optional<std::string>> read_text(const Path& path) const;
  Result<File> begin_change();
  Result<State> tidy();
  Outcome judge(const State& state, std::string_view name, std::uint64_t size) const;
  Result<> write(std::string_view name, std::string_view text);
  Result<> point_at(std::string_view name);

  Path account_;
  Limits limits_;
  std::reference_wrapper<Disk> disk_;
  Path home_, folder_, link_;
};

}  // namespace posthorn::scripts
