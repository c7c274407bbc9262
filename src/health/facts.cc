// Parts of the page as keys and values, and back.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "health/fields.h"

namespace posthorn::health {
namespace {

// Of each kind, from all roles together: a page is read by people.
constexpr std::size_t kPartsMax = 500;
constexpr std::size_t kNamesMax = 100;
constexpr char kBetween = ' ';  // of the names in one value; none has a blank in it

class Writer {
 public:
  Writer(Facts& facts, std::string_view part) : facts_(facts), part_(part) {}
  void operator()(std::string_view name, const std::string& value) { put(name, value); }
  void operator()(std::string_view name, std::uint64_t value) {
    put(name, fmt::format("{}", value));
  }
  void operator()(std::string_view name, WallTime value) {
    put(name, fmt::format("{}", value.time_since_epoch().count()));
  }
  void operator()(std::string_view name, const std::vector<std::string>& values) {
    std::string all;
    for (const std::string& value : values) all += (all.empty() ? "" : " ") + value;
    put(name, all);
  }

 private:
  void put(std::string_view name, std::string value) {
    // The first one always, for it begins the part.
    if (is_first_ || !value.empty()) facts_.emplace_back(fmt::format("{}.{}", part_, name), value);
    is_first_ = false;
  }
  Facts& facts_;
  std::string_view part_;
  bool is_first_ = true;
};

// Sets the one field of that name; says whether the first one was meant.
class Setter {
 public:
  enum class Pass { look, set };
  Setter(std::string_view name, const std::string& value, Pass pass)
      : name_(name), value_(value), pass_(pass) {}
  template <class T>
  void operator()(std::string_view name, T& field) {
    const bool is_first = std::exchange(is_first_, false);
    if (name != name_) return;
    opens_ = is_first;
    if (pass_ == Pass::set) set(field);
  }
  bool opens() const { return opens_; }

 private:
  void set(std::string& field) const { field = value_; }
  void set(std::uint64_t& field) const { field = to_number<std::uint64_t>(value_).value_or(0); }
  void set(WallTime& field) const {
    field = WallTime(std::chrono::milliseconds(to_number<std::int64_t>(value_).value_or(0)));
  }
  void set(std::vector<std::string>& field) const {
    field.clear();
    std::string_view rest = value_;
    while (!rest.empty() && field.size() < kNamesMax) {
      const std::size_t end = std::min(rest.find(kBetween), rest.size());
      if (end > 0) field.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  std::string_view name_;
  const std::string& value_;
  const Pass pass_;
  bool is_first_ = true;
  bool opens_ = false;
};

template <class Part>
void set(Part& part, std::string_view name, const std::string& value) {
  Setter setter(name, value, Setter::Pass::set);
  visit(setter, part);
}

template <class Part>
void set(std::vector<Part>& parts, std::string_view name, const std::string& value) {
  Part probe;
  Setter look(name, value, Setter::Pass::look);
  visit(look, probe);
  if (look.opens()) {
    // The last place takes what is too many.
    if (parts.size() < kPartsMax) parts.emplace_back();
    parts.back() = {};
  }
  if (!parts.empty()) set(parts.back(), name, value);
}

template <class Part>
void write(Facts& facts, std::string_view name, const Part& part) {
  Writer writer(facts, name);
  Part copy = part;
  visit(writer, copy);
}

// Whose word counts on what.
struct Owner {
  std::string_view part, role;
  void (*set)(Page& page, std::string_view name, const std::string& value);
};
template <auto Member>
void set_in(Page& page, std::string_view name, const std::string& value) {
  set(page.*Member, name, value);
}
constexpr Owner kOwners[] = {
    {"tables", "lookup", set_in<&Page::tables>},
    {"table", "lookup", set_in<&Page::table_list>},
    {"auth", "lookup", set_in<&Page::auth>},
    {"database", "lookup", set_in<&Page::database>},
    {"certificate", "edge", set_in<&Page::certificates>},
    {"certificate", "web", set_in<&Page::certificates>},
    {"queue", "queue", set_in<&Page::queue>},
    {"relay", "queue", set_in<&Page::relay_faults>},
    {"disk", "queue", set_in<&Page::disks>},
    {"disk", "store", set_in<&Page::disks>},
    {"dns", "queue", set_in<&Page::dns>},
    {"mark", "queue", set_in<&Page::marks>},
    {"trail", "trail", set_in<&Page::trail>},
    {"acme", "acme", set_in<&Page::acme>},
    {"acme_certificate", "acme", set_in<&Page::acme_certificates>},
};

template <class Part>
void append(std::vector<Part>& all, std::vector<Part>& more) {
  for (Part& part : more)
    if (all.size() < kPartsMax) all.push_back(std::move(part));
}

// One that several processes show in the same state stands there once, with all their services.
void add_shown(Certificate certificate, std::vector<Certificate>& all) {
  const auto same = std::ranges::find_if(all, [&](const Certificate& one) {
    return one.file == certificate.file && one.fingerprint == certificate.fingerprint &&
           one.on_disk == certificate.on_disk;
  });
  if (same == all.end()) {
    if (all.size() < kPartsMax) all.push_back(std::move(certificate));
    return;
  }
  for (std::string& service : certificate.shown_on)
    if (std::ranges::find(same->shown_on, service) == same->shown_on.end())
      same->shown_on.push_back(std::move(service));
}

}  // namespace

void add(Facts& facts, const Tables& part) {
  write(facts, "tables", part);
}
void add(Facts& facts, const Table& part) {
  write(facts, "table", part);
}
void add(Facts& facts, const Auth& part) {
  write(facts, "auth", part);
}
void add(Facts& facts, const Database& part) {
  write(facts, "database", part);
}
void add(Facts& facts, const Certificate& part) {
  write(facts, "certificate", part);
}
void add(Facts& facts, const Queue& part) {
  write(facts, "queue", part);
}
void add(Facts& facts, const RelayFault& part) {
  write(facts, "relay", part);
}
void add(Facts& facts, const Disk& part) {
  write(facts, "disk", part);
}
void add(Facts& facts, const Trail& part) {
  write(facts, "trail", part);
}
void add(Facts& facts, const Acme& part) {
  write(facts, "acme", part);
}
void add(Facts& facts, const AcmeCertificate& part) {
  write(facts, "acme_certificate", part);
}
void add(Facts& facts, const Dns& part) {
  write(facts, "dns", part);
}
void add(Facts& facts, const Mark& part) {
  write(facts, "mark", part);
}

void take(const Teller& teller, const Facts& facts, Page& page) {
  Page told;
  told.tables = page.tables;
  told.auth = page.auth;
  told.database = page.database;
  told.queue = page.queue;
  told.trail = page.trail;
  told.acme = page.acme;
  told.dns = page.dns;
  for (const auto& [key, value] : facts) {
    const std::size_t dot = key.find('.');
    if (dot == std::string::npos) continue;
    const std::string_view part = std::string_view(key).substr(0, dot);
    const std::string_view name = std::string_view(key).substr(dot + 1);
    const auto own = std::ranges::find_if(kOwners, [&](const Owner& owner) {
      return owner.part == part && owner.role == teller.role;
    });
    if (own != std::end(kOwners)) own->set(told, name, value);
  }
  page.tables = told.tables;
  page.auth = told.auth;
  page.database = told.database;
  page.queue = told.queue;
  page.trail = told.trail;
  page.acme = told.acme;
  page.dns = told.dns;
  append(page.table_list, told.table_list);
  append(page.relay_faults, told.relay_faults);
  append(page.marks, told.marks);
  append(page.acme_certificates, told.acme_certificates);
  for (Disk& disk : told.disks)
    if (std::ranges::find(page.disks, disk.name, &Disk::name) == page.disks.end())
      page.disks.push_back(std::move(disk));
  for (Certificate& certificate : told.certificates) {
    certificate.shown_on = teller.services;
    add_shown(std::move(certificate), page.certificates);
  }
}

}  // namespace posthorn::health
