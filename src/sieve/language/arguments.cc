// The checker's part that looks at arguments: tags against the rows that allow them, values against
// what is wanted, match types against comparators.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "sieve/language/checker.h"
#include "sieve/language/near.h"

namespace posthorn::sieve {
namespace {

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::list:
      break;
  }
  return "a string or a list of strings";
}

std::string_view name_of(syntax::Argument::Kind kind) {
  switch (kind) {
    case syntax::Argument::Kind::number:
      return "a number";
    case syntax::Argument::Kind::tag:
      return "a tag";
    case syntax::Argument::Kind::string:
      return "a string";
    case syntax::Argument::Kind::list:
      break;
  }
  return "a list";
}

bool is_of(const syntax::Argument& argument, Kind wanted) {
  using Has = syntax::Argument::Kind;
  if (wanted == Kind::number) return argument.kind == Has::number;
  if (wanted == Kind::string) return argument.kind == Has::string;
  return argument.kind == Has::string || argument.kind == Has::list;
}

bool names(std::string_view of, std::string_view command) {
  while (!of.empty()) {
    const std::size_t end = std::min(of.find(' '), of.size());
    if (of.substr(0, end) == command) return true;
    of.remove_prefix(std::min(end + 1, of.size()));
  }
  return false;
}

std::optional<Relation> relation_of(std::string_view text) {
  using enum Relation;
  static constexpr std::pair<std::string_view, Relation> kRelations[] = {
      {"gt", gt}, {"ge", ge}, {"lt", lt}, {"le", le}, {"eq", eq}, {"ne", ne}};
  for (const auto& [name, relation] : kRelations)
    if (equals_ignoring_case(name, text)) return relation;
  return std::nullopt;
}

}  // namespace

std::uint32_t Checker::add_text(std::string_view text, Position at) {
  std::string own;
  if (has("encoded-character") && text.find("${") != std::string_view::npos) {
    own = decode_characters(text, at);
    text = own;
  }
  const auto place = static_cast<std::uint32_t>(program_->strings.size());
  const bool has_variables = has("variables") && text.find("${") != std::string_view::npos;
  const auto [known, is_new] =
      texts_.try_emplace(std::string(text), static_cast<std::uint32_t>(program_->texts.size()));
  if (is_new) program_->texts += text;
  program_->strings.push_back({known->second, static_cast<std::uint32_t>(text.size()) & 0x7FFFFFFFU,
                               has_variables ? 1U : 0U});
  if (has_variables) check_namespaces(text, at);
  return place;
}

// RFC 5229 section 3: a reference to a namespace whose extension is not required is an error.
void Checker::check_namespaces(std::string_view text, Position at) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  for (std::size_t begin = text.find("${"); begin != std::string_view::npos;
       begin = text.find("${", begin + 2)) {
    const std::string_view rest = text.substr(begin + 2);
    const std::size_t dot = rest.find_first_not_of(kLetters);
    if (dot == 0 || dot == std::string_view::npos || rest[dot] != '.' || rest[0] <= '9') continue;
    const std::size_t end = rest.find_first_not_of(kLetters, dot + 1);
    if (end == dot + 1 || end == std::string_view::npos || (rest[end] != '.' && rest[end] != '}'))
      continue;
    const std::string_view name = rest.substr(0, dot);
    const bool is_known = std::ranges::any_of(required_, [&](const Extension* extension) {
      return std::ranges::any_of(extension->namespaces, [&](const NamespaceRow& row) {
        return equals_ignoring_case(row.name, name);
      });
    });
    if (!is_known)
      fault(at, fmt::format("no extension that is required has variables `{}.…`", name));
  }
}

// RFC 5228 section 2.4.2.4: ${hex: 40} and ${unicode: 20AC}; what is not written so stays.
std::string Checker::decode_characters(std::string_view text, Position at) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find("${");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::size_t colon = text.find(':'), end = text.find('}');
    const bool is_hex = colon == 5 && equals_ignoring_case(text.substr(2, 3), "hex");
    const bool is_unicode = colon == 9 && equals_ignoring_case(text.substr(2, 7), "unicode");
    std::string decoded;
    bool is_good = (is_hex || is_unicode) && end != std::string_view::npos;
    std::string_view digits = is_good ? text.substr(colon + 1, end - colon - 1) : "";
    bool has_any = false;
    while (is_good && !(digits = trim(digits, " \t\r\n")).empty()) {
      const std::string_view one = digits.substr(0, digits.find_first_of(" \t\r\n"));
      digits.remove_prefix(one.size());
      const auto number = to_number<std::uint32_t>(one, 16);
      is_good = number.has_value() && one.size() <= (is_hex ? 2U : 40U);
      if (!is_good) break;
      has_any = true;
      if (is_hex) {
        decoded += static_cast<char>(*number);
      } else if (*number > 0x10FFFF || (*number >= 0xD800 && *number <= 0xDFFF)) {
        fault(at, fmt::format("there is no character {}", one));
        return out;
      } else {
        append_code_point(decoded, static_cast<char32_t>(*number));
      }
    }
    if (is_good && has_any) {
      out += decoded;
      text.remove_prefix(end + 1);
    } else {
      out += "${";
      text.remove_prefix(2);
    }
  }
  return out;
}

std::optional<std::string_view> Checker::constant(const Text& text) const {
  if (text.has_variables != 0) return std::nullopt;
  return program_->text(text);
}

std::vector<std::string_view> Checker::constants(const Arg& arg) const {
  std::vector<std::string_view> texts;
  if (arg.kind == Kind::number) return texts;
  for (std::uint32_t i = 0; i < arg.count; ++i)
    if (const auto text = constant(program_->strings[arg.first + i])) texts.push_back(*text);
  return texts;
}

const Arg* Checker::find_tag(const Node& node, std::string_view name) const {
  for (std::size_t i = 0; i < node.args_count; ++i) {
    const Arg& arg = program_->arguments[node.args + i];
    if (arg.tag != nullptr && arg.tag->name == name) return &arg;
  }
  return nullptr;
}

const Arg& Checker::positional(const Node& node, std::size_t which) const {
  return program_->arguments[node.args + which];
}

Arg Checker::value(const syntax::Argument& argument) {
  Arg arg;
  if (argument.kind == syntax::Argument::Kind::number) {
    arg.number = argument.number;
    return arg;
  }
  arg.kind = argument.kind == syntax::Argument::Kind::list ? Kind::list : Kind::string;
  arg.first = static_cast<std::uint32_t>(program_->strings.size());
  arg.count = static_cast<std::uint32_t>(argument.texts.size());
  for (const Token& text : argument.texts) (void)add_text(text.text, text.at);
  return arg;
}

void Checker::arguments(const syntax::Item& item, const Signature& wanted, Node& node) {
  comparison_ = {};
  std::vector<Arg> tags, values;
  std::size_t at = 0;
  const std::size_t told = told_;
  while (at < item.arguments.size() && item.arguments[at].kind == syntax::Argument::Kind::tag)
    at = tag(item, at, wanted, tags) + 1;
  if (told_ != told) return;  // what follows a wrong tag would be guessed
  positionals(item, wanted, at, values);
  if (told_ != told) return;
  node.args = static_cast<std::uint32_t>(program_->arguments.size());
  node.args_count = static_cast<std::uint16_t>(values.size() + tags.size());
  program_->arguments.insert(program_->arguments.end(), values.begin(), values.end());
  program_->arguments.insert(program_->arguments.end(), tags.begin(), tags.end());
  check_matching(item, wanted, node);
  for (std::size_t i = values.size(); i < node.args_count; ++i) {
    const TagRow* row = program_->arguments[node.args + i].tag;
    if (row->test != nullptr) comparison_.test = row->test;
    if (row->command != nullptr) comparison_.command = row->command;
    if (row->check != nullptr) row->check(*this, node, item);
  }
  node.comparison = place_comparison();
}

std::uint32_t Checker::place_comparison() {
  auto& all = program_->comparisons;
  const auto found = std::ranges::find(all, comparison_);
  const auto at = static_cast<std::uint32_t>(found - all.begin());
  if (found == all.end()) all.push_back(comparison_);
  return at;
}

void Checker::positionals(const syntax::Item& item, const Signature& wanted, std::size_t from,
                          std::vector<Arg>& values) {
  const auto& list = wanted.arguments;
  std::size_t given = 0;
  for (std::size_t i = from; i < item.arguments.size(); ++i) {
    if (item.arguments[i].kind == syntax::Argument::Kind::tag)
      return fault(item.arguments[i].at,
                   fmt::format("`:{}` must stand before the other arguments of `{}`",
                               item.arguments[i].tag, wanted.name));
    ++given;
  }
  const std::size_t missing = given < list.size() ? list.size() - given : 0;
  if (given > list.size()) {
    return fault(item.arguments[from + list.size()].at,
                 list.empty() ? fmt::format("`{}` takes no argument", wanted.name)
                              : fmt::format("`{}` takes no more than {} argument{}", wanted.name,
                                            list.size(), list.size() == 1 ? "" : "s"));
  }
  if (missing > wanted.optional + wanted.optional_last) {
    const Positional& first = list[std::max(given, wanted.optional)];
    return fault(item.at, fmt::format("`{}` needs {}: {} is missing", wanted.name, first.name,
                                      name_of(first.kind)));
  }
  const std::size_t left_out = wanted.optional_last > 0 ? 0 : missing;  // of the first ones
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i < left_out || i >= left_out + given) {
      Arg none;
      none.kind = list[i].kind;
      none.has_value = false;
      values.push_back(none);
      continue;
    }
    const syntax::Argument& argument = item.arguments[from + i - left_out];
    if (!is_of(argument, list[i].kind))
      fault(argument.at, fmt::format("`{}` expects {} as {}, found {}", wanted.name,
                                     name_of(list[i].kind), list[i].name, name_of(argument.kind)));
    values.push_back(value(argument));
  }
}

const TagRow* Checker::find_tag_row(const syntax::Argument& argument, const Signature& wanted) {
  const TagRow* found = nullptr;
  const Extension* from = nullptr;
  std::vector<std::string_view> near;
  for (const Extension* extension : language_) {
    for (const TagRow& row : extension->tags) {
      if (!names(row.of, wanted.name)) continue;
      near.push_back(row.name);
      if (!equals_ignoring_case(row.name, argument.tag)) continue;
      if (required_.contains(extension)) return &row;
      found = &row;
      from = extension;
    }
  }
  if (found != nullptr) {
    fault(argument.at, fmt::format("`:{}` of `{}` needs `require [\"{}\"]`", argument.tag,
                                   wanted.name, from->name));
    return found;
  }
  if (wanted.compares != TestRow::Compares::no) {
    near.push_back("comparator");
    for (const Extension* extension : language_) {
      for (const MatchRow& row : extension->match_types) {
        near.push_back(row.name);
        if (equals_ignoring_case(row.name, argument.tag)) {
          fault(argument.at,
                fmt::format("`:{}` needs `require [\"{}\"]`", argument.tag, extension->name));
          return nullptr;
        }
      }
      if (wanted.compares != TestRow::Compares::addresses) continue;
      for (const AddressPartRow& row : extension->address_parts) {
        near.push_back(row.name);
        if (equals_ignoring_case(row.name, argument.tag)) {
          fault(argument.at,
                fmt::format("`:{}` needs `require [\"{}\"]`", argument.tag, extension->name));
          return nullptr;
        }
      }
    }
  }
  fault(argument.at, fmt::format("`{}` has no argument `:{}`{}", wanted.name, argument.tag,
                                 did_you_mean(argument.tag, near, ":")));
  return nullptr;
}

bool Checker::is_match_type(const syntax::Item& item, std::size_t& at) {
  const syntax::Argument& argument = item.arguments[at];
  for (const Extension* extension : required_) {
    for (const MatchRow& row : extension->match_types) {
      if (!equals_ignoring_case(row.name, argument.tag)) continue;
      if (comparison_.matching.type != nullptr)
        fault(argument.at, "a test has one match type, this is its second");
      comparison_.matching.type = &row;
      if (row.relations == MatchRow::Relations::no) return true;
      const bool has_text = at + 1 < item.arguments.size() &&
                            item.arguments[at + 1].kind == syntax::Argument::Kind::string;
      const auto relation =
          has_text ? relation_of(item.arguments[at + 1].texts.front().text) : std::nullopt;
      if (relation) {
        comparison_.matching.relation = *relation;
      } else {
        fault(argument.at, fmt::format("`:{}` must be followed by \"gt\", \"ge\", \"lt\", \"le\", "
                                       "\"eq\" or \"ne\"",
                                       row.name));
      }
      if (has_text) ++at;
      return true;
    }
  }
  return false;
}

std::size_t Checker::comparator(const syntax::Item& item, std::size_t at) {
  const syntax::Argument& argument = item.arguments[at];
  if (at + 1 >= item.arguments.size() ||
      item.arguments[at + 1].kind != syntax::Argument::Kind::string) {
    fault(argument.at, "`:comparator` must be followed by the comparator's name");
    return at;
  }
  if (comparison_.matching.comparator != nullptr)
    fault(argument.at, "a test has one comparator, this is its second");
  const std::string& name = item.arguments[at + 1].texts.front().text;
  std::vector<std::string_view> near;
  for (const Extension* extension : language_) {
    for (const ComparatorRow& row : extension->comparators) {
      near.push_back(row.name);
      if (row.name != name) continue;
      comparison_.matching.comparator = &row;
      if (!required_.contains(extension))
        fault(item.arguments[at + 1].at,
              fmt::format("the comparator `{}` needs `require [\"{}\"]`", name, extension->name));
      return at + 1;
    }
  }
  fault(item.arguments[at + 1].at,
        fmt::format("there is no comparator `{}`{}", name, did_you_mean(name, near)));
  return at + 1;
}

std::size_t Checker::tag(const syntax::Item& item, std::size_t at, const Signature& wanted,
                         std::vector<Arg>& tags) {
  const syntax::Argument& argument = item.arguments[at];
  if (wanted.compares != TestRow::Compares::no) {
    if (is_match_type(item, at)) return at;
    if (equals_ignoring_case(argument.tag, "comparator")) return comparator(item, at);
    for (const Extension* extension : required_) {
      for (const AddressPartRow& row : extension->address_parts) {
        if (wanted.compares != TestRow::Compares::addresses) break;
        if (!equals_ignoring_case(row.name, argument.tag)) continue;
        if (comparison_.address_part != nullptr)
          fault(argument.at, "a test compares one part of an address, this is its second");
        comparison_.address_part = &row;
        return at;
      }
    }
  }
  const TagRow* row = find_tag_row(argument, wanted);
  const bool has_next = at + 1 < item.arguments.size();
  if (row == nullptr) {
    // Its value, if it seems to have one, is no argument of the command.
    const bool is_extra = has_next && item.arguments[at + 1].kind != syntax::Argument::Kind::tag &&
                          item.arguments.size() - at - 1 > wanted.arguments.size();
    return is_extra ? at + 1 : at;
  }
  for (const Arg& other : tags) {
    if (other.tag == row)
      fault(argument.at, fmt::format("`:{}` stands here twice", argument.tag));
    else if (!row->group.empty() && other.tag->group == row->group)
      fault(argument.at,
            fmt::format("`:{}` and `:{}` exclude each other", other.tag->name, row->name));
  }
  Arg arg;
  if (!row->argument) {
    arg.has_value = false;
  } else if (!has_next || !is_of(item.arguments[at + 1], *row->argument)) {
    fault(argument.at,
          fmt::format("`:{}` must be followed by {}", row->name, name_of(*row->argument)));
    return item.arguments.size();  // which argument is whose nobody knows
  } else {
    arg = value(item.arguments[++at]);
  }
  arg.tag = row;
  tags.push_back(arg);
  return at;
}

// RFC 5228 section 2.7: `:is` and i;ascii-casemap, unless others are named.
void Checker::check_matching(const syntax::Item& item, const Signature& wanted, Node& node) {
  if (wanted.compares == TestRow::Compares::no) return;
  Matching& matching = comparison_.matching;
  for (const Extension* extension : language_) {
    if (!extension->name.empty()) continue;
    for (const MatchRow& row : extension->match_types)
      if (matching.type == nullptr && row.name == "is") matching.type = &row;
    for (const ComparatorRow& row : extension->comparators)
      if (matching.comparator == nullptr && row.name == "i;ascii-casemap")
        matching.comparator = &row;
    for (const AddressPartRow& row : extension->address_parts)
      if (wanted.compares == TestRow::Compares::addresses && comparison_.address_part == nullptr &&
          row.name == "all")
        comparison_.address_part = &row;
  }
  ASSERT(matching.type != nullptr && matching.comparator != nullptr);
  if (matching.type->parts == MatchRow::Parts::yes &&
      matching.comparator->substrings == ComparatorRow::Substrings::no)
    fault(item.at, fmt::format("`:{}` looks for a part of a text, which {} cannot",
                               matching.type->name, matching.comparator->name));
  if (matching.type->check != nullptr) matching.type->check(*this, node, item);
  if (matching.type->check_key == nullptr) return;
  for (const std::string_view key : constants(positional(node, wanted.arguments.size() - 1))) {
    // What is left of a bound that was passed is not looked at: the fault is told once.
    if (includes_.key_cost > MatchRow::kKeyCostMax) return;
    const MatchRow::KeyCheck checked = matching.type->check_key(key);
    if (!checked.why_bad.empty()) fault(item.at, checked.why_bad);
    includes_.key_cost += checked.cost;
    if (includes_.key_cost > MatchRow::kKeyCostMax)
      fault(item.at, fmt::format("the `:{}` patterns of this script are too large together",
                                 matching.type->name));
  }
}

}  // namespace posthorn::sieve
