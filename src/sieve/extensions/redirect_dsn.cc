// redirect-dsn and redirect-deliverby (RFC 6009 sections 5 and 6): what the envelope of a
// redirected message asks for: reports (RFC 3461), and a time to be delivered by (RFC 2852).
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/rfc3339.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 3461 section 4.1: NEVER alone, or SUCCESS, FAILURE, DELAY with commas between; in upper case.
// Empty: it is none.
std::string notify_value(std::string_view text) {
  std::string out = to_upper(text);
  if (out == "NEVER") return out;
  std::string_view rest = out;
  while (true) {
    const std::string_view one = rest.substr(0, rest.find(','));
    if (one != "SUCCESS" && one != "FAILURE" && one != "DELAY") return {};
    if (one.size() == rest.size()) return out;
    rest.remove_prefix(one.size() + 1);
  }
}

std::string ret_value(std::string_view text) {
  std::string out = to_upper(text);
  return out == "FULL" || out == "HDRS" ? out : "";
}

std::string mode_value(std::string_view text) {
  if (equals_ignoring_case(text, "return")) return "R";
  return equals_ignoring_case(text, "notify") ? "N" : "";
}

// A tag whose value is one of a few: told at once if it is a constant, left out with a doubt else.
template <std::string (*value)(std::string_view), const char* name>
void check_value(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view text : checker.constants(*checker.find_tag(node, name)))
    if (value(text).empty())
      checker.fault(item.at, fmt::format("`:{}` of `redirect` cannot be \"{}\"", name, text));
}

template <std::string (*value)(std::string_view), std::string Redirect::* member>
void apply_value(Run& run, const Call& call, const Arg& arg, Action& action) {
  const std::string_view text = call.text(run, arg);
  std::get<Redirect>(action.what).*member = value(text);
  if (value(text).empty())
    run.doubt(fmt::format("redirect: `:{}` \"{}\" was left out", arg.tag->name, text));
}

constexpr char kNotify[] = "notify", kRet[] = "ret", kMode[] = "bymode";

void check_absolute(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view text : checker.constants(*checker.find_tag(node, "bytimeabsolute")))
    if (!parse_rfc3339(text))
      checker.fault(item.at, fmt::format("`:bytimeabsolute` needs a time such as "
                                         "\"2030-01-02T03:04:05Z\", found \"{}\"",
                                         text));
}

void check_needs_time(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "bytimerelative") == nullptr &&
      checker.find_tag(node, "bytimeabsolute") == nullptr)
    checker.fault(item.at, "`:bymode` and `:bytrace` need `:bytimerelative` or `:bytimeabsolute`");
}

void check_mode(Checker& checker, Node& node, const syntax::Item& item) {
  check_needs_time(checker, node, item);
  check_value<mode_value, kMode>(checker, node, item);
}

// RFC 2852 section 4: nine digits.
constexpr std::int64_t kSecondsMax = 999'999'999;

void apply_relative(Run& /*run*/, const Call& /*call*/, const Arg& arg, Action& action) {
  std::get<Redirect>(action.what).deliver_by =
      static_cast<std::int64_t>(std::min(arg.number, static_cast<std::uint64_t>(kSecondsMax)));
}

void apply_absolute(Run& run, const Call& call, const Arg& arg, Action& action) {
  const auto at = parse_rfc3339(call.text(run, arg));
  if (!at) return run.doubt("redirect: `:bytimeabsolute` is no time and was left out");
  const auto from_now = std::chrono::duration_cast<std::chrono::seconds>(*at - run.input().now);
  std::get<Redirect>(action.what).deliver_by =
      std::clamp<std::int64_t>(from_now.count(), -kSecondsMax, kSecondsMax);
}

// Section 6: "R" or "N", then "T" for a trace. The default is to notify.
void apply_mode(Run& run, const Call& call, const Arg& arg, Action& action) {
  auto& mode = std::get<Redirect>(action.what).deliver_by_mode;
  const std::string wanted = mode_value(call.text(run, arg));
  mode = (wanted.empty() ? "N" : wanted) + (mode.ends_with('T') ? "T" : "");
}

void apply_trace(Run& /*run*/, const Call& /*call*/, const Arg& /*arg*/, Action& action) {
  std::get<Redirect>(action.what).deliver_by_mode += 'T';
}

}  // namespace

Extension redirect_dsn() {
  return {.name = "redirect-dsn",
          .standard = "RFC 6009 section 5",
          .tags = {{.of = "redirect",
                    .name = kNotify,
                    .argument = Kind::string,
                    .check = check_value<notify_value, kNotify>,
                    .apply = apply_value<notify_value, &Redirect::notify>},
                   {.of = "redirect",
                    .name = kRet,
                    .argument = Kind::string,
                    .check = check_value<ret_value, kRet>,
                    .apply = apply_value<ret_value, &Redirect::ret>}}};
}

Extension redirect_deliverby() {
  return {
      .name = "redirect-deliverby",
      .standard = "RFC 6009 section 6",
      .tags = {
          {.of = "redirect",
           .name = "bytimerelative",
           .argument = Kind::number,
           .group = "time",
           .apply = apply_relative},
          {.of = "redirect",
           .name = "bytimeabsolute",
           .argument = Kind::string,
           .group = "time",
           .check = check_absolute,
           .apply = apply_absolute},
          {.of = "redirect",
           .name = kMode,
           .argument = Kind::string,
           .check = check_mode,
           .apply = apply_mode},
          {.of = "redirect", .name = "bytrace", .check = check_needs_time, .apply = apply_trace}}};
}

}  // namespace posthorn::sieve::extension
