#include "acme/problem.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ascii.h"

namespace posthorn::acme {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "urn:ietf:params:acme:error:";
constexpr std::size_t kSubproblemsMax = 10;
constexpr std::chrono::seconds kWaitMax = std::chrono::days(7);

// RFC 8555 section 6.7, RFC 9773 section 7.4: what each means to an administrator.
struct Meaning {
  std::string_view type, sentence, remedy;
};
constexpr Meaning kMeanings[] = {
    {"accountDoesNotExist", "the authority does not know this account",
     "an account is made anew with the next attempt; posthorn certificate renew makes it at once"},
    {"alreadyReplaced", "the certificate has been replaced already",
     "posthorn certificate renew tries again"},
    {"alreadyRevoked", "the certificate is revoked already",
     "posthorn certificate renew gets another one"},
    {"badCSR", "the authority does not take the request for the certificate",
     "see whether its rules forbid a name of acme.names or the kind of key in acme.key"},
    {"badNonce", "the authority took none of its own nonces back",
     "it is tried again by itself; the authority is at fault"},
    {"badPublicKey", "the authority does not take the kind of key",
     "set acme.key to another kind, e.g. rsa-2048"},
    {"badRevocationReason", "the authority does not take the reason for the revocation",
     "it is tried again by itself"},
    {"caa", "a CAA record forbids this authority to issue",
     "publish a CAA record that names it, or take the record away; posthorn dns DOMAIN shows it"},
    {"connection", "the authority could not connect to this server",
     "open ports 80 and 443 in the firewall, and see that all A and AAAA records of the name lead "
     "here; posthorn dns DOMAIN checks them"},
    {"dns", "the authority could not look up the name",
     "publish A or AAAA records of it that lead here; posthorn dns DOMAIN checks them"},
    {"externalAccountRequired", "the authority serves its customers alone",
     "set acme.eab_key_id and acme.eab_key_file to what it gave you"},
    {"incorrectResponse", "the authority got another answer than this server's",
     "another program answers on port 80 or 443 of that name: see where its A and AAAA records "
     "lead and who listens there"},
    {"invalidContact", "the authority does not take the address of acme.email",
     "set acme.email to an address that receives mail"},
    {"malformed", "the authority could not read the request",
     "see whether acme.directory is an ACME directory (RFC 8555) and acme.names are host names"},
    {"orderNotReady", "the order was not ready", "it is tried again by itself"},
    {"rateLimited", "the authority has been asked too often",
     "wait: it is tried again by itself when the authority allows; for trials set acme.directory "
     "to letsencrypt-staging"},
    {"rejectedIdentifier", "the authority issues nothing for the name",
     "take the name out of acme.names (or set server.hostname to a name of yours)"},
    {"serverInternal", "the authority has a fault of its own", "it is tried again by itself"},
    {"tls", "the authority could not speak TLS with this server",
     "see who listens on port 443 of that name"},
    {"unauthorized", "the authority got no proof that the name is this server's",
     "another program answers on port 80 or 443 of that name: see where its A and AAAA records "
     "lead and who listens there"},
    {"unsupportedContact", "the authority does not take the kind of address in acme.email",
     "set acme.email to a plain mail address"},
    {"unsupportedIdentifier", "the authority issues for host names only",
     "take addresses and wildcards out of acme.names"},
    {"userActionRequired", "the authority wants something of you",
     "read its new terms; with acme.agree_terms = true they are agreed to"},
};

const Meaning* find_meaning(std::string_view type) {
  const auto* const at = std::ranges::find(kMeanings, type, &Meaning::type);
  return at == std::end(kMeanings) ? nullptr : at;
}

std::string text_of(const json& document, const char* name) {
  const auto at = document.find(name);
  return at != document.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::string type_of(const json& document) {
  const std::string type = text_of(document, "type");
  return type.starts_with(kPrefix) ? shown(type.substr(kPrefix.size()), 60) : std::string();
}

std::string remedy_for(std::string_view type) {
  const Meaning* const meaning = find_meaning(type);
  return std::string(meaning != nullptr ? meaning->remedy
                                        : "it is tried again by itself; the authority's own pages "
                                          "may know more");
}

}  // namespace

std::string shown(std::string_view text, std::size_t size_max) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (out.size() >= size_max) break;
    // Beyond ASCII there are letters that turn the order of text, and terminals' own commands.
    out += u < 0x20 || u >= 0x7F ? (u < 0x20 ? ' ' : '?') : c;
  }
  return out;
}

Problem read_problem(const json& document) {
  Problem problem;
  if (!document.is_object()) return problem;
  problem.type = type_of(document);
  problem.detail = shown(text_of(document, "detail"));
  problem.instance = shown(text_of(document, "instance"));
  if (const auto status = document.find("status");
      status != document.end() && status->is_number_integer())
    problem.status =
        static_cast<int>(std::clamp<std::int64_t>(status->get<std::int64_t>(), 0, 999));
  const auto all = document.find("subproblems");
  if (all == document.end() || !all->is_array()) return problem;
  for (const json& one : *all) {
    if (!one.is_object() || problem.subproblems.size() >= kSubproblemsMax) continue;
    Subproblem sub{.type = type_of(one), .detail = shown(text_of(one, "detail")), .name = {}};
    if (const auto name = one.find("identifier"); name != one.end() && name->is_object())
      sub.name = shown(text_of(*name, "value"), 255);
    problem.subproblems.push_back(std::move(sub));
  }
  return problem;
}

Problem read_problem(const net::HttpAnswer& answer) {
  Problem problem = read_problem(json::parse(answer.body, nullptr, false));
  problem.status = answer.status;
  if (problem.detail.empty() && problem.type.empty())
    problem.detail = fmt::format("HTTP status {}", answer.status);
  return problem;
}

std::string sentence_of(const Problem& problem) {
  const Meaning* const meaning = find_meaning(problem.type);
  std::string text = meaning != nullptr ? fmt::format("{} ({})", meaning->sentence, problem.type)
                     : problem.type.empty()
                         ? std::string("the authority refused")
                         : fmt::format("the authority refused ({})", problem.type);
  if (!problem.detail.empty()) text += ": " + problem.detail;
  for (const Subproblem& sub : problem.subproblems) {
    const Meaning* const of_sub = find_meaning(sub.type);
    text += fmt::format("; {}{}{}{}", sub.name, sub.name.empty() ? "" : ": ",
                        of_sub != nullptr ? of_sub->sentence : "refused",
                        sub.detail.empty() ? "" : ": " + sub.detail);
  }
  return text;
}

std::string remedy_of(const Problem& problem) {
  std::string remedy;
  // Of several names each has its own: the first that is known says more than the whole's.
  for (const Subproblem& sub : problem.subproblems) {
    if (find_meaning(sub.type) == nullptr) continue;
    remedy = remedy_for(sub.type);
    if (!sub.name.empty()) remedy = fmt::format("{}: {}", sub.name, remedy);
    break;
  }
  if (remedy.empty()) remedy = remedy_for(problem.type);
  if (!problem.instance.empty()) remedy += " (" + problem.instance + ")";
  return remedy;
}

bool is_of_challenge(const Problem& problem) {
  constexpr std::array<std::string_view, 4> kTypes = {"connection", "incorrectResponse", "tls",
                                                      "unauthorized"};
  return std::ranges::find(kTypes, problem.type) != kTypes.end();
}

std::optional<std::chrono::seconds> read_retry_after(const net::HttpAnswer& answer, WallTime now) {
  const std::string* const field = answer.find("retry-after");
  if (field == nullptr) return std::nullopt;
  if (const auto seconds = to_number<std::uint32_t>(*field))
    return std::min(std::chrono::seconds(*seconds), kWaitMax);
  std::tm tm{};
  const char* const end = ::strptime(field->c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const WallTime at{std::chrono::seconds(::timegm(&tm))};
  const auto left = std::chrono::ceil<std::chrono::seconds>(at - now);
  return std::clamp(left, std::chrono::seconds(0), kWaitMax);
}

std::unexpected<Failure> failure_of(const Problem& problem) {
  return std::unexpected(
      Failure{.what = sentence_of(problem), .remedy = remedy_of(problem), .type = problem.type});
}

std::unexpected<Failure> failure_of(const net::HttpAnswer& answer, WallTime now) {
  auto failure = failure_of(read_problem(answer));
  if (const auto wait = read_retry_after(answer, now)) failure.error().not_before = now + *wait;
  return failure;
}

std::unexpected<Failure> failure_of(const Error& error) {
  return std::unexpected(
      Failure{.what = "the directory could not be asked: " + shown(error.what),
              .remedy = "see that this machine reaches it (acme.directory), and, where it is not a "
                        "public one, that acme.authority vouches for its TLS; it is tried again "
                        "by itself"});
}

}  // namespace posthorn::acme
