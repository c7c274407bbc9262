#include "acme/state.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fnv.h"

namespace posthorn::acme {
namespace {

using nlohmann::json;

constexpr std::size_t kEntriesMax = 10'000;
constexpr std::size_t kNamesMax = 200;

std::int64_t number(WallTime time) {
  return time.time_since_epoch().count();
}

std::string text_of(const json& document, const char* name) {
  const auto at = document.find(name);
  return at != document.end() && at->is_string() ? at->get<std::string>() : std::string();
}

WallTime time_of(const json& document, const char* name) {
  // Beyond the year 9999 sums of it would not fit.
  constexpr std::int64_t kMax = 253'402'300'799'000;
  const auto at = document.find(name);
  if (at == document.end() || !at->is_number_integer()) return {};
  return WallTime(
      std::chrono::milliseconds(std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, kMax)));
}

json write_entry(const Entry& entry, WallTime next) {
  json out = {{"name", entry.name},
              {"names", entry.names},
              {"issuer", entry.issuer},
              {"issued", number(entry.issued)},
              {"ends", number(entry.ends)},
              {"attempted", number(entry.attempted)},
              {"next", number(next)},
              {"failures", entry.failures},
              {"revoked", entry.is_revoked},
              {"error", entry.error},
              {"remedy", entry.remedy},
              {"not_before", number(entry.not_before)},
              {"window_due", number(entry.window_due)}};
  if (entry.window)
    out["window"] = {{"start", number(entry.window->start)},
                     {"end", number(entry.window->end)},
                     {"explanation", entry.window->explanation}};
  return out;
}

Entry read_entry(const json& in) {
  Entry entry{.name = text_of(in, "name"), .issuer = text_of(in, "issuer")};
  if (const auto names = in.find("names"); names != in.end() && names->is_array())
    for (const json& name : *names)
      if (name.is_string() && entry.names.size() < kNamesMax) entry.names.push_back(name);
  entry.issued = time_of(in, "issued");
  entry.ends = time_of(in, "ends");
  entry.attempted = time_of(in, "attempted");
  entry.error = text_of(in, "error");
  entry.remedy = text_of(in, "remedy");
  entry.not_before = time_of(in, "not_before");
  entry.window_due = time_of(in, "window_due");
  if (const auto failures = in.find("failures");
      failures != in.end() && failures->is_number_unsigned())
    entry.failures =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(failures->get<std::uint64_t>(), 10'000));
  if (const auto revoked = in.find("revoked"); revoked != in.end() && revoked->is_boolean())
    entry.is_revoked = revoked->get<bool>();
  if (const auto window = in.find("window"); window != in.end() && window->is_object()) {
    const Window read{time_of(*window, "start"), time_of(*window, "end"),
                      text_of(*window, "explanation")};
    if (read.start < read.end) entry.window = read;
  }
  return entry;
}

}  // namespace

std::string write_state(const std::vector<Entry>& entries, const std::vector<WallTime>& next) {
  json all = json::array();
  for (std::size_t i = 0; i < entries.size(); ++i)
    all.push_back(write_entry(entries[i], i < next.size() ? next[i] : WallTime{}));
  return json({{"certificates", std::move(all)}})
             .dump(1, ' ', true, json::error_handler_t::replace) +
         "\n";
}

Result<std::vector<Entry>> read_state(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  const auto wrong = [] { return fail(ErrorKind::permanent, "it is no state of certificates"); };
  if (!document.is_object()) return wrong();
  const auto all = document.find("certificates");
  if (all == document.end() || !all->is_array()) return wrong();
  std::vector<Entry> entries;
  for (const json& one : *all)
    if (one.is_object() && entries.size() < kEntriesMax) {
      Entry entry = read_entry(one);
      if (!entry.name.empty()) entries.push_back(std::move(entry));
    }
  return entries;
}

std::string write_account_record(const AccountRecord& record) {
  return json({{"directory", record.directory},
               {"account", record.account},
               {"key", record.key_pem},
               {"email", record.email}})
             .dump(1, ' ', true, json::error_handler_t::replace) +
         "\n";
}

Result<AccountRecord> read_account_record(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  AccountRecord record;
  if (document.is_object())
    record = {text_of(document, "directory"), text_of(document, "account"),
              text_of(document, "key"), text_of(document, "email")};
  if (record.directory.empty() || record.key_pem.empty())
    return fail(ErrorKind::permanent, "it is no account's record");
  return record;
}

std::string account_file(std::string_view directory) {
  return fmt::format("account-{:016x}.json", fnv1a(directory));
}

}  // namespace posthorn::acme
