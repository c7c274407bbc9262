// What the server counts, in one list, each with a sentence for the operator; `posthorn metrics`
// prints it. Code counts with metrics::count(metric::sessions, "smtp"): an addition to one cell of
// a fixed table, without a lock. Labels take only the values listed here, anything else counts as
// "other", so no stranger can make a new series. The text is OpenMetrics 1.0
// (https://prometheus.io/docs/specs/om/open_metrics_spec/).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace posthorn::metrics {

// Of several processes the values are added up; of a gauge_max the highest one is taken.
enum class Type { counter, gauge, gauge_max, histogram };

struct Label {
  std::string_view name;
  std::span<const std::string_view> values;  // the last one stands for all that are not listed
};

inline constexpr std::string_view kNoValues[] = {""};
inline constexpr std::string_view kProtocolValues[] = {"smtp", "submission",  "lmtp", "imap",
                                                       "pop3", "managesieve", "http", "other"};
inline constexpr std::string_view kServiceValues[] = {"smtp", "imap", "pop3", "managesieve",
                                                      "other"};
inline constexpr std::string_view kLoginValues[] = {"ok", "refused", "banned", "unavailable",
                                                    "other"};
inline constexpr std::string_view kRefusalValues[] = {
    "unknown_recipient", "relaying", "sender", "rate",       "lookup_failed",
    "too_large",         "content",  "queue",  "over_quota", "other"};
inline constexpr std::string_view kQueueStateValues[] = {"active", "deferred", "held", "corrupt"};
inline constexpr std::string_view kTransportValues[] = {"local", "relay", "mx", "error", "other"};
inline constexpr std::string_view kOutcomeValues[] = {"delivered", "deferred", "failed", "other"};
inline constexpr std::string_view kVerdictValues[] = {"ham",    "spam",      "unscanned",
                                                      "failed", "discarded", "other"};
inline constexpr std::string_view kLessonValues[] = {"kept",    "learned", "known",   "too_large",
                                                     "refused", "failed",  "dropped", "other"};
inline constexpr std::string_view kMailClassValues[] = {"spam", "ham", "other"};
inline constexpr std::string_view kLimitValues[] = {"connections",
                                                    "connections_service",
                                                    "connections_address",
                                                    "connections_network",
                                                    "connections_rate",
                                                    "silent",
                                                    "first_command",
                                                    "descriptors",
                                                    "login_failures",
                                                    "submission_rate",
                                                    "user_sessions",
                                                    "queue_full",
                                                    "other"};
inline constexpr std::string_view kAnswerValues[] = {"asked", "kept", "last_good", "failed",
                                                     "other"};
inline constexpr std::string_view kStoreValues[] = {"stored", "redirected", "discarded", "rejected",
                                                    "failed", "over_quota", "other"};
inline constexpr std::string_view kQuotaValues[] = {"rcpt", "lmtp", "imap", "import", "other"};
inline constexpr std::string_view kFetchedValues[] = {"retrieved", "deleted", "other"};
inline constexpr std::string_view kSigningValues[] = {"signed", "failed", "other"};
inline constexpr std::string_view kRoleValues[] = {"edge", "lookup", "queue", "store",
                                                   "web",  "trail",  "acme"};
inline constexpr std::string_view kAcmeValues[] = {"issued", "renewed", "failed", "other"};
inline constexpr std::string_view kCodeValues[] = {"2xx", "3xx", "4xx", "5xx", "other"};

inline constexpr Label kAcme{"result", kAcmeValues};
inline constexpr Label kNone{"", kNoValues};
inline constexpr Label kProtocol{"protocol", kProtocolValues};
inline constexpr Label kService{"service", kServiceValues};
inline constexpr Label kLogin{"result", kLoginValues};
inline constexpr Label kRefusal{"reason", kRefusalValues};
inline constexpr Label kQueueState{"state", kQueueStateValues};
inline constexpr Label kTransport{"transport", kTransportValues};
inline constexpr Label kOutcome{"result", kOutcomeValues};
inline constexpr Label kVerdict{"verdict", kVerdictValues};
inline constexpr Label kLesson{"result", kLessonValues};
inline constexpr Label kMailClass{"class", kMailClassValues};
inline constexpr Label kLimit{"limit", kLimitValues};
inline constexpr Label kAnswer{"source", kAnswerValues};
inline constexpr Label kStored{"result", kStoreValues};
inline constexpr Label kQuota{"by", kQuotaValues};
inline constexpr Label kFetched{"action", kFetchedValues};
inline constexpr Label kSigning{"result", kSigningValues};
inline constexpr Label kRole{"role", kRoleValues};
inline constexpr Label kCode{"code", kCodeValues};

// Upper bounds of a histogram's buckets, in milliseconds; one more has no bound.
inline constexpr std::int64_t kBounds[] = {10,   50,   100,    250,    500,    1000,
                                           2500, 5000, 10'000, 30'000, 60'000, 300'000};

// clang-format off
#define POSTHORN_METRICS(METRIC)                                                                     \
  METRIC(role_up, "posthorn_role_up", gauge, kRole, kNone, "Processes of a role that answer.")       \
  METRIC(loop_lag, "posthorn_loop_lag_seconds", histogram, kNone, kNone, "How late a role's event loop came to what was due.") \
  METRIC(loop_lag_longest, "posthorn_loop_lag_longest_milliseconds", gauge_max, kRole, kNone, "The longest of them since the role was started.") \
  METRIC(sessions, "posthorn_sessions", counter, kProtocol, kNone, "Connections that were served.")  \
  METRIC(sessions_open, "posthorn_sessions_open", gauge, kProtocol, kNone, "Connections open now.")  \
  METRIC(authentications, "posthorn_authentications", counter, kService, kLogin, "Logins by service and result.") \
  METRIC(auth_banned, "posthorn_auth_banned", gauge, kNone, kNone, "Addresses and networks that may not log in now.") \
  METRIC(messages_accepted, "posthorn_messages_accepted", counter, kProtocol, kNone, "Messages from outside that are safe in the queue.") \
  METRIC(refusals, "posthorn_refusals", counter, kRefusal, kNone, "Senders, recipients and messages that were refused.") \
  METRIC(limits_hit, "posthorn_limits_hit", counter, kLimit, kNone, "Bounds that were reached.")     \
  METRIC(queue_messages, "posthorn_queue_messages", gauge, kQueueState, kNone, "Messages in the queue; deferred ones were tried, corrupt ones need a look.") \
  METRIC(queue_oldest, "posthorn_queue_oldest_seconds", gauge_max, kNone, kNone, "The age of the oldest message that waits.") \
  METRIC(deliveries, "posthorn_deliveries", counter, kTransport, kOutcome, "Recipients of attempts, by where they went and how it ended.") \
  METRIC(dkim_messages, "posthorn_dkim_messages", counter, kSigning, kNone, "Copies of messages that were signed before they were sent, or should have been.") \
  METRIC(filter_verdicts, "posthorn_filter_verdicts", counter, kVerdict, kNone, "What the spam filter said.") \
  METRIC(filter_seconds, "posthorn_filter_seconds", histogram, kNone, kNone, "How long the spam filter took for a message.") \
  METRIC(lessons, "posthorn_lessons", counter, kLesson, kMailClass, "Mails that users called spam or ham: kept to be taught, and what became of it.") \
  METRIC(lessons_waiting, "posthorn_lessons_waiting", gauge, kNone, kNone, "Mails that spamd is still to learn.") \
  METRIC(tables_generation, "posthorn_tables_generation", gauge_max, kNone, kNone, "Counts the sets of tables that were put to use.") \
  METRIC(tables_faults, "posthorn_tables_faults", gauge, kNone, kNone, "Faults in the tables, users and secrets as they are now; with one the last good form is in use.") \
  METRIC(database_down, "posthorn_database_down", gauge, kNone, kNone, "1 while PostgreSQL's tables cannot be asked.") \
  METRIC(database_answers, "posthorn_database_answers", counter, kAnswer, kNone, "What was asked of PostgreSQL's tables: asked, kept from before, the last good answer while it is down, or failed.") \
  METRIC(certificate_not_after, "posthorn_certificate_not_after_seconds", gauge_max, kNone, kNone, "When the certificate, of several the first of them, ends: seconds since 1970.") \
  METRIC(store_deliveries, "posthorn_store_deliveries", counter, kStored, kNone, "Recipients that the store took or refused.") \
  METRIC(store_sessions, "posthorn_store_sessions", gauge, kNone, kNone, "Sessions of users who are logged in.") \
  METRIC(pop3_messages, "posthorn_pop3_messages", counter, kFetched, kNone, "Messages that POP3 sessions fetched whole, and removed at QUIT.") \
  METRIC(store_accounts, "posthorn_store_accounts_open", gauge, kNone, kNone, "Accounts whose index is open.") \
  METRIC(store_mailboxes, "posthorn_store_mailboxes_open", gauge, kNone, kNone, "Mailboxes that are held open.") \
  METRIC(store_index_rebuilt, "posthorn_store_index_rebuilt", counter, kNone, kNone, "Indexes that were built anew from the maildir.") \
  METRIC(quota_refusals, "posthorn_quota_refusals", counter, kQuota, kNone, "Recipients and messages that were refused because an account is full.") \
  METRIC(trail_records, "posthorn_trail_records", counter, kNone, kNone, "Records that the trail has kept.") \
  METRIC(trail_dropped, "posthorn_trail_records_dropped", counter, kNone, kNone, "Records that the trail did not take in time; mail went its way.") \
  METRIC(acme_orders, "posthorn_acme_orders", counter, kAcme, kNone, "Certificates that were asked for by ACME, and what came of it.") \
  METRIC(http_requests, "posthorn_http_requests", counter, kCode, kNone, "Requests to the web pages.") \
  METRIC(log_dropped, "posthorn_log_lines_dropped", counter, kNone, kNone, "Log lines that nobody took in time.") \
  /* end */
// clang-format on

enum class Id : std::uint8_t {
#define POSTHORN_METRIC_ID(id, name, type, a, b, about) id,
  POSTHORN_METRICS(POSTHORN_METRIC_ID)
#undef POSTHORN_METRIC_ID
};

struct Metric {
  std::string_view name;
  Type type;
  Label first, second;
  std::string_view about;
  constexpr std::size_t cells_each() const {  // a histogram: its buckets, then the sum in ms
    return type == Type::histogram ? std::size(kBounds) + 2 : 1;
  }
  constexpr std::size_t cells() const {
    return first.values.size() * second.values.size() * cells_each();
  }
};

inline constexpr Metric kMetrics[] = {
#define POSTHORN_METRIC_ROW(id, name, type, a, b, about) {name, Type::type, a, b, about},
    POSTHORN_METRICS(POSTHORN_METRIC_ROW)
#undef POSTHORN_METRIC_ROW
};
inline constexpr std::size_t kCells = [] {
  std::size_t sum = 0;
  for (const Metric& metric : kMetrics) sum += metric.cells();
  return sum;
}();

// For a counter: one more. For a gauge: by so much more or less.
void count(Id id, std::string_view first = "", std::string_view second = "", std::int64_t by = 1);
void set(Id id, std::int64_t value, std::string_view first = "");  // a gauge
void observe(Id id, std::chrono::milliseconds time);               // a histogram

// Counts one up while it lives: what is open.
class Open {
 public:
  explicit Open(Id id, std::string_view first = "") : id_(id), first_(first) { count(id_, first_); }
  ~Open() { count(id_, first_, "", -1); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

 private:
  Id id_;
  std::string_view first_;  // one of the list's own
};

using Snapshot = std::array<std::int64_t, kCells>;
Snapshot read();  // of this process
void merge(Snapshot& into, const Snapshot& from);
// One counter or gauge of it.
std::int64_t find(const Snapshot& snapshot, Id id, std::string_view first = "",
                  std::string_view second = "");
// Of a process that has ended, what goes on to count: everything but gauges.
void keep_counters(Snapshot& snapshot);
// "name{label,label}  type  sentence", for the list that is printed.
std::string describe(const Metric& metric);

// "0 17 3 …", for the way between roles. The fields must be those of the same program.
std::string to_line(const Snapshot& snapshot);
Result<Snapshot> parse_line(std::string_view line);

std::string escape_label(std::string_view value);
// The whole exposition with its "# EOF".
std::string write_text(const Snapshot& snapshot, std::string_view version);

}  // namespace posthorn::metrics

namespace posthorn::metric {
using enum metrics::Id;
}  // namespace posthorn::metric
