// From a tree to a program: every command, test, tag and argument against the rows of the
// extensions that the script requires. All faults are told, each with its place and, for a name
// that nearly is one, the name that was meant.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/program.h"
#include "sieve/language/syntax.h"

namespace posthorn::sieve {

// RFC 6609 section 3.1: whose scripts an include takes from.
enum class Location { personal, global };

struct CompileSettings {
  std::string name = "sieve";        // of the script
  std::size_t size_max = 1U << 20U;  // bytes
  std::size_t depth_max = 32;        // of blocks and tests in one another
  std::size_t includes_max = 255;    // scripts that one may bring along, all together
  std::size_t include_depth_max = 10;
  std::size_t header_value_max = 2048;  // bytes of one that editheader adds
  std::size_t loop_depth_max = 4;       // of `foreverypart` in one another
  // RFC 6609: the text of a script that is included; nullopt: there is none.
  std::function<std::optional<std::string>(Location, const std::string&)> find_script = {};
  // What its owner knows it as, for logs; nullptr: by the name that includes it.
  std::function<std::string(Location, const std::string&)> name_script = {};
  // Names that exist but are not for this script.
  std::set<std::string, std::less<>> forbidden_extensions = {};
  // Programs of RFC 6134 and others may be named in a setting only.
  std::set<std::string, std::less<>> lists = {};
};

struct CompileResult {
  ProgramPtr program;  // nullptr: there are faults
  std::vector<Fault> faults;
  std::vector<Fault> warnings;
};

// The scripts that are being compiled: the one asked for and what includes what.
struct Includes {
  std::uint64_t key_cost = 0;              // MatchRow::KeyCheck, of all of them
  std::vector<std::string> open;           // keys, the innermost last
  std::map<std::string, ProgramPtr> done;  // by key; nullptr: it has faults
};

class Checker {
 public:
  Checker(const Language& language, const CompileSettings& settings, Includes& includes);

  CompileResult compile(std::string_view script);

  // For the rows' own checks.
  void fault(Position at, std::string text);
  void warn(Position at, std::string text);
  bool has(std::string_view extension) const;  // it is required here
  const CompileSettings& settings() const { return settings_; }
  Program& program() { return *program_; }
  Includes& includes() { return includes_; }
  const Language& language() const { return language_; }
  // What a string says if that is known now: no variable stands in it.
  std::optional<std::string_view> constant(const Text& text) const;
  // The constants of an argument; what holds variables is left out.
  std::vector<std::string_view> constants(const Arg& arg) const;
  const Arg* find_tag(const Node& node, std::string_view name) const;
  const Arg& positional(const Node& node, std::size_t which) const;
  const Matching& matching(const Node& node) const {
    return program_->comparisons[node.comparison].matching;
  }
  // Requires an extension from here on (require, ihave); false: there is none, or it is refused.
  bool require(std::string_view extension);
  // Whether `ihave` says yes: it is there, and may be required here.
  bool may_enable(std::string_view extension) const;
  // What require says of a name that it does not take.
  std::string why_not(std::string_view extension) const;
  bool is_top_level() const { return depth_ == 0; }
  // Loops that a `break` can leave here (RFC 5703 section 3).
  std::vector<std::string> loops;
  // What the rows note while one script is checked: "a global was declared".
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> notes;
  std::uint32_t add_text(std::string_view text, Position at);  // its place in Program::strings

 private:
  enum class Strictness { all, at_run_time };
  std::vector<Node> commands(const std::vector<syntax::Item>& items);
  bool command(const syntax::Item& item, Node& node);
  bool test(const syntax::Item& item, Node& node);
  void tests(const syntax::Item& item, Tests wanted, Node& node);
  struct Signature {
    std::string_view name;
    const std::vector<Positional>& arguments;
    std::size_t optional = 0;
    Compares compares = Compares::no;
    std::size_t optional_last = 0;
  };
  void arguments(const syntax::Item& item, const Signature& wanted, Node& node);
  // The last argument that belongs to the tag at `at`.
  std::size_t tag(const syntax::Item& item, std::size_t at, const Signature& wanted,
                  std::vector<Arg>& tags);
  bool is_match_type(const syntax::Item& item, std::size_t& at);
  std::size_t comparator(const syntax::Item& item, std::size_t at);
  std::uint32_t place_comparison();
  const TagRow* find_tag_row(const syntax::Argument& argument, const Signature& wanted);
  void positionals(const syntax::Item& item, const Signature& wanted, std::size_t from,
                   std::vector<Arg>& values);
  void check_matching(const syntax::Item& item, const Signature& wanted, Node& node);
  void check_order(const std::vector<syntax::Item>& items, std::size_t which);
  void block(const syntax::Item& item, Block wanted, Node& node);
  Arg value(const syntax::Argument& argument);
  void check_namespaces(std::string_view text, Position at);
  std::string decode_characters(std::string_view text, Position at);
  std::uint32_t place(const std::vector<Node>& nodes);
  bool is_lenient(const syntax::Item& item) const;
  // Runs a check; where faults wait for the run they become a doubt, the first of them the answer.
  std::optional<std::string> leniently(const std::function<void()>& check);
  Node trap(const std::string& text, Position at);
  // nullptr: there is none, or it is refused; one that is not required is a fault too.
  template <class Row>
  const Row* find_allowed(std::vector<Row> Extension::* rows, std::string_view what,
                          const std::string& name, Position at);
  void unknown(std::string_view what, const std::string& name, Position at);

  const Language& language_;
  const CompileSettings& settings_;
  Includes& includes_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  Comparison comparison_;  // of the call whose arguments are looked at
  std::map<std::string, std::uint32_t, std::less<>> texts_;  // by text, in Program::texts
  std::vector<Fault> faults_, warnings_;
  std::size_t told_ = 0;  // faults, also those beyond kFaultsMax
  std::set<const Extension*> required_;
  std::size_t depth_ = 0;
  bool requires_may_follow_ = true;
  Strictness strictness_ = Strictness::all;
};

}  // namespace posthorn::sieve
