// Annotations of mailboxes and of the account: GETMETADATA and SETMETADATA. RFC 5464. What is
// /shared is the account's own as well: no other account sees it.
#include <algorithm>
#include <set>

#include "imap/proto/metadata.h"
#include "imap/proto/response.h"
#include "imap/server/commands.h"
#include "store/annotations.h"

namespace posthorn::imap {
namespace {

// RFC 5464 section 3.2.1.1: whom to ask, as a URI. Nobody sets it but the administrator.
constexpr std::string_view kAdminEntry = "/shared/admin";

std::string admin_uri(const User& user) {
  std::string address = user.services.config.server.postmaster;
  if (address.empty()) address = "postmaster";
  const std::string& account = user.account->name();
  if (address.find('@') == std::string::npos)
    address += account.substr(std::min(account.find('@'), account.size()));
  std::string uri = "mailto:";
  for (const char c : address) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("@.-_+").find(c) != std::string_view::npos;
    uri += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

struct Request {
  std::string mailbox;  // empty: the account
  MetadataOptions options;
  std::vector<std::string> entries;  // checked
};

// A name that is empty is the account, and goes by no mailbox's rules.
std::optional<std::string> take_mailbox(Parser& parser, const User& user) {
  Parser ahead = parser;
  if (const auto raw = ahead.astring(); raw && raw->empty()) {
    parser = ahead;
    return "";
  }
  return user.names().take(parser);
}

// RFC 5464 section 5 has the options in front of the mailbox, its examples behind it.
std::optional<Request> parse_request(Parser& parser, const User& user) {
  Request request;
  if (!parser.take_space()) return std::nullopt;
  auto options = take_metadata_options(parser);
  if (options && !parser.take_space()) return std::nullopt;
  auto mailbox = take_mailbox(parser, user);
  if (!mailbox || !parser.take_space()) return std::nullopt;
  if (!options) {
    options = take_metadata_options(parser);
    if (options && !parser.take_space()) return std::nullopt;
  }
  const auto entries = parse_entries(parser);
  if (!entries) return std::nullopt;
  for (const std::string& entry : *entries) {
    auto checked = store::check_annotation_name(entry);
    if (!checked) return std::nullopt;
    request.entries.push_back(*std::move(checked));
  }
  request.mailbox = *std::move(mailbox);
  request.options = options.value_or(MetadataOptions{});
  return request;
}

// The entries that are asked for, each once. What has no value is told as NIL, where it was named.
std::set<std::string_view> select_entries(const Request& request, const store::Annotations& all) {
  std::set<std::string_view> selected;
  for (const std::string& entry : request.entries) {
    if (request.options.depth == Depth::none) selected.insert(entry);
    for (auto at = all.lower_bound(entry); at != all.end() && at->first.starts_with(entry); ++at)
      if (is_within(at->first, entry, request.options.depth)) selected.insert(at->first);
  }
  return selected;
}

Outcome outcome_of(store::AnnotationResult result) {
  switch (result) {
    case store::AnnotationResult::done:
      return ok("Setmetadata completed");
    case store::AnnotationResult::not_found:
      return no("There is no such mailbox", "NONEXISTENT");
    case store::AnnotationResult::too_long:
      // RFC 5464 section 4.3.
      return no("The value is too long",
                fmt::format("METADATA MAXSIZE {}", store::kAnnotationValueMax));
    case store::AnnotationResult::too_many:
      return no("Too many annotations", "METADATA TOOMANY");
    case store::AnnotationResult::bad_name:
      return no("No entry of this name can have a value", "CANNOT");
    case store::AnnotationResult::bad_use:
      return no("The mailbox cannot have this special use", "USEATTR");
  }
  return bad("?");
}

}  // namespace

net::Task<Outcome> get_metadata(Parser& parser, Responses& responses, const User& user) {
  const auto request = parse_request(parser, user);
  if (!request) co_return bad("GETMETADATA needs a mailbox and names of entries");
  CO_TRY(auto found, co_await user.account->annotations(request->mailbox));
  if (!found) co_return no("There is no such mailbox", "NONEXISTENT");
  if (request->mailbox.empty()) found->insert_or_assign(std::string(kAdminEntry), admin_uri(user));
  std::string values;
  std::size_t longest = 0;  // of those that are left out
  for (const std::string_view entry : select_entries(*request, *found)) {
    const auto at = found->find(entry);
    const auto value =
        at == found->end() ? std::nullopt : std::optional<std::string_view>(at->second);
    if (value && value->size() > request->options.size_max.value_or(SIZE_MAX)) {
      longest = std::max(longest, value->size());
      continue;
    }
    values += values.empty() ? "" : " ";
    append_astring(values, entry);
    values += ' ';
    append_value(values, value);
  }
  if (!values.empty())
    responses.say("METADATA {} ({})",
                  request->mailbox.empty() ? "\"\"" : user.names().format(request->mailbox),
                  values);
  // RFC 5464 section 4.2.1.
  co_return ok("Getmetadata completed",
               longest == 0 ? "" : fmt::format("METADATA LONGENTRIES {}", longest));
}

net::Task<Outcome> set_metadata(Parser& parser, const User& user,
                                store::AnnotationWatchPtr& watch) {
  std::optional<std::string> mailbox;
  if (parser.take_space()) mailbox = take_mailbox(parser, user);
  if (!mailbox || !parser.take_space()) co_return bad("SETMETADATA needs a mailbox and entries");
  auto values = parse_entry_values(parser);
  if (!values) co_return bad("SETMETADATA needs entries with values");
  std::vector<store::AnnotationChange> changes;
  for (EntryValue& one : *values) {
    auto name = store::check_annotation_name(one.name);
    if (!name || !store::may_have_value(*name)) co_return bad("No entry can have this name");
    if (mailbox->empty() && *name == kAdminEntry)
      co_return no("This entry is the administrator's", "NOPERM");
    changes.push_back({*std::move(name), std::move(one.value)});
  }
  CO_TRY(const auto result,
         co_await user.account->annotate(*mailbox, std::move(changes), watch.get()));
  co_return outcome_of(result);
}

}  // namespace posthorn::imap
