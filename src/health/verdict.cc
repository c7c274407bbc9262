// What is wrong, from the facts of the page, and what to do about each: the worst first.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "health/page.h"

namespace posthorn::health {
namespace {

using Weight = Trouble::Weight;

struct Remedy {
  std::string_view check;  // a name, or its beginning up to the dot
  std::string_view text;
};
// For each check that a role makes (src/app/role_*.cc).
constexpr Remedy kRemedies[] = {
    {"tables", "mend the file, it is taken by itself; posthorn check tells all faults"},
    {"scripts", "mend the file, it is taken by itself; posthorn check tells all faults"},
    {"certificates", "mend the file, it is taken by itself; posthorn check tells all faults"},
    {"dkim", "mend the file, it is taken by itself; posthorn check tells all faults"},
    {"rows", "posthorn check tells all faults in the rows"},
    {"database", "start PostgreSQL (systemctl status postgresql), or mend [pgsql] in {config}"},
    {"trail", "mend what it says; mail goes its way meanwhile, untold"},
    {"spool", "make room or mend the rights (df -h; ls -ld), or set [queue] in {config}"},
    {"mail", "make room or mend the rights (df -h; ls -ld), or set queue.free_min in {config}"},
    {"spamd", "start it (systemctl start spamd), or mend filter.spamd in {config}"},
    {"role", "posthorn restart; its log says why it does not answer"},
    {"acme", "posthorn certificate list tells why; posthorn certificate renew tries again"},
    {"certificate", "renew it where it was issued (certbot renew); a new pair is taken by itself"},
};
constexpr std::string_view kElsewhere = "posthorn check, and the log";

std::string remedy_of(std::string_view check, const Page& page) {
  const std::string_view family = check.substr(0, check.find('.'));
  const auto found = std::ranges::find(kRemedies, family, &Remedy::check);
  std::string text(found == std::end(kRemedies) ? kElsewhere : found->text);
  constexpr std::string_view kPlace = "{config}";
  if (const std::size_t at = text.find(kPlace); at != std::string::npos)
    text.replace(at, kPlace.size(), page.config_file.empty() ? "posthorn.toml" : page.config_file);
  return text;
}

void add_roles(const Page& page, WallTime now, std::vector<Trouble>& troubles) {
  for (const Role& role : page.roles) {
    const std::string name =
        role.worker > 0 ? fmt::format("{}-{}", role.role, role.worker) : role.role;
    const std::string for_long = duration_text(now - role.since);
    // Mail needs all of them but these.
    const Weight weight =
        role.role == "trail" || role.role == "acme" ? Weight::warning : Weight::red;
    if (role.state == "down")
      troubles.push_back({weight,
                          fmt::format("the role {} died {} ago ({}) and is started again", name,
                                      for_long, role.last_end),
                          "look for role=" + role.role + " at the end of the log"});
    else if (role.state == "silent")
      troubles.push_back({weight,
                          fmt::format("the role {} (pid {}) does not answer", name, role.pid),
                          "posthorn restart; its log says why it does not answer"});
    else if (role.state == "starting")
      troubles.push_back(
          {weight, fmt::format("the role {} was started {} ago and is not ready", name, for_long),
           "look for role=" + role.role + " at the end of the log"});
  }
}

// The roles' own checks: those of the roles are told by name above.
void add_checks(const Page& page, std::vector<Trouble>& troubles) {
  for (const Check& check : page.checks) {
    if (check.state == "ok" || check.name.starts_with("role.")) continue;
    const bool is_red = check.state == "red";
    Trouble trouble{is_red ? Weight::red : Weight::warning,
                    check.name + (check.detail.empty() ? "" : ": " + check.detail),
                    remedy_of(check.name, page)};
    // Its finding says what to do about just that.
    for (const config::Finding& finding : page.findings)
      if (finding.text().starts_with(check.detail) && !check.detail.empty() &&
          !finding.remedy.empty()) {
        trouble.what = fmt::format("{}: {}: {}", check.name, finding.where, finding.reason);
        trouble.remedy = finding.remedy;
      }
    if (check.name == "spamd")
      trouble.what =
          fmt::format("spamd does not answer at {} ({}): mail {}", page.spamd.address, check.detail,
                      is_red ? "waits (filter.when_down)" : "passes unscanned (filter.when_down)");
    for (const Certificate& one : page.certificates)
      if (one.name == check.name && !one.remedy.empty()) trouble.remedy = one.remedy;
    troubles.push_back(std::move(trouble));
  }
}

void add_findings(const Page& page, std::vector<Trouble>& troubles) {
  for (const config::Finding& finding : page.findings) {
    if (finding.weight == config::Weight::note) continue;
    const bool is_told = std::ranges::any_of(page.checks, [&](const Check& check) {
      return check.state != "ok" && !check.detail.empty() &&
             finding.text().starts_with(check.detail);
    });
    if (is_told) continue;
    const std::string where = finding.where.empty() ? "" : finding.where + ": ";
    troubles.push_back(
        {Weight::warning, where + finding.reason,
         finding.remedy.empty() ? "mend the file, it is taken by itself" : finding.remedy});
  }
}

void add_certificates(const Page& page, std::vector<Trouble>& troubles) {
  for (const Certificate& one : page.certificates) {
    if (one.on_disk != "other" && one.on_disk != "unreadable") continue;
    troubles.push_back(
        {Weight::warning,
         fmt::format("{} ({}) is shown on {} as it was before: the file {}", one.name, one.file,
                     fmt::join(one.shown_on, " "),
                     one.on_disk == "other" ? "holds another one" : "cannot be read"),
         "posthorn reload; it tells why a new pair is not taken"});
  }
}

void add_relays(const Page& page, std::vector<Trouble>& troubles) {
  for (const RelayFault& fault : page.relay_faults) {
    const bool is_login = fault.state == "login refused";
    troubles.push_back(
        {Weight::warning,
         fmt::format("the relay {} {}: {}", fault.relay,
                     is_login ? "refuses the login" : "cannot be reached", fault.reason),
         is_login ? "mend its line in maps/relay-sasl, then: posthorn queue retry --all"
                  : "mend [relay] in " + page.config_file +
                        " or wait for it; then: posthorn queue retry --all"});
  }
}

void add_disks(const Page& page, std::vector<Trouble>& troubles) {
  for (const Disk& disk : page.disks) {
    // Full is what the checks of spool and mail say. This is told before it is.
    if (disk.needs == 0 || disk.free < disk.needs || disk.free >= 2 * disk.needs) continue;
    troubles.push_back({Weight::warning,
                        fmt::format("{} ({}): {} left; below {} no mail is taken", disk.name,
                                    disk.path, bytes_text(disk.free), bytes_text(disk.needs)),
                        "make room on that disk"});
  }
}

// It is red when the old one is about to end, or there is none.
void add_acme(const Page& page, WallTime now, std::vector<Trouble>& troubles) {
  // Only the role itself tells a directory; without it, it has no account to run by.
  if (!page.acme.reason.empty())
    troubles.push_back(
        {Weight::warning, "no certificates by ACME: " + page.acme.reason,
         page.acme.directory.empty()
             ? "scripts/setup --accounts or the package makes it; then posthorn "
               "restart"
             : fmt::format("mend [acme] in {}; then posthorn restart", page.config_file)});
  for (const AcmeCertificate& one : page.acme_certificates) {
    if (one.error.empty()) continue;
    const bool is_near = one.ends == WallTime{} || one.ends - now < std::chrono::hours(72);
    troubles.push_back({is_near ? Weight::red : Weight::warning,
                        fmt::format("no new certificate for {}: {}", one.name, one.error),
                        one.remedy.empty() ? "posthorn certificate list; posthorn certificate renew"
                                           : one.remedy});
  }
}

void add_marks(const Page& page, std::vector<Trouble>& troubles) {
  for (const Mark& mark : page.marks)
    if (mark.outcome == "wrong" || mark.outcome == "missing")
      troubles.push_back({Weight::warning,
                          fmt::format("DNS: {} of {}: {}", mark.record, mark.name, mark.found),
                          mark.remedy});
}

}  // namespace

std::vector<Trouble> find_troubles(const Page& page, WallTime now) {
  std::vector<Trouble> troubles;
  if (!page.is_running) return troubles;
  add_roles(page, now, troubles);
  add_checks(page, troubles);
  add_relays(page, troubles);
  add_certificates(page, troubles);
  add_acme(page, now, troubles);
  add_disks(page, troubles);
  add_findings(page, troubles);
  add_marks(page, troubles);
  if (!page.changed_keys.empty())
    troubles.push_back({Weight::warning,
                        fmt::format("{} was edited, and {} not in use: {}", page.config_file,
                                    page.changed_keys.size() == 1 ? "a key is" : "keys are",
                                    fmt::join(page.changed_keys, " ")),
                        "posthorn restart"});
  std::vector<Trouble> sorted;
  for (const Weight weight : {Weight::red, Weight::warning})
    for (const Trouble& trouble : troubles)
      if (trouble.weight == weight) sorted.push_back(trouble);
  return sorted;
}

Verdict judge(const Page& page, const std::vector<Trouble>& troubles) {
  if (!page.is_running)
    return {"stopped", "the server does not run", "systemctl start posthorn, or posthorn serve"};
  if (troubles.empty()) return {"ok", "everything works", ""};
  const Trouble& worst = troubles.front();
  return {worst.weight == Weight::red ? "red" : "warning", worst.what, worst.remedy};
}

std::string duration_text(std::chrono::milliseconds duration) {
  using namespace std::chrono;
  const auto all = std::max<std::int64_t>(0, duration_cast<seconds>(duration).count());
  const auto of = [](std::int64_t big, const char* unit, std::int64_t small, const char* lesser) {
    return small == 0 ? fmt::format("{}{}", big, unit)
                      : fmt::format("{}{} {}{}", big, unit, small, lesser);
  };
  if (all >= 86'400) return of(all / 86'400, "d", all % 86'400 / 3600, "h");
  if (all >= 3600) return of(all / 3600, "h", all % 3600 / 60, "m");
  if (all >= 60) return fmt::format("{}m", all / 60);
  return fmt::format("{}s", all);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < std::size(kUnits); ++unit) number /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, kUnits[unit]);
}

}  // namespace posthorn::health
