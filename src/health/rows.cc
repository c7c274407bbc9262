// The lines of the page, as both forms for people have them: the terminal's and the browser's.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "health/page.h"

namespace posthorn::health {
namespace {

constexpr std::size_t kMarksShownMax = 60, kTablesShownMax = 40;

class Rows {
 public:
  void line(std::string_view part, std::string text, Tone tone = Tone::plain) {
    item(part, "", std::move(text), tone);
  }
  void item(std::string_view part, std::string_view item, std::string text,
            Tone tone = Tone::plain) {
    rows_.push_back({std::string(part), std::string(item), std::move(text), tone});
  }
  std::vector<Row> take() { return std::move(rows_); }

 private:
  std::vector<Row> rows_;
};

std::string day_of(WallTime time) {
  return format_log_time(time).substr(0, 10);
}
std::string minute_of(WallTime time) {
  std::string text = format_log_time(time).substr(0, 16);
  if (text.size() > 10) text[10] = ' ';
  return text + " UTC";
}
std::string count_text(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

void write_ports(const Page& page, Rows& out) {
  for (std::size_t i = 0; i < page.ports.size();) {
    const std::string& service = page.ports[i].service;
    std::string addresses;
    for (; i < page.ports.size() && page.ports[i].service == service; ++i)
      addresses += " " + page.ports[i].address;
    out.item("ports", service, addresses.substr(1));
  }
  if (page.ports.empty()) out.line("ports", "none");
}

void write_roles(const Page& page, WallTime now, Rows& out) {
  for (const Role& role : page.roles) {
    const std::string name =
        role.worker > 0 ? fmt::format("{}-{}", role.role, role.worker) : role.role;
    std::string text = fmt::format("{} {}", role.state, duration_text(now - role.since));
    if (role.pid != 0) text += fmt::format(", pid {}", role.pid);
    if (role.restarts > 0)
      text += fmt::format(", {}, the last after {}",
                          count_text(role.restarts, "restart", "restarts"), role.last_end);
    out.item("roles", name, text, role.state == "up" ? Tone::plain : Tone::red);
  }
}

void write_tables(const Page& page, Rows& out) {
  out.line("tables", fmt::format("generation {}, {}", page.tables.generation,
                                 count_text(page.tables.faults, "fault", "faults")));
  std::size_t shown = 0;
  for (const Table& table : page.table_list) {
    if (++shown > kTablesShownMax) break;
    out.line("tables",
             fmt::format("{}: {}", table.name, count_text(table.entries, "entry", "entries")));
  }
  if (page.table_list.size() > kTablesShownMax)
    out.line("tables", fmt::format("and {} more", page.table_list.size() - kTablesShownMax));
  if (page.auth.banned > 0)
    out.line("logins", count_text(page.auth.banned, "address is", "addresses are") +
                           " banned (posthorn ban list)");
  if (!page.database.state.empty())
    out.line("database",
             page.database.state +
                 (page.database.fault.empty() ? std::string() : ": " + page.database.fault),
             page.database.state == "down" ? Tone::red : Tone::plain);
}

void write_certificates(const Page& page, WallTime now, Rows& out) {
  for (const Certificate& one : page.certificates) {
    const auto days = std::chrono::duration_cast<std::chrono::hours>(one.ends - now).count() / 24;
    out.line("certificates",
             fmt::format("{} {} {} ({} days), of {}", one.name, one.ends <= now ? "ended" : "ends",
                         day_of(one.ends), days, one.issuer.empty() ? "nobody" : one.issuer),
             one.state == "red"       ? Tone::red
             : one.state == "warning" ? Tone::warning
                                      : Tone::plain);
    out.line("certificates", fmt::format("  for {}", fmt::join(one.names, " ")));
    out.line("certificates",
             fmt::format("  on {}: {}", fmt::join(one.shown_on, " "),
                         one.on_disk == "same"    ? "as it lies on disk"
                         : one.on_disk == "other" ? "NOT the one that lies on disk"
                                                  : "the file cannot be read"),
             one.on_disk == "same" ? Tone::plain : Tone::warning);
  }
}

void write_mail(const Page& page, Rows& out) {
  out.line(
      "spamd",
      page.spamd.state + (page.spamd.reason.empty() ? std::string() : ": " + page.spamd.reason),
      page.spamd.state == "down" ? Tone::warning : Tone::plain);
  if (page.lessons)
    out.line("lessons", fmt::format("{} waiting, {} learned, {} dropped", page.lessons->waiting,
                                    page.lessons->learned, page.lessons->dropped));
  for (const RelayFault& fault : page.relay_faults)
    out.line("relay", fmt::format("{} {}: {}", fault.state, fault.relay, fault.reason),
             Tone::warning);
  if (page.relay_faults.empty()) out.line("relay", "no fault");
  const Queue& queue = page.queue;
  out.line("queue", fmt::format("{}, {} deferred, {} held",
                                count_text(queue.messages, "message", "messages"), queue.deferred,
                                queue.held));
  if (queue.messages > 0)
    out.line("queue", fmt::format("the oldest, {}, since {}{}",
                                  queue.oldest_id.empty() ? "-" : queue.oldest_id,
                                  duration_text(std::chrono::seconds(queue.oldest_seconds)),
                                  queue.oldest_reason.empty() ? "" : ": " + queue.oldest_reason));
}

void write_disks(const Page& page, Rows& out) {
  for (const Disk& disk : page.disks)
    out.item("disk", disk.name,
             fmt::format("{} free of {} on {}", bytes_text(disk.free), bytes_text(disk.total),
                         disk.path),
             disk.free < disk.needs       ? Tone::red
             : disk.free < 2 * disk.needs ? Tone::warning
                                          : Tone::plain);
}

void write_dns(const Page& page, WallTime now, Rows& out) {
  if (page.dns.state.empty()) return;
  if (page.dns.state == "off") return out.line("dns", "not asked (dns.marks)");
  if (page.dns.asked == WallTime{}) return out.line("dns", "not asked yet");
  const auto good = std::ranges::count(page.marks, "good", &Mark::outcome);
  out.line("dns", fmt::format("{} of {} good, asked {} ago (posthorn status --dns asks anew)", good,
                              page.marks.size(), duration_text(now - page.dns.asked)));
  std::size_t shown = 0;
  for (const Mark& mark : page.marks) {
    if (++shown > kMarksShownMax) break;
    out.item("dns", mark.outcome == "unasked" ? "unknown" : mark.outcome,
             fmt::format("{} of {}{}", mark.record, mark.name,
                         mark.found.empty() ? "" : ": " + mark.found),
             mark.outcome == "good"      ? Tone::good
             : mark.outcome == "unasked" ? Tone::faint
                                         : Tone::warning);
  }
}

void write_trail(const Page& page, Rows& out) {
  if (page.trail.state.empty()) return;
  std::string text = page.trail.state;
  if (!page.trail.reason.empty()) text += ": " + page.trail.reason;
  if (page.trail.state != "off")
    text += fmt::format(", {}, {} dropped", bytes_text(page.trail.size),
                        count_text(page.trail.dropped, "record", "records"));
  out.line("trail", text, page.trail.state == "paused" ? Tone::warning : Tone::plain);
}

void write_acme(const Page& page, WallTime now, Rows& out) {
  if (page.acme.state.empty()) return;
  if (page.acme.state == "off") {
    if (!page.acme.reason.empty()) out.line("acme", "off: " + page.acme.reason, Tone::warning);
    return;
  }
  out.line("acme", "certificates of " + page.acme.directory);
  for (const AcmeCertificate& one : page.acme_certificates) {
    std::string text = one.name;
    text += one.ends == WallTime{} ? ": none yet" : ": ends in " + duration_text(one.ends - now);
    if (one.next > now) text += ", the next is asked for in " + duration_text(one.next - now);
    out.line("acme", text);
    if (!one.error.empty())
      out.line("acme",
               fmt::format("  failed {} ago: {}", duration_text(now - one.failed), one.error),
               Tone::warning);
  }
}

void write_findings(const Page& page, Rows& out) {
  const auto count = [&](config::Weight weight) {
    return static_cast<std::uint64_t>(
        std::ranges::count(page.findings, weight, &config::Finding::weight));
  };
  out.line("files", fmt::format("{}, {}, {} (posthorn check)",
                                count_text(count(config::Weight::fault), "fault", "faults"),
                                count_text(count(config::Weight::warning), "warning", "warnings"),
                                count_text(count(config::Weight::note), "note", "notes")));
}

}  // namespace

std::vector<Row> make_rows(const Page& page, WallTime now) {
  Rows out;
  out.line("posthorn",
           fmt::format("{} on {}, running since {} ({}), pid {}", page.version, page.hostname,
                       minute_of(page.since), duration_text(now - page.since), page.pid));
  write_ports(page, out);
  write_roles(page, now, out);
  write_tables(page, out);
  write_certificates(page, now, out);
  write_mail(page, out);
  write_disks(page, out);
  write_dns(page, now, out);
  write_trail(page, out);
  write_acme(page, now, out);
  write_findings(page, out);
  return out.take();
}

}  // namespace posthorn::health
