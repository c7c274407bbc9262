// The status page: what the server knows of how it is, gathered once as a value and shown in three
// forms: as text and as JSON by `posthorn status`, as JSON and as HTML by /health. It holds no
// secret and no text of a mail; what strangers said (a reply, a DNS record) is cut to a size where
// it is put in, and every form makes it harmless in its own way. Sans-I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/finding.h"

namespace posthorn::health {

inline constexpr std::size_t kTextMax = 300;  // bytes of a stranger's words, of a reason

// One thing that a role looks at when it is asked.
struct Check {
  std::string name;    // "spool", "spamd", "certificate", "role.edge"
  std::string state;   // "ok", "warning", "red"
  std::string detail;  // why, for the operator
};

struct Port {
  std::string service;  // "imaps"
  std::string address;  // "0.0.0.0:993"
};

// A process of the server, as the supervisor keeps account of it.
struct Role {
  std::string role;
  std::uint64_t worker = 0;
  std::string state;  // "up", "starting", "down" (it died, and is started again), "silent"
  std::uint64_t pid = 0;
  std::uint64_t restarts = 0;
  WallTime since{};      // in that state
  std::string last_end;  // of the process before: "signal 11", "status 1"
};

// Which of the tables' forms is in use, and what is wrong with those on disk.
struct Tables {
  std::uint64_t generation = 0;
  std::uint64_t faults = 0;
};
struct Table {
  std::string name;  // its file, "pgsql"
  std::uint64_t entries = 0;
};

struct Auth {
  std::uint64_t banned = 0;  // addresses
};

struct Database {
  std::string state;  // "up", "down"; empty: nothing asks one
  std::string fault;
};

struct Certificate {
  std::string name;  // "certificate", "certificate.mx.example.org" of a folder in tls.folder
  std::string file;
  std::vector<std::string> names;
  std::string issuer;
  WallTime ends{};
  std::string state;        // as a Check's
  std::string fingerprint;  // SHA-256 of the one that is shown
  std::string on_disk;      // "same", "other", "unreadable"
  std::string remedy;
  std::vector<std::string> shown_on;  // services: "smtp", "imaps"
};

struct Queue {
  std::uint64_t messages = 0;
  std::uint64_t deferred = 0;
  std::uint64_t held = 0;
  std::uint64_t oldest_seconds = 0;
  std::string oldest_id;
  std::string oldest_reason;  // why it still waits
};

struct RelayFault {
  std::string relay;  // "[smtp.example.net]:587"
  std::string state;  // "login refused", "down"
  std::string reason;
};

struct Spamd {
  std::string state;  // "off", "up", "down", "unknown": the queue does not answer
  std::string reason;
  std::string address;
};

struct Lessons {
  std::uint64_t waiting = 0;
  std::uint64_t learned = 0;
  std::uint64_t dropped = 0;
};

struct Disk {
  std::string name;  // "spool", "mail", "state"
  std::string path;
  std::uint64_t free = 0;   // bytes, to who is not root
  std::uint64_t total = 0;  // bytes
  std::uint64_t needs = 0;  // queue.free_min: below it no mail is taken
};

// What became of each mail, when it is kept.
struct Trail {
  std::string state;          // "on", "off", "paused"; empty: its role does not answer
  std::string reason;         // why it is not on, where that was not asked for
  std::uint64_t size = 0;     // bytes
  std::uint64_t dropped = 0;  // records, since the start
};

// The certificates that the server gets by itself.
struct Acme {
  std::string state;      // "on", "off"; empty: its role does not answer
  std::string directory;  // of which authority
  std::string reason;     // why it is not on, where that was not asked for
};
// One that is wanted, whether it is there or not.
struct AcmeCertificate {
  std::string name;                // its first name
  std::vector<std::string> names;  // all of them
  WallTime ends{};                 // of the one that is there; none: {}
  WallTime renewed{};              // when that was issued
  WallTime next{};                 // when the next one is asked for
  std::string error;               // of the last attempt, if it failed
  WallTime failed{};               // when that was
  std::string remedy;
};

// What the DNS says of one thing that others look up.
struct Mark {
  std::string name;     // the domain or host that it is about
  std::string record;   // "MX", "A", "PTR", "SPF", "DKIM", "DMARC"; of `posthorn dns` more
  std::string outcome;  // "good", "missing", "wrong", "unasked"
  std::string found;    // what is there, or why nobody could say
  std::string remedy;
};
struct Dns {
  std::string state;  // "on", "off", "asking": the first answers are still to come
  WallTime asked{};
};

struct Page {
  bool is_running = false;
  std::uint64_t pid = 0;
  std::string version;
  std::string hostname;
  WallTime since{};
  std::string config_file;
  std::vector<Port> ports;
  std::vector<Role> roles;
  Tables tables;
  std::vector<Table> table_list;
  Auth auth;
  Database database;
  std::vector<Certificate> certificates;
  Queue queue;
  std::vector<RelayFault> relay_faults;
  Spamd spamd;
  std::optional<Lessons> lessons;  // unset: nobody teaches the filter
  std::vector<Disk> disks;
  Trail trail;
  Acme acme;
  std::vector<AcmeCertificate> acme_certificates;
  Dns dns;
  std::vector<Mark> marks;
  std::vector<Check> checks;
  config::Findings findings;
  std::vector<std::string> changed_keys;  // edited, and not yet in use
};

// What one role tells of the page, as the line protocol carries it: the key names the part and the
// field ("disk.free"), and each first field of a part begins another of its kind.
using Facts = std::vector<std::pair<std::string, std::string>>;

void add(Facts& facts, const Tables& part);
void add(Facts& facts, const Table& part);
void add(Facts& facts, const Auth& part);
void add(Facts& facts, const Database& part);
void add(Facts& facts, const Certificate& part);
void add(Facts& facts, const Queue& part);
void add(Facts& facts, const RelayFault& part);
void add(Facts& facts, const Disk& part);
void add(Facts& facts, const Trail& part);
void add(Facts& facts, const Acme& part);
void add(Facts& facts, const AcmeCertificate& part);
void add(Facts& facts, const Dns& part);
void add(Facts& facts, const Mark& part);
// Who told them.
struct Teller {
  std::string_view role;              // "edge"
  std::vector<std::string> services;  // that it serves by TLS
};
// Puts them on the page. What is not understood is passed over, and of each kind a bounded number
// is taken; a role is believed in what is its own, and in nothing else. What several workers tell
// alike stands there once.
void take(const Teller& teller, const Facts& facts, Page& page);

// Something that is wrong, and what to do about it: a command, or a file to edit.
struct Trouble {
  enum class Weight { red, warning } weight = Weight::red;
  std::string what;
  std::string remedy;
};
// The worst first.
std::vector<Trouble> find_troubles(const Page& page, WallTime now);

struct Verdict {
  std::string state;  // "ok", "warning", "red", "stopped"
  std::string text;   // one line: "everything works", or the worst thing
  std::string remedy;
};
Verdict judge(const Page& page, const std::vector<Trouble>& troubles);

// What there is to say beside what is wrong, a line each, for people.
enum class Tone { plain, good, faint, warning, red };
struct Row {
  std::string part;  // "roles"
  std::string item;  // "edge"; empty: the line is of the part as a whole
  std::string text;
  Tone tone = Tone::plain;
};
std::vector<Row> make_rows(const Page& page, WallTime now);

// For a terminal, in ASCII but for what others have said in UTF-8.
enum class Palette { plain, coloured };
// Of control characters none is left: neither ASCII's nor, in UTF-8, those of C1.
std::string printable(std::string_view text);
std::string to_text(const Page& page, WallTime now, Palette palette);
// As tests/schemas/status.json has it. Lines: one, or as many as make it readable.
enum class Layout { one_line, indented };
std::string to_json(const Page& page, WallTime now, Layout layout);

// "3d 4h", "12m", "40s"; "12.3 GiB".
std::string duration_text(std::chrono::milliseconds duration);
std::string bytes_text(std::uint64_t bytes);

}  // namespace posthorn::health
