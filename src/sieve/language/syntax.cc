#include "sieve/language/syntax.h"

#include <fmt/format.h>

namespace posthorn::sieve::syntax {
namespace {

using Kind = Token::Kind;

class Parser {
 public:
  Parser(std::string_view script, std::size_t depth_max) : lexer_(script), depth_max_(depth_max) {
    take();
  }

  Tree parse() {
    while (token_.kind != Kind::end) {
      if (token_.kind == Kind::right_brace) {
        fault("a `}` that closes no block");
        take();
        continue;
      }
      commands(tree_.commands);
    }
    return std::move(tree_);
  }

 private:
  void take() {
    do {
      token_ = lexer_.next();
      if (!token_.fault.empty()) fault(token_.fault);
    } while (token_.kind == Kind::fault);
  }

  void fault(std::string text) { fault_at(token_.at, std::move(text)); }
  void fault_at(Position at, std::string text) {
    if (tree_.faults.size() < kFaultsMax)
      tree_.faults.push_back({at.line, at.column, std::move(text)});
  }

  // Up to a `}` or the end.
  void commands(std::vector<Item>& into) {
    while (token_.kind != Kind::end && token_.kind != Kind::right_brace) {
      if (token_.kind != Kind::identifier) {
        fault(fmt::format("expected a command, found {}", name_of(token_)));
        skip_command();
        continue;
      }
      Item item;
      if (command(item)) into.push_back(std::move(item));
    }
  }

  // False: it is of no use, and the fault is told.
  bool command(Item& item) {
    if (!head(item)) {
      skip_command();
      return false;
    }
    if (token_.kind == Kind::semicolon) {
      take();
      return true;
    }
    if (token_.kind == Kind::left_brace) return block(item);
    fault(fmt::format("expected `;` or a block behind `{}`, found {}", item.name, name_of(token_)));
    // A forgotten semicolon: the next command stands here.
    if (token_.kind != Kind::identifier && token_.kind != Kind::right_brace) skip_command();
    return true;
  }

  bool block(Item& item) {
    const Position opened = token_.at;
    item.has_block = true;
    if (depth_ >= depth_max_) {
      fault(fmt::format("blocks may stand {} deep in one another", depth_max_));
      skip_braces();
      return false;
    }
    take();
    ++depth_;
    commands(item.block);
    --depth_;
    if (token_.kind == Kind::right_brace) {
      take();
    } else {
      fault_at(opened, "this block never ends: its `}` is missing");
    }
    return true;
  }

  // A name, its arguments and its tests.
  bool head(Item& item) {
    item.at = token_.at;
    item.name = std::move(token_.text);
    take();
    while (true) {
      switch (token_.kind) {
        case Kind::number:
        case Kind::tag:
        case Kind::string:
          plain_argument(item);
          continue;
        case Kind::left_bracket:
          if (!list(item)) return false;
          continue;
        case Kind::identifier:
          return one_test(item);
        case Kind::left_parenthesis:
          return test_list(item);
        default:
          return true;
      }
    }
  }

  void plain_argument(Item& item) {
    Argument argument;
    argument.at = token_.at;
    if (token_.kind == Kind::number) {
      argument.number = token_.number;
    } else if (token_.kind == Kind::tag) {
      argument.kind = Argument::Kind::tag;
      argument.tag = std::move(token_.text);
    } else {
      argument.kind = Argument::Kind::string;
      argument.texts.push_back(std::move(token_));
    }
    item.arguments.push_back(std::move(argument));
    take();
  }

  bool list(Item& item) {
    Argument argument;
    argument.kind = Argument::Kind::list;
    argument.at = token_.at;
    take();
    while (true) {
      if (token_.kind != Kind::string) {
        fault(fmt::format("expected a string in the list, found {}", name_of(token_)));
        return false;
      }
      argument.texts.push_back(std::move(token_));
      take();
      if (token_.kind == Kind::right_bracket) break;
      if (token_.kind != Kind::comma) {
        fault(fmt::format("expected `,` or `]` in the list, found {}", name_of(token_)));
        return false;
      }
      take();
    }
    take();
    item.arguments.push_back(std::move(argument));
    return true;
  }

  bool one_test(Item& item) {
    if (depth_ >= depth_max_) {
      fault(fmt::format("tests may stand {} deep in one another", depth_max_));
      return false;
    }
    ++depth_;
    Item test;
    const bool ok = head(test);
    --depth_;
    item.tests.push_back(std::move(test));
    return ok;
  }

  bool test_list(Item& item) {
    item.has_parentheses = true;
    take();
    while (true) {
      if (token_.kind != Kind::identifier) {
        fault(fmt::format("expected a test, found {}", name_of(token_)));
        return false;
      }
      if (!one_test(item)) return false;
      if (token_.kind == Kind::right_parenthesis) break;
      if (token_.kind != Kind::comma) {
        fault(fmt::format("expected `,` or `)` behind the test, found {}", name_of(token_)));
        return false;
      }
      take();
    }
    take();
    return true;
  }

  // To behind the next `;` or the block that comes first, or to in front of a `}`.
  void skip_command() {
    while (token_.kind != Kind::end && token_.kind != Kind::right_brace) {
      if (token_.kind == Kind::semicolon) return take();
      if (token_.kind == Kind::left_brace) return skip_braces();
      take();
    }
  }

  void skip_braces() {
    std::size_t open = 0;
    while (token_.kind != Kind::end) {
      if (token_.kind == Kind::left_brace) ++open;
      if (token_.kind == Kind::right_brace && --open == 0) return take();
      take();
    }
  }

  Lexer lexer_;
  std::size_t depth_max_;
  std::size_t depth_ = 0;
  Token token_;
  Tree tree_;
};

}  // namespace

Tree parse(std::string_view script, std::size_t depth_max) {
  return Parser(script, depth_max).parse();
}

}  // namespace posthorn::sieve::syntax
