#include "sieve/extensions/field_values.h"

#include <algorithm>
#include <fmt/format.h>

#include "sieve/language/checker.h"

namespace posthorn::sieve {

std::vector<std::string> picked(const Call& call, std::vector<std::string> values) {
  const Arg* index = call.tag("index");
  if (index == nullptr) return values;
  if (index->number == 0 || index->number > values.size()) return {};
  const std::size_t at = call.has("last") ? values.size() - index->number
                                          : static_cast<std::size_t>(index->number - 1);
  return {std::move(values[at])};
}

std::vector<std::string> field_values(Run& run, const Call& call, std::string_view field,
                                      Words words) {
  if (words == Words::decoded) return picked(call, run.message().values(field));
  std::vector<std::string> values = run.message().raw_values(field);
  // Whoever takes them as they are reads them: addresses, dates.
  std::size_t bytes = 0;
  for (const std::string& value : values) bytes += value.size();
  if (!run.spend(1 + bytes / 64)) return {};
  return picked(call, std::move(values));
}

namespace {

void check_index(Checker& checker, Node& node, const syntax::Item& item) {
  const Arg* const index = checker.find_tag(node, "index");
  if (index->has_value && index->number == 0) checker.fault(item.at, "`:index` counts from 1");
}

void check_last(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "index") == nullptr)
    checker.fault(item.at, "`:last` needs `:index` with a number");
}

}  // namespace

void add_index_tags(Extension& extension, std::string_view of) {
  extension.tags.push_back(
      {.of = of, .name = "index", .argument = Kind::number, .check = check_index});
  extension.tags.push_back({.of = of, .name = "last", .check = check_last});
}

bool is_field_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F && c != ':'; });
}

void check_field_names(Checker& checker, const Node& node, const syntax::Item& item,
                       std::size_t which) {
  for (const std::string_view name : checker.constants(checker.positional(node, which)))
    // RFC 5228 section 2.4.2.2: it matches nothing, and is no error.
    if (!is_field_name(name))
      checker.warn(item.at, fmt::format("\"{}\" is no name of a header field", name));
}

}  // namespace posthorn::sieve
