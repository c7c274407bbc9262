// What a Sieve extension is made of, as rows: its commands, tests, tagged arguments, match types,
// comparators and variable namespaces. A file of ../extensions/ is one row of the table; the
// checker and the interpreter know none of them by name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::sieve {

class Call;
class Checker;
class Run;
struct Action;
struct Arg;
struct Node;
namespace syntax {
struct Item;
}

// What an argument is. A single string stands where a list is wanted (RFC 5228 section 2.4.2.1).
enum class Kind : std::uint8_t { number, string, list };

// How a block of commands ended.
enum class Flow : std::uint8_t {
  next,      // at its end: go on
  stopped,   // `stop`
  returned,  // `return`: out of an included script
  broken,    // `break`: out of a loop; Run::loop_to_leave says which
  failed     // a fault, or an answer that is not here yet: Run says which
};

struct Positional {
  std::string_view name;  // "the mailbox", for sentences
  Kind kind = Kind::string;
};

// Looks at one call while a script is compiled: tells faults, may store into node.extra.
using Check = void (*)(Checker& checker, Node& node, const syntax::Item& item);
using RunCommand = Flow (*)(Run& run, const Call& call);
using RunTest = bool (*)(Run& run, const Call& call);

// A tagged argument of the commands and tests that `of` names (one or more, blanks between).
struct TagRow {
  std::string_view of;
  std::string_view name;  // without its colon
  std::optional<Kind> argument = std::nullopt;
  std::string_view group = {};  // tags of one group exclude one another
  Check check = nullptr;
  // What it changes of the action that its command is about to take.
  void (*apply)(Run& run, const Call& call, const Arg& arg, Action& action) = nullptr;
  // The tag makes another test of it (`header :mime`).
  RunTest test = nullptr;
  // The tag makes another command of it (`redirect :list`).
  RunCommand command = nullptr;
  // A modifier of `set` (RFC 5229 section 4.1): what it makes of the value, the highest precedence
  // first. size_max: bytes that the variable holds.
  std::string (*modify)(std::string_view text, std::size_t size_max) = nullptr;
  int precedence = 0;
};

enum class Tests : std::uint8_t { none, one, list };
// It compares: takes a match type and a comparator, its last argument is the keys.
enum class Compares : std::uint8_t { no, yes, addresses };  // addresses: and an address part
enum class Block : std::uint8_t { none, needed };
enum class Branch : std::uint8_t { none, opens, follows, ends };  // if, elsif, else

struct CommandRow {
  std::string_view name;
  std::vector<Positional> arguments = {};
  RunCommand run = nullptr;
  Check check = nullptr;
  Tests tests = Tests::none;
  Block block = Block::none;
  Branch branch = Branch::none;
  std::size_t optional = 0;  // so many of the arguments, the first ones, may be left out
  Compares compares = Compares::no;
  std::size_t optional_last = 0;  // so many of the arguments, the last ones, may be left out
};

struct TestRow {
  std::string_view name;
  std::vector<Positional> arguments = {};
  RunTest run = nullptr;
  Check check = nullptr;
  Tests tests = Tests::none;
  using Compares = sieve::Compares;
  Compares compares = Compares::no;
  std::size_t optional = 0;
  // RFC 5173 section 6: it leaves ${1} and the others as they are.
  enum class Captures : std::uint8_t { yes, no } captures = Captures::yes;
};

// RFC 4790. fold: two texts are the same if their folded forms are, octet by octet.
struct ComparatorRow {
  std::string_view name;
  std::string (*fold)(std::string_view text);
  // Less than, equal to or greater than zero.
  int (*compare)(std::string_view folded_a, std::string_view folded_b);
  enum class Substrings : std::uint8_t { no, yes } substrings = Substrings::yes;
  // What `?` stands for: a letter of UTF-8 or an octet.
  enum class Unit : std::uint8_t { octet, letter } unit = Unit::letter;
  std::uint32_t cost = 1;  // of folding, where copying costs 1
};

enum class Relation : std::uint8_t { none, gt, ge, lt, le, eq, ne };

// How a test compares, as it is written.
struct Matching {
  const struct MatchRow* type = nullptr;
  const ComparatorRow* comparator = nullptr;
  Relation relation = Relation::none;
  bool operator==(const Matching&) const = default;
};

struct MatchRow {
  std::string_view name;  // without its colon
  // Whether the value is what the key says; both folded already, `value` as the message has it.
  struct Question {
    std::string_view folded;
    std::string_view value;
    std::string_view folded_key;
    std::string_view key;
  };
  bool (*holds)(Run& run, const Matching& matching, const Question& question) = nullptr;
  enum class Relations : std::uint8_t { no, yes } relations = Relations::no;  // "gt" follows
  enum class Counts : std::uint8_t { no, yes } counts = Counts::no;  // asked once, of how many
  enum class Parts : std::uint8_t { no, yes } parts = Parts::no;     // needs substrings
  // A key that is known while the script is compiled. cost: what looking at it took; of a whole
  // script no more than kKeyCostMax is looked at.
  struct KeyCheck {
    std::string why_bad;  // empty: it is good
    std::uint64_t cost = 1;
  };
  static constexpr std::uint64_t kKeyCostMax = 200'000;
  KeyCheck (*check_key)(std::string_view key) = nullptr;
  Check check = nullptr;  // of the test that matches so
};

// RFC 5233 and RFC 5228 section 2.7.4: what of an address is compared; nullopt: it has no such
// part.
struct AddressPartRow {
  std::string_view name;
  std::optional<std::string> (*part)(Run& run, std::string_view local_part,
                                     std::string_view domain);
};

// RFC 5228 section 5.4: what of the envelope `envelope` looks at.
struct EnvelopePartRow {
  std::string_view name;
  // address: a path of SMTP, of which the test compares the part it asks for; text: compared as a
  // whole.
  enum class Of : std::uint8_t { address, text } of = Of::address;
  std::vector<std::string> (*values)(Run& run) = nullptr;
};

// Variables that are not the script's own: ${env.name}.
struct NamespaceRow {
  std::string_view name;
  std::optional<std::string> (*find)(Run& run, std::string_view variable);
};

struct Extension {
  std::string_view name;      // what `require` takes; empty: the base language
  std::string_view standard;  // "RFC 5230"
  std::vector<CommandRow> commands = {};
  std::vector<TestRow> tests = {};
  std::vector<TagRow> tags = {};
  std::vector<MatchRow> match_types = {};
  std::vector<ComparatorRow> comparators = {};
  std::vector<AddressPartRow> address_parts = {};
  std::vector<EnvelopePartRow> envelope_parts = {};
  std::vector<NamespaceRow> namespaces = {};
  std::string_view limits = {};              // a sentence for the list of extensions
  std::vector<std::string_view> with = {};   // extensions that it brings along
  std::vector<std::string_view> needs = {};  // extensions that must be required besides
  // Why it is not offered; empty: it is.
  std::string_view refused = {};
  // A warning for who requires it; empty: none.
  std::string_view doubt = {};
  // Another that may not be required beside it; empty: none.
  std::string_view excludes = {};
  // strings: it changes how each string is read, so that `ihave` cannot switch it on (RFC 5463
  // section 4).
  enum class Changes : std::uint8_t { rows, strings } changes = Changes::rows;
};

// All there is: the base language first.
using Language = std::vector<const Extension*>;

}  // namespace posthorn::sieve
