// The page as text: a column of names, then what there is to say, and what is wrong on top with
// what to do about it. What others have said cannot steer the terminal.
#include <fmt/format.h>

#include "health/page.h"

namespace posthorn::health {
namespace {

constexpr std::size_t kPartWidth = 14, kItemWidth = 12;

class Writer {
 public:
  explicit Writer(Palette palette) : palette_(palette) {}

  // The part stands there only if it is not the one of the line before.
  void line(const Row& row) {
    const bool is_same = row.part == last_;
    last_ = row.part;
    const std::string item = row.item.empty() ? "" : fmt::format("{:<{}} ", row.item, kItemWidth);
    out_ += fmt::format("{:<{}}{}\n", is_same ? "" : row.part, kPartWidth,
                        paint(row.tone, printable(item + row.text)));
  }
  void head(std::string_view text, Tone tone) { out_ += paint(tone, printable(text)) + "\n"; }
  void remedy(std::string_view text) {
    last_ = {};
    if (!text.empty()) out_ += fmt::format("{:<{}}{}\n", "", kPartWidth, "-> " + printable(text));
  }
  void blank() { out_ += "\n"; }
  std::string take() { return std::move(out_); }

 private:
  std::string paint(Tone tone, std::string_view text) const {
    if (palette_ == Palette::plain || tone == Tone::plain) return std::string(text);
    const int code = tone == Tone::good      ? 32
                     : tone == Tone::warning ? 33
                     : tone == Tone::red     ? 31
                                             : 2;
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
  }
  const Palette palette_;
  std::string last_;
  std::string out_;
};

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  for (std::size_t at = 0; (at = out.find('\xc2', at)) != std::string::npos; ++at)
    if (at + 1 < out.size() && static_cast<unsigned char>(out[at + 1]) < 0xa0)
      out.replace(at, 2, " ");
  return out;
}

std::string to_text(const Page& page, WallTime now, Palette palette) {
  Writer out(palette);
  const std::vector<Trouble> troubles = find_troubles(page, now);
  const Verdict verdict = judge(page, troubles);
  const Tone tone = verdict.state == "ok"        ? Tone::good
                    : verdict.state == "warning" ? Tone::warning
                                                 : Tone::red;
  out.head(verdict.state == "ok" ? verdict.text : verdict.state + ": " + verdict.text, tone);
  out.remedy(verdict.remedy);
  if (!page.is_running) return out.take();
  for (std::size_t i = 1; i < troubles.size(); ++i) {
    const bool is_red = troubles[i].weight == Trouble::Weight::red;
    out.line({.part = is_red ? "red" : "warning",
              .item = "",
              .text = troubles[i].what,
              .tone = is_red ? Tone::red : Tone::warning});
    out.remedy(troubles[i].remedy);
  }
  out.blank();
  for (const Row& row : make_rows(page, now)) out.line(row);
  return out.take();
}

}  // namespace posthorn::health
