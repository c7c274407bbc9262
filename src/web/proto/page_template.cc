#include "web/proto/page_template.h"

#include <algorithm>
#include <fmt/format.h>

#include "web/proto/text.h"

namespace posthorn::web {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

std::unexpected<Error> fault(std::string what) {
  return fail(ErrorKind::permanent, std::move(what));
}

enum class Kind { end, value, rows, no_rows, close, file };

struct Mark {
  Kind kind = Kind::end;
  std::string_view name;
  std::string_view before;  // what stands between the mark before it and this one
};

// The fields of the row and of what is around it.
struct Names {
  const Fields& own;
  const Names* around = nullptr;

  const std::string* find_value(std::string_view name) const {
    if (const auto found = own.values.find(name); found != own.values.end()) return &found->second;
    return around == nullptr ? nullptr : around->find_value(name);
  }
  const Rows* find_rows(std::string_view name) const {
    if (const auto found = own.blocks.find(name); found != own.blocks.end()) return &found->second;
    return around == nullptr ? nullptr : around->find_rows(name);
  }
};

Kind kind_of(char sign) {
  switch (sign) {
    case '#':
      return Kind::rows;
    case '^':
      return Kind::no_rows;
    case '/':
      return Kind::close;
    case '>':
      return Kind::file;
    default:
      return Kind::value;
  }
}

class Template {
 public:
  Template(std::string_view text, FindFile find_file) : text_(text), find_file_(find_file) {}

  Result<std::string> fill(const Fields& fields) {
    TRY_OK(fill_block("", {.own = fields}));
    return std::move(out_);
  }

 private:
  Result<Mark> take_mark() {
    const std::size_t begin = at_;
    const std::size_t open = text_.find(kOpen, begin);
    if (open == std::string_view::npos) {
      at_ = text_.size();
      return Mark{.before = text_.substr(begin)};
    }
    const std::size_t close = text_.find(kClose, open);
    std::string_view name = text_.substr(open + 2, close - open - 2);
    if (close == std::string_view::npos || name.empty())
      return fault(fmt::format("a mark without an end or a name at byte {}", open));
    const Kind kind = kind_of(name.front());
    if (kind != Kind::value) name.remove_prefix(1);
    at_ = close + kClose.size();
    std::size_t end = open;
    if (const std::size_t line = text_.rfind('\n', open) + 1;  // npos + 1 is 0
        kind != Kind::value && line >= begin &&
        text_.substr(line, open - line).find_first_not_of(' ') == std::string_view::npos &&
        text_.substr(at_).starts_with('\n')) {
      end = line;
      ++at_;
    }
    return Mark{.kind = kind, .name = name, .before = text_.substr(begin, end - begin)};
  }

  // From behind a block's opening mark to behind its closing one.
  Result<> fill_block(std::string_view block, const Names& names) {
    std::vector<std::string_view> used;
    while (true) {
      TRY(const Mark mark, take_mark());
      out_ += mark.before;
      if (mark.kind == Kind::end && !block.empty())
        return fault(fmt::format("block {} has no end", block));
      if (mark.kind == Kind::close && (mark.name != block || block.empty()))
        return fault(fmt::format("{} ends, which was not begun", mark.name));
      if (mark.kind == Kind::end || mark.kind == Kind::close) break;
      used.push_back(mark.name);
      TRY_OK(fill_mark(mark, names, used));
    }
    return check_used(names.own, used);
  }

  Result<> fill_mark(const Mark& mark, const Names& names, std::vector<std::string_view>& used) {
    if (mark.kind == Kind::value) {
      const std::string* value = names.find_value(mark.name);
      if (value == nullptr) return fault(fmt::format("{} has no value", mark.name));
      out_ += escape_markup(*value);
      return {};
    }
    if (mark.kind == Kind::file) {
      const std::string_view file = find_file_(mark.name);
      if (file.empty()) return fault(fmt::format("there is no file {}", mark.name));
      out_ += file;
      return {};
    }
    const Rows* rows = names.find_rows(mark.name);
    if (rows == nullptr) return fault(fmt::format("{} has no rows", mark.name));
    const std::size_t begin = at_;
    TRY_OK(skip_block(mark.name, used));
    const std::size_t end = at_;
    const auto fill_once = [&](const Fields& row) {
      at_ = begin;
      return fill_block(mark.name, {.own = row, .around = &names});
    };
    if (mark.kind == Kind::rows)
      for (const Fields& row : *rows) TRY_OK(fill_once(row));
    if (mark.kind == Kind::no_rows && rows->empty()) TRY_OK(fill_once({}));
    at_ = end;
    return {};
  }

  // Adds the names in it to those that are used.
  Result<> skip_block(std::string_view block, std::vector<std::string_view>& used) {
    while (true) {
      TRY(const Mark mark, take_mark());
      if (mark.kind == Kind::end) return fault(fmt::format("block {} has no end", block));
      if (mark.kind == Kind::close && mark.name != block)
        return fault(fmt::format("{} ends inside of {}", mark.name, block));
      if (mark.kind == Kind::close) return {};
      used.push_back(mark.name);
      if (mark.kind == Kind::rows || mark.kind == Kind::no_rows)
        TRY_OK(skip_block(mark.name, used));
    }
  }

  static Result<> check_used(const Fields& fields, const std::vector<std::string_view>& used) {
    const auto is_used = [&](std::string_view name) {
      return std::ranges::find(used, name) != used.end();
    };
    for (const auto& [name, value] : fields.values)
      if (!is_used(name)) return fault(fmt::format("value {} has no place", name));
    for (const auto& [name, rows] : fields.blocks)
      if (!is_used(name)) return fault(fmt::format("block {} has no place", name));
    return {};
  }

  std::string_view text_;
  FindFile find_file_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> fill_template(std::string_view text, const Fields& fields, FindFile find_file) {
  return Template(text, find_file).fill(fields);
}

}  // namespace posthorn::web
