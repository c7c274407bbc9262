#include "tools/dkim.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/dkim_key.h"
#include "dns/marks.h"
#include "message/dkim.h"
#include "net/own_loop.h"
#include "net/resolver.h"
#include "process/folders.h"
#include "process/sandbox.h"
#include "tools/complain.h"

namespace posthorn::tools {
namespace {

using deliver::DkimKey;
using deliver::DkimKeyFile;

std::string name_of(std::string_view selector, std::string_view domain) {
  return fmt::format("{}._domainkey.{}", selector, domain);
}

Result<std::vector<std::string>> ask_txt(const config::Config& config, const std::string& name) {
  net::OwnLoop loop;
  TRY(const auto resolver,
      net::Resolver::make(loop.scope().executor(), {.servers = config.relay.resolver}));
  return loop.run(resolver->txt(name, Clock::system().steady_now() + 30s));
}

Result<std::vector<DkimKeyFile>> keys_of(const config::Config& config, const std::string& domain) {
  TRY(auto keys, deliver::find_dkim_keys(config.dkim.folder, domain));
  if (keys.empty())
    return fail(ErrorKind::config, fmt::format("{} has no key in {}; `posthorn dkim key {}` makes "
                                               "one",
                                               domain, config.dkim.folder.native(), domain));
  return keys;
}

void print_record(const std::string& selector, const std::string& domain, const DkimKey& key) {
  fmt::print("{}\n",
             message::make_zone_line(name_of(selector, domain),
                                     message::make_key_record(key.type(), key.public_base64())));
}

}  // namespace

std::vector<std::string> find_closed_dkim_keys(const config::Config& config) {
  std::vector<std::string> faults;
  const auto queue = process::find_account(config.users.queue);
  const auto domains = deliver::find_dkim_domains(config.dkim.folder);
  if (!process::may_change_account() || !queue || !domains) return faults;
  std::vector<gid_t> groups(256);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(config.users.queue.c_str(), queue->gid, groups.data(), &count) < 0)
    return faults;
  groups.resize(static_cast<std::size_t>(count));
  const auto may = [&](const Path& path, unsigned right) {  // of "others"
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return true;  // another fault, told of elsewhere
    if (st.st_uid == queue->uid) return (st.st_mode >> 6U & right) != 0;
    const bool is_member = std::ranges::find(groups, st.st_gid) != groups.end();
    return ((is_member ? st.st_mode >> 3U : st.st_mode) & right) != 0;
  };
  for (const std::string& domain : *domains) {
    const Path folder = config.dkim.folder / domain;
    const auto keys = deliver::find_dkim_keys(config.dkim.folder, domain);
    for (const auto& [selector, path] : keys ? *keys : std::vector<DkimKeyFile>{})
      if (DkimKey::read(path) && !(may(config.dkim.folder, S_IXOTH) && may(folder, S_IROTH) &&
                                   may(folder, S_IXOTH) && may(path, S_IROTH)))
        faults.push_back(fmt::format(
            "{0}:1: the account {1} cannot read this key; chgrp {1} {0} {2} && chmod g+r {0} && "
            "chmod g+rx {2}",
            path.native(), config.users.queue, folder.native()));
  }
  return faults;
}

Result<Path> write_dkim_key(const config::Config& config, const std::string& domain,
                            const std::string& selector, const std::string& pem) {
  const auto refuse = [](const std::string& what) { return fail(ErrorKind::permanent, what); };
  if (!message::is_dkim_name(domain)) return refuse(fmt::format("\"{}\" is no domain", domain));
  if (!message::is_dkim_name(selector))
    return refuse(fmt::format("\"{}\" is no selector: letters, digits, - and _", selector));
  const Path folder = config.dkim.folder / domain;
  TRY_OK(process::make_key_folder(config.dkim.folder, config));
  TRY_OK(process::make_key_folder(folder, config));
  Path file = folder / (selector + ".pem");
  // Whole and closed to others before it has its name; and link() replaces nothing.
  const Path made = folder / (selector + ".pem.new");
  TRY_OK(replace_file(Disk::real(), made, pem, 0600));
  Result<> done = process::give_to_queue(made, config, geteuid() == 0 ? 0640 : 0600);
  const auto there = find_file_info(file);
  if (done && there && *there)
    done = refuse(fmt::format("{} is there already; it is never overwritten", file.native()));
  if (done) done = Disk::real().link(made, file);
  TRY_OK(Disk::real().remove(made));
  TRY_OK(done);
  TRY_OK(Disk::real().sync_folder(folder));
  return file;
}

int make_dkim_key(const config::Config& config, const DkimOptions& options) {
  const std::string domain = to_lower(options.domain);
  const std::string selector = !options.selector.empty() ? to_lower(options.selector)
                               : options.ed25519         ? "mail-ed25519"
                                                         : "mail";
  const auto key = options.ed25519 ? DkimKey::make_ed25519() : DkimKey::make_rsa(options.bits);
  if (!key) return complain(key.error().what);
  const auto pem = key->to_pem();
  if (!pem) return complain(pem.error().what);
  const auto file = write_dkim_key(config, domain, selector, *pem);
  if (!file) return complain(file.error().what);
  fmt::print("made     {}\nIts public half goes into the DNS of {}:\n", file->native(), domain);
  print_record(selector, domain, *key);
  if (!config.dkim.sign) fmt::print("Nothing is signed while dkim.sign is false.\n");
  return 0;
}

int show_dkim_keys(const config::Config& config, const DkimOptions& options) {
  std::vector<std::string> domains{to_lower(options.domain)};
  if (options.domain.empty()) {
    auto all = deliver::find_dkim_domains(config.dkim.folder);
    if (!all) return complain(all.error().what);
    domains = *std::move(all);
  }
  int status = 0;
  for (const std::string& domain : domains) {
    const auto keys = options.domain.empty() ? deliver::find_dkim_keys(config.dkim.folder, domain)
                                             : keys_of(config, domain);
    if (!keys) {
      status = complain(keys.error().what);
      continue;
    }
    for (const auto& [selector, path] : *keys) {
      if (const auto key = DkimKey::read(path))
        print_record(selector, domain, *key);
      else
        status = complain(key.error().what);
    }
  }
  return status;
}

int check_dkim_records(const config::Config& config, const DkimOptions& options) {
  const std::string domain = to_lower(options.domain);
  const auto keys = keys_of(config, domain);
  if (!keys) return complain(keys.error().what);
  int status = 0;
  for (const auto& [selector, path] : *keys) {
    const auto key = DkimKey::read(path);
    if (!key) {
      status = complain(key.error().what);
      continue;
    }
    const std::string name = name_of(selector, domain);
    const auto records = ask_txt(config, name);
    const std::string fault =
        !records ? "could not be asked for: " + records.error().what
                 : dns::find_key_fault(*records, key->type(), key->public_base64());
    if (fault.empty()) {
      fmt::print("{}: ok\n", name);
      continue;
    }
    status = 1;
    fmt::print("{}: {}\n", name, fault);
    if (records)
      fmt::print("it should be\n{}\n",
                 message::make_zone_line(
                     name, message::make_key_record(key->type(), key->public_base64())));
  }
  return status;
}

}  // namespace posthorn::tools
