// Whether logins, mailboxes and maps/senders fit together: who may log in has a mailbox, who has a
// mailbox can log in, and who may send as somebody is one who can. Tables that cannot be listed,
// and servers that take everybody, say nothing.
#pragma once

#include <memory>

#include "auth/service.h"
#include "auth/user_file.h"
#include "config/config.h"
#include "config/finding.h"
#include "maps/table_set.h"
#include "net/watched_files.h"

namespace posthorn::auth {

struct LoginFiles {
  const UserFile* users = nullptr;       // nullptr: they are not in a file, or it has a fault
  const UserFile* smtp_users = nullptr;  // nullptr: the same ones send
};
config::Findings compare_logins(const config::Config& config, const maps::TableSet& tables,
                                const LoginFiles& files);

// The entries of text tables; nullopt: some are not text, so that nothing is known of the whole.
struct Listed {
  const maps::Entry* entry = nullptr;
  std::string place;  // "file:line"
};
std::optional<std::vector<Listed>> list_entries(const config::Config& config,
                                                const maps::TableSet& tables,
                                                const std::vector<std::string>& names);

// The same as a part of lookup's generation, of what the parts before it have prepared.
class Logins final : public net::FilePart {
 public:
  Logins(net::BlockingPool& pool, const config::Config& config, const maps::Reloader& tables)
      : pool_(pool), config_(config), tables_(tables) {}
  void watch(const AuthService& service) { service_ = &service; }
  std::string look() const override { return ""; }
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override { return nullptr; }
  void tell(const config::Finding& finding) const override;

 private:
  net::BlockingPool& pool_;
  const config::Config& config_;
  const maps::Reloader& tables_;
  const AuthService* service_ = nullptr;
};

}  // namespace posthorn::auth
