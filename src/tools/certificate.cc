#include "tools/certificate.h"

#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/authority.h"
#include "net/tls.h"
#include "process/sandbox.h"

namespace posthorn::tools {
namespace {

net::ServerNames names_of(const config::Config& config) {
  net::ServerNames names{{config.server.hostname}, {"127.0.0.1", "::1"}};
  if (config.server.hostname != "localhost") names.dns.emplace_back("localhost");
  return names;
}

Result<bool> is_there(const Path& path) {
  TRY(const auto info, find_file_info(path));
  return info.has_value();
}

// The group that reads the key: its members are the roles that show the certificate.
Result<> give_to_readers(const config::Config& config, const Path& key) {
  if (geteuid() != 0) return {};
  TRY(const process::Account edge, process::find_account(config.users.edge));
  TRY(const auto group, process::find_group(config.users.tls_group));
  if (::chown(key.c_str(), 0, group ? *group : edge.gid) != 0)
    return fail_errno("chown", key.native(), errno);
  return {};
}

Result<std::string> read_text(const Path& path) {
  TRY(auto text, read_file(path, 1U << 20U));
  if (!text)
    return fail(ErrorKind::config, fmt::format("{}: there is no such file", path.native()));
  return *std::move(text);
}

// The authority of before, or a new one where there is none, or where it may not issue for the
// names of now.
struct Chosen {
  net::KeyPair authority;
  bool is_new = false;
};
Result<Chosen> choose_authority(const config::Config& config) {
  const Path folder = config.tls.authority;
  const Path key = folder / "key.pem", certificate = folder / "cert.pem";
  TRY(const bool has_key, is_there(key));
  if (has_key) {
    Chosen chosen;
    TRY(chosen.authority.certificate_pem, read_text(certificate));
    TRY(chosen.authority.key_pem, read_text(key));
    TRY(const bool covers, net::may_issue(chosen.authority, names_of(config)));
    if (covers) return chosen;
  }
  Chosen chosen{.authority = {}, .is_new = true};
  TRY(chosen.authority, net::make_authority(names_of(config)));
  TRY_OK(make_folders(Disk::real(), folder, 0700));
  if (::chmod(folder.c_str(), 0700) != 0) return fail_errno("chmod", folder.native(), errno);
  // The certificate first: a key whose certificate is not there yet would be taken for a pair.
  TRY_OK(replace_file(Disk::real(), certificate, chosen.authority.certificate_pem, 0644));
  TRY_OK(replace_file(Disk::real(), key, chosen.authority.key_pem, 0600));
  return chosen;
}

Result<> write_certificate(const config::Config& config, const std::string& pem) {
  TRY_OK(make_folders(Disk::real(), config.paths.certificate.parent_path(), 0755));
  return replace_file(Disk::real(), config.paths.certificate, pem, 0644);
}

Result<bool> renew(const config::Config& config) {
  const auto now = net::TlsServer::load({{config.paths.certificate, config.paths.key}});
  if (now && !(*now)->info().is_of_own_authority)
    return fail(ErrorKind::config,
                fmt::format("{} was issued by another authority, and is renewed there; remove it "
                            "and {} to have one of this server's making",
                            config.paths.certificate.native(), config.paths.key.native()));
  TRY(const std::string key, read_text(config.paths.key));
  TRY(const Chosen chosen, choose_authority(config));
  TRY(const auto pair, net::issue_certificate(chosen.authority, names_of(config), key));
  TRY_OK(write_certificate(config, pair.certificate_pem));
  return chosen.is_new;
}

}  // namespace

Result<bool> make_own_certificate(const config::Config& config) {
  TRY(const bool has_certificate, is_there(config.paths.certificate));
  TRY(const bool has_key, is_there(config.paths.key));
  if (has_certificate || has_key) return false;
  TRY(const Chosen chosen, choose_authority(config));
  TRY(const auto pair, net::issue_certificate(chosen.authority, names_of(config)));
  TRY_OK(make_folders(Disk::real(), config.paths.key.parent_path(), 0755));
  TRY_OK(replace_file(Disk::real(), config.paths.key, pair.key_pem, 0640));
  TRY_OK(give_to_readers(config, config.paths.key));
  TRY_OK(write_certificate(config, pair.certificate_pem));
  return true;
}

int renew_certificate(const config::Config& config) {
  const auto renewed = renew(config);
  if (!renewed) {
    fmt::print(stderr, "posthorn: {}\n", renewed.error().what);
    return 1;
  }
  const auto loaded = net::TlsServer::load({{config.paths.certificate, config.paths.key}});
  if (!loaded) {
    fmt::print(stderr, "posthorn: {}\n", loaded.error().what);
    return 1;
  }
  fmt::print("{}: for {}, until {}; a running server shows it within {}\n",
             config.paths.certificate.native(), fmt::join((*loaded)->info().names, ", "),
             format_log_time((*loaded)->info().not_after), "two seconds");
  if (*renewed)
    fmt::print(
        "{}: a new authority; programs that trusted the one of before must be told to trust "
        "it\n",
        (config.tls.authority / "cert.pem").native());
  return 0;
}

}  // namespace posthorn::tools
