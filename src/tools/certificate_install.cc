#include "tools/certificate_install.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "net/pair_text.h"
#include "process/instance.h"
#include "process/sandbox.h"
#include "process/sockets.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/shown_certificates.h"

namespace posthorn::tools {
namespace {

constexpr std::uint64_t kFileMax = 1U << 20U;

// Written beside, given to its readers, and only then put in its place.
Result<> write_for_roles(Disk& disk, const config::Config& config, const Path& path,
                         const std::string& text, mode_t mode) {
  const Path made = path.native() + ".made";
  TRY_OK(replace_file(disk, made, text, 0600));
  if (::geteuid() == 0) {
    TRY(const auto group, process::find_group(config.users.tls_group));
    TRY(const process::Account edge, process::find_account(config.users.edge));
    if (::chown(made.c_str(), 0, group ? *group : edge.gid) != 0)
      return fail_errno("chown", made.native(), errno);
  }
  if (::chmod(made.c_str(), mode) != 0) return fail_errno("chmod", made.native(), errno);
  TRY_OK(disk.rename(made, path));
  return disk.sync_folder(path.parent_path());
}

struct Sources {
  net::CertificateFiles files;
  std::string lineage;  // certbot's name for them; empty: they were named
};
Result<Sources> find_sources(const InstallOptions& options) {
  if (options.certificate.empty() != options.key.empty())
    return fail(ErrorKind::config, "--cert and --key belong together; name both");
  if (!options.certificate.empty()) return Sources{{options.certificate, options.key}, ""};
  const char* folder = std::getenv("RENEWED_LINEAGE");
  if (folder == nullptr || *folder == '\0')
    return fail(ErrorKind::config,
                "which pair? name it by --cert FILE --key FILE; certbot's deploy hook has it in "
                "RENEWED_LINEAGE");
  const Path lineage = (Path(folder) / "").lexically_normal().parent_path();
  return Sources{{lineage / "fullchain.pem", lineage / "privkey.pem"}, lineage.filename().native()};
}

Result<std::string> read_text(const Path& path) {
  TRY(auto text, read_file(path, kFileMax));
  if (!text)
    return fail(ErrorKind::config,
                fmt::format("{}: there is no such file; name one that is there", path.native()));
  return *std::move(text);
}

bool covers(const std::vector<std::string>& names, const std::string& host) {
  const std::string wanted = to_lower(host);
  const std::size_t dot = wanted.find('.');
  return std::ranges::any_of(names, [&](const std::string& name) {
    const std::string lower = to_lower(name);
    return lower == wanted || (dot != std::string::npos && lower == "*" + wanted.substr(dot));
  });
}

bool is_folder_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && !name.starts_with('.') &&
         name.find_first_of(std::string_view("/\0\n", 3)) == std::string::npos;
}

Result<net::CertificateFiles> choose_place(const config::Config& config, std::string name,
                                           const Sources& sources,
                                           const std::vector<std::string>& names) {
  if (name.empty()) {
    if (covers(names, config.server.hostname))
      return net::CertificateFiles{config.paths.certificate, config.paths.key};
    if (sources.lineage.empty())
      return fail(ErrorKind::config,
                  fmt::format("the certificate is for {}, not for server.hostname {}; --name {} "
                              "puts it beside the server's own, for clients that ask for its names",
                              fmt::join(names, " "), config.server.hostname, names.front()));
    name = sources.lineage;
  }
  if (!is_folder_name(name))
    return fail(ErrorKind::config,
                fmt::format("--name {}: it becomes the name of a folder; give a host's name, "
                            "without slashes",
                            name));
  if (config.tls.folder.empty())
    return fail(ErrorKind::config,
                "tls.folder is empty, so only one pair is served; set it to tls/names");
  const Path folder = config.tls.folder / name;
  std::error_code ignored;
  const auto has = [&](const char* file) {
    return std::filesystem::exists(folder / file, ignored);
  };
  if (!has("fullchain.pem") && has("cert.pem") && has("key.pem"))
    return net::CertificateFiles{folder / "cert.pem", folder / "key.pem"};
  return net::CertificateFiles{folder / "fullchain.pem", folder / "privkey.pem"};
}

std::vector<std::string> names_to_ask(const std::vector<std::string>& names) {
  std::vector<std::string> asked;
  // RFC 6066 section 3: an address is no name that a client may ask for.
  const auto is_address = [](const std::string& name) {
    return name.find_first_not_of("0123456789.") == std::string::npos ||
           name.find(':') != std::string::npos;
  };
  for (const std::string& name : names)
    if (!is_address(name)) asked.push_back(name.starts_with("*.") ? "any" + name.substr(1) : name);
  return asked;
}

int tell_who_shows(const config::Config& config, const net::CertificateInfo& info) {
  const auto seen = look_at_ports(list_tls_ports(config), names_to_ask(info.names));
  std::set<std::string> named;
  std::vector<std::string> showing;
  std::size_t others = 0;
  for (const Shown& one : seen) {
    if (one.sha256 == info.sha256) {
      if (named.insert(one.port.text()).second) showing.push_back(one.port.text());
      continue;
    }
    ++others;
    if (!one.fault.empty())
      fmt::print(stderr, "not shown: {}: {}\n", one.port.text(), one.fault);
    else
      fmt::print(stderr, "not shown: {}: for {} it shows the certificate of {}\n", one.port.text(),
                 one.name, fmt::join(one.names, " "));
  }
  if (!showing.empty())
    fmt::print("shown now, for {}: {}\n", fmt::join(info.names, " "), fmt::join(showing, ", "));
  if (others == 0) return 0;
  const Path by_acme = config.paths.acme / (config.server.hostname + ".pem");
  std::error_code ignored;
  if (process::has_acme(config) && std::filesystem::exists(by_acme, ignored))
    return complain(
        fmt::format("the pair is in place, but {}, which the server got by itself, "
                    "comes first; it serves where acme.directory is empty and the "
                    "server restarted",
                    by_acme.native()));
  return complain(
      "the pair is in place, but not shown everywhere: `posthorn certificate list` "
      "says what is shown and from which file, `posthorn status` what is down");
}

struct Checked {
  std::string certificate_pem, key_pem;
  net::CertificateInfo info;
};
Result<Checked> check_sources(const net::CertificateFiles& files) {
  Checked checked;
  TRY(checked.certificate_pem, read_text(files.certificate));
  TRY(checked.key_pem, read_text(files.key));
  auto info = net::check_pair(checked.certificate_pem, checked.key_pem, Clock::system().now());
  if (!info)
    return fail(ErrorKind::config,
                fmt::format("{}: {}", files.certificate.native(), info.error().what));
  checked.info = *std::move(info);
  return checked;
}

int install(const config::Config& config, const net::CertificateFiles& from,
            const net::CertificateFiles& place, const Checked& checked) {
  std::error_code ignored;
  if (std::filesystem::equivalent(from.certificate, place.certificate, ignored)) {
    fmt::print("{}: the server reads this file itself; nothing is copied\n",
               place.certificate.native());
  } else {
    if (const auto made = make_folders(Disk::real(), place.certificate.parent_path(), 0755); !made)
      return complain(made.error().what);
    if (const auto made = make_folders(Disk::real(), place.key.parent_path(), 0755); !made)
      return complain(made.error().what);
    const auto written =
        write_pair(Disk::real(), config, place, checked.certificate_pem, checked.key_pem);
    if (!written)
      return complain(
          fmt::format("{}; what was in use before stays in use. Say it as root, and "
                      "see that the disk has room",
                      written.error().what));
    fmt::print("{}: for {}, until {}\n", place.certificate.native(),
               fmt::join(checked.info.names, ", "), format_log_time(checked.info.not_after));
  }
  if (checked.info.lacks_issuer)
    fmt::print(stderr,
               "warning: {} holds no certificate but the server's own; many clients refuse it: "
               "install the file with the chain (certbot: fullchain.pem)\n",
               from.certificate.native());
  const auto running = process::find_instance(config);
  if (!running || !*running) {
    fmt::print("the server does not run; it shows this pair from its next start\n");
    return 0;
  }
  if (const int status = make_live(config); status != 0) return status;
  return tell_who_shows(config, checked.info);
}

}  // namespace

Result<> write_pair(Disk& disk, const config::Config& config, const net::CertificateFiles& place,
                    const std::string& certificate_pem, const std::string& key_pem) {
  constexpr mode_t kKeyMode = 0640, kCertificateMode = 0644;
  const auto write_key = [&](const std::string& text) {
    return write_for_roles(disk, config, place.key, text, kKeyMode);
  };
  TRY(const auto old_key, read_file(place.key, kFileMax));
  const bool is_usable = old_key && *old_key != key_pem && net::TlsServer::load({place});
  const std::string end = key_pem.ends_with('\n') ? "" : "\n";
  TRY_OK(write_key(is_usable ? key_pem + end + *old_key : key_pem));
  TRY_OK(write_for_roles(disk, config, place.certificate, certificate_pem, kCertificateMode));
  if (is_usable) TRY_OK(write_key(key_pem));
  return {};
}

int install_certificate(const config::Config& config, const InstallOptions& options) {
  const auto sources = find_sources(options);
  if (!sources) return complain(sources.error().what, 2);
  const auto checked = check_sources(sources->files);
  if (!checked) return complain(checked.error().what);
  const auto place = choose_place(config, options.name, *sources, checked->info.names);
  if (!place) return complain(place.error().what);
  return install(config, sources->files, *place, *checked);
}

}  // namespace posthorn::tools
