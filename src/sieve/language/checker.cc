#include "sieve/language/checker.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/language/near.h"
#include "sieve/language/run.h"

namespace posthorn::sieve {
namespace {

// The extension that has it, the required ones first.
template <class Row>
struct Found {
  const Extension* extension = nullptr;
  const Row* row = nullptr;
};

template <class Row>
Found<Row> find_row(const Language& language, const std::set<const Extension*>& required,
                    std::vector<Row> Extension::* rows, std::string_view name) {
  Found<Row> found;
  for (const Extension* extension : language) {
    for (const Row& row : extension->*rows) {
      if (!equals_ignoring_case(row.name, name)) continue;
      if (required.contains(extension)) return {extension, &row};
      if (found.row == nullptr) found = {extension, &row};
    }
  }
  return found;
}

// Stand where a faulty command or test behind `ihave` stood: reached, they are a fault at run time
// (RFC 5463 section 4).
const CommandRow& trap_command() {
  static const CommandRow row{
      .name = "error", .arguments = {{"a reason", Kind::string}}, .run = fail_with_reason};
  return row;
}

const TestRow& trap_test() {
  static const TestRow row{.name = "error",
                           .arguments = {{"a reason", Kind::string}},
                           .run = [](Run& run, const Call& call) {
                             (void)fail_with_reason(run, call);
                             return false;
                           }};
  return row;
}

// An `ihave` whose answer is no, where the block runs only if it were yes.
bool asks(const syntax::Item& test, const auto& is_there) {
  if (equals_ignoring_case(test.name, "ihave")) {
    for (const auto& argument : test.arguments)
      for (const Token& text : argument.texts)
        if (!is_there(text.text)) return true;
    return false;
  }
  return std::ranges::any_of(test.tests,
                             [&](const syntax::Item& inner) { return asks(inner, is_there); });
}

// A sentence repeats what was written, and that may be a megabyte.
std::string shortened(std::string text) {
  constexpr std::size_t kMax = 400;
  if (text.size() <= kMax) return text;
  std::size_t size = kMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  text.resize(size);
  return text + " …";
}

}  // namespace

bool Program::requires_extension(std::string_view extension) const {
  return std::ranges::any_of(
      required, [&](const Extension* one) { return equals_ignoring_case(one->name, extension); });
}

std::size_t Program::memory() const {
  return sizeof *this + texts.capacity() + strings.capacity() * sizeof(Text) +
         arguments.capacity() * sizeof(Arg) + nodes.capacity() * sizeof(Node) +
         comparisons.capacity() * sizeof(Comparison) + required.capacity() * sizeof(void*);
}

Checker::Checker(const Language& language, const CompileSettings& settings, Includes& includes)
    : language_(language), settings_(settings), includes_(includes) {
  for (const Extension* extension : language)
    if (extension->name.empty()) required_.insert(extension);
}

void Checker::fault(Position at, std::string text) {
  ++told_;
  // All of them until the end: whether a call had a fault is seen by their number.
  faults_.push_back({at.line, at.column, shortened(std::move(text))});
}

void Checker::warn(Position at, std::string text) {
  if (warnings_.size() < kFaultsMax)
    warnings_.push_back({at.line, at.column, shortened(std::move(text))});
}

bool Checker::has(std::string_view extension) const {
  return std::ranges::any_of(
      required_, [&](const Extension* one) { return equals_ignoring_case(one->name, extension); });
}

bool Checker::require(std::string_view name) {
  const std::string wanted = to_lower(name);
  if (wanted == "comparator-i;octet" || wanted == "comparator-i;ascii-casemap") return true;
  const auto found = std::ranges::find_if(
      language_, [&](const Extension* one) { return !one->name.empty() && one->name == wanted; });
  if (found == language_.end() || !(*found)->refused.empty() ||
      settings_.forbidden_extensions.contains(wanted))
    return false;
  if (!required_.insert(*found).second) return true;
  program_->required.push_back(*found);
  for (const std::string_view other : (*found)->with) (void)require(other);
  return true;
}

std::string Checker::why_not(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const Extension* one : language_) {
    if (!equals_ignoring_case(one->name, name)) {
      if (one->refused.empty()) names.push_back(one->name);
      continue;
    }
    if (!one->refused.empty()) return fmt::format("`{}` is refused: {}", name, one->refused);
    return fmt::format("`{}` is not allowed in this script", name);
  }
  return fmt::format("there is no extension `{}`{}", name, did_you_mean(name, names));
}

CompileResult Checker::compile(std::string_view script) {
  if (script.size() > settings_.size_max) {
    fault({}, fmt::format("the script has {} bytes, {} are allowed", script.size(),
                          settings_.size_max));
    return {nullptr, std::move(faults_), {}};
  }
  syntax::Tree tree = syntax::parse(script, settings_.depth_max);
  faults_ = std::move(tree.faults);
  program_->name = settings_.name;
  const auto nodes = commands(tree.commands);
  program_->commands = place(nodes);
  program_->commands_count = static_cast<std::uint32_t>(nodes.size());
  for (const Extension* one : required_)
    for (const std::string_view other : one->needs)
      if (!has(other))
        fault({}, fmt::format("`{}` needs `require [\"{}\"]` as well", one->name, other));
  std::ranges::sort(faults_, {}, [](const Fault& one) { return std::pair(one.line, one.column); });
  faults_.resize(std::min(faults_.size(), kFaultsMax));
  if (!faults_.empty()) return {nullptr, std::move(faults_), std::move(warnings_)};
  program_->texts.shrink_to_fit();
  program_->strings.shrink_to_fit();
  program_->arguments.shrink_to_fit();
  program_->nodes.shrink_to_fit();
  program_->comparisons.shrink_to_fit();
  return {std::move(program_), {}, std::move(warnings_)};
}

std::uint32_t Checker::place(const std::vector<Node>& nodes) {
  const auto at = static_cast<std::uint32_t>(program_->nodes.size());
  program_->nodes.insert(program_->nodes.end(), nodes.begin(), nodes.end());
  return at;
}

bool Checker::may_enable(std::string_view name) const {
  const std::string wanted = to_lower(name);
  if (wanted == "comparator-i;octet" || wanted == "comparator-i;ascii-casemap" || has(wanted))
    return true;
  const auto found = std::ranges::find_if(
      language_, [&](const Extension* one) { return !one->name.empty() && one->name == wanted; });
  return found != language_.end() && (*found)->refused.empty() &&
         (*found)->changes == Extension::Changes::rows &&
         ((*found)->excludes.empty() || !has((*found)->excludes)) &&
         !settings_.forbidden_extensions.contains(wanted);
}

bool Checker::is_lenient(const syntax::Item& item) const {
  const auto is_there = [&](const std::string& name) { return may_enable(name); };
  return std::ranges::any_of(item.tests,
                             [&](const syntax::Item& test) { return asks(test, is_there); });
}

std::optional<std::string> Checker::leniently(const std::function<void()>& check) {
  if (strictness_ == Strictness::all) {
    check();
    return std::nullopt;
  }
  auto before = std::exchange(faults_, {});
  const std::size_t told = told_;
  check();
  const auto mine = std::exchange(faults_, std::move(before));
  told_ = told;
  if (mine.empty()) return std::nullopt;
  warn({mine.front().line, mine.front().column}, mine.front().text);
  return mine.front().text;
}

Node Checker::trap(const std::string& text, Position at) {
  Node node;
  node.command = &trap_command();
  node.test = &trap_test();
  node.line = at.line;
  node.args = static_cast<std::uint32_t>(program_->arguments.size());
  node.args_count = 1;
  Arg reason;
  reason.kind = Kind::string;
  reason.first = static_cast<std::uint32_t>(program_->strings.size());
  reason.count = 1;
  program_->strings.push_back({static_cast<std::uint32_t>(program_->texts.size()),
                               static_cast<std::uint32_t>(text.size()) & 0x7FFFFFFFU, 0});
  program_->texts += text;
  program_->arguments.push_back(reason);
  return node;
}

std::vector<Node> Checker::commands(const std::vector<syntax::Item>& items) {
  std::vector<Node> nodes;
  const Strictness outside = strictness_;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const syntax::Item& item = items[i];
    check_order(items, i);
    const Strictness before = strictness_;
    if (is_lenient(item)) strictness_ = Strictness::at_run_time;
    Node node;
    bool is_good = false;
    if (const auto why = leniently([&] { is_good = command(item, node); })) {
      nodes.push_back(trap(*why, item.at));
    } else if (is_good) {
      nodes.push_back(node);
    }
    // `if not ihave "x" { stop; }`: what follows is for who has it.
    const bool is_negated =
        !item.tests.empty() && equals_ignoring_case(item.tests.front().name, "not");
    if (!is_negated) strictness_ = before;
  }
  strictness_ = outside;
  return nodes;
}

// RFC 5228: `require` before all else (section 3.2), `elsif` and `else` behind an `if` (3.1).
void Checker::check_order(const std::vector<syntax::Item>& items, std::size_t which) {
  const syntax::Item& item = items[which];
  const auto is = [&](std::string_view name) { return equals_ignoring_case(item.name, name); };
  if (is("require")) {
    if (!is_top_level() || !requires_may_follow_)
      fault(item.at, "`require` must stand at the beginning of the script");
    return;
  }
  if (is_top_level()) requires_may_follow_ = false;
  if (!is("elsif") && !is("else")) return;
  const bool follows = which > 0 && (equals_ignoring_case(items[which - 1].name, "if") ||
                                     equals_ignoring_case(items[which - 1].name, "elsif"));
  if (!follows)
    fault(item.at, fmt::format("`{}` must follow the block of an `if` or `elsif`", item.name));
}

void Checker::unknown(std::string_view what, const std::string& name, Position at) {
  std::vector<std::string_view> names;
  std::string_view other;
  for (const Extension* extension : language_) {
    if (!extension->refused.empty()) continue;
    for (const CommandRow& row : extension->commands) {
      if (what == "command") names.push_back(row.name);
      if (equals_ignoring_case(row.name, name)) other = "a command";
    }
    for (const TestRow& row : extension->tests) {
      if (what == "test") names.push_back(row.name);
      if (equals_ignoring_case(row.name, name)) other = "a test";
    }
  }
  if (!other.empty()) return fault(at, fmt::format("`{}` is {}, no {}", name, other, what));
  fault(at, fmt::format("unknown {} `{}`{}", what, name, did_you_mean(name, names)));
}

template <class Row>
const Row* Checker::find_allowed(std::vector<Row> Extension::* rows, std::string_view what,
                                 const std::string& name, Position at) {
  const auto found = find_row(language_, required_, rows, name);
  if (found.row == nullptr) {
    unknown(what, name, at);
    return nullptr;
  }
  if (required_.contains(found.extension)) return found.row;
  if (!found.extension->refused.empty()) {
    fault(at, why_not(found.extension->name));
    return nullptr;
  }
  fault(at, fmt::format("`{}` needs `require [\"{}\"]`", name, found.extension->name));
  return found.row;
}

void Checker::tests(const syntax::Item& item, Tests wanted, Node& node) {
  switch (wanted) {
    case Tests::none:
      if (item.tests.empty()) return;
      if (!item.has_parentheses &&
          find_row(language_, required_, &Extension::commands, item.tests.front().name).row !=
              nullptr) {
        return fault(item.tests.front().at,
                     fmt::format("a `;` is missing in front of `{}`", item.tests.front().name));
      }
      return fault(item.tests.front().at, fmt::format("`{}` takes no test", item.name));
    case Tests::one:
      if (item.tests.empty()) return fault(item.at, fmt::format("`{}` needs a test", item.name));
      if (item.has_parentheses)
        return fault(
            item.tests.front().at,
            fmt::format("`{}` takes one test, not a list: use `anyof` or `allof`", item.name));
      break;
    case Tests::list:
      if (!item.has_parentheses)
        return fault(item.at, fmt::format("`{}` needs a list of tests in parentheses", item.name));
      break;
  }
  std::vector<Node> nodes;
  for (const syntax::Item& inner : item.tests) {
    Node one;
    bool is_good = false;
    if (const auto why = leniently([&] { is_good = test(inner, one); })) {
      nodes.push_back(trap(*why, inner.at));
    } else if (is_good) {
      nodes.push_back(one);
    }
  }
  node.tests = place(nodes);
  node.tests_count = static_cast<std::uint32_t>(nodes.size());
}

void Checker::block(const syntax::Item& item, Block wanted, Node& node) {
  if (wanted == Block::none) {
    if (item.has_block)
      fault(item.at, fmt::format("`{}` takes no block; it ends with `;`", item.name));
    return;
  }
  if (!item.has_block) return fault(item.at, fmt::format("`{}` needs a block", item.name));
  ++depth_;
  const auto nodes = commands(item.block);
  --depth_;
  node.block = place(nodes);
  node.block_count = static_cast<std::uint32_t>(nodes.size());
}

bool Checker::command(const syntax::Item& item, Node& node) {
  const CommandRow* row = find_allowed(&Extension::commands, "command", item.name, item.at);
  if (row == nullptr) {
    if (item.has_block) {  // faults within are told too
      ++depth_;
      (void)commands(item.block);
      --depth_;
    }
    return false;
  }
  node.command = row;
  node.line = item.at.line;
  const std::size_t told = told_;
  arguments(item, {row->name, row->arguments, row->optional, row->compares, row->optional_last},
            node);
  tests(item, row->tests, node);
  const std::size_t open_loops = loops.size();
  // A loop's own check comes before its block, which may name it.
  if (row->check != nullptr && told_ == told) row->check(*this, node, item);
  block(item, row->block, node);
  loops.resize(std::min(loops.size(), open_loops));
  return row->run != nullptr || row->branch != Branch::none;
}

bool Checker::test(const syntax::Item& item, Node& node) {
  const TestRow* row = find_allowed(&Extension::tests, "test", item.name, item.at);
  if (row == nullptr) return false;
  node.test = row;
  node.line = item.at.line;
  const std::size_t told = told_;
  arguments(item, {row->name, row->arguments, row->optional, row->compares}, node);
  tests(item, row->tests, node);
  if (row->check != nullptr && told_ == told) row->check(*this, node, item);
  return true;
}

}  // namespace posthorn::sieve
