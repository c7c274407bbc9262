#include "tests/support/transcript.h"

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <fmt/format.h>
#include <fstream>
#include <optional>

#include "tests/support/tree.h"

namespace posthorn::test {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      case '\\':
        out += '\\';
        break;
      case '*': {  // \*100{x}: x a hundred times
        if (i + 1 == text.size() || std::isdigit(static_cast<unsigned char>(text[i + 1])) == 0) {
          out += "\\*";
          break;
        }
        const std::size_t open = text.find('{', i), close = text.find('}', i);
        const int count = std::stoi(std::string(text.substr(i + 1, open - i - 1)));
        const std::string piece = unescape(text.substr(open + 1, close - open - 1));
        for (int n = 0; n < count; ++n) out += piece;
        i = close;
        break;
      }
      default:  // \Seen and the like stand for themselves
        out += '\\';
        out += text[i];
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

// %% in the pattern stands for any characters.
bool fits(std::string_view pattern, std::string_view text) {
  const std::size_t wild = pattern.find("%%");
  if (wild == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, wild))) return false;
  const std::string_view rest = pattern.substr(wild + 2);
  for (std::size_t at = wild; at <= text.size(); ++at)
    if (fits(rest, text.substr(at))) return true;
  return false;
}

class Run {
 public:
  Run(asio::io_context& context, net::Scope& scope, const Transcript& transcript,
      const TranscriptServer& server, std::size_t piece)
      : context_(context),
        scope_(scope),
        transcript_(transcript),
        server_(server),
        piece_(piece),
        work_(context.get_executor()) {}

  std::string all() {
    std::string wrong;
    for (const Transcript::Line& line : transcript_.lines) {
      wrong = step(line);
      if (!wrong.empty()) {
        wrong = fmt::format(
            "{}:{}: (pieces of {}) {}", transcript_.name, line.number,
            piece_ == std::numeric_limits<std::size_t>::max() ? "any size" : std::to_string(piece_),
            wrong);
        break;
      }
    }
    if (wrong.empty()) wrong = leftovers();
    for (auto& [name, wire] : wires_) wire->close();
    const std::size_t before = idle_;
    if (!run_until([&] { return scope_.running() <= before; }) && wrong.empty())
      wrong = transcript_.name + ": a session did not end";
    return wrong;
  }

 private:
  template <class Done>
  bool run_until(Done done) {
    const auto end = Clock::system().steady_now() + kPatience;
    while (!done()) {
      if (Clock::system().steady_now() > end) return false;
      context_.restart();
      context_.run_one_for(std::chrono::milliseconds(50));
    }
    return true;
  }

  // What runs has come to its waiting before time passes for it.
  std::string jump(const std::string& text) {
    std::size_t end = 0;
    const int count = std::stoi(text, &end);
    const std::string unit = text.substr(end);
    if (unit != "s" && unit != "min" && unit != "h") return "no time: " + text;
    settle();
    server_.clock.jump(count * (unit == "s" ? 1s : unit == "min" ? 60s : 3600s));
    for (auto& [name, wire] : wires_) wire->news.set();
    return {};
  }

  MemoryWire& wire() {
    auto& wire = wires_[session_];
    if (!wire) {
      if (wires_.size() == 1) idle_ = scope_.running();
      wire = std::make_shared<MemoryWire>(context_.get_executor());
      wire->piece = piece_;
      wire->clock = &server_.clock;
      scope_.spawn(server_.serve(session_, wire));
    }
    return *wire;
  }

  // The server's next line, without CRLF; nullopt: none came.
  std::optional<std::string> next_line() {
    MemoryWire& from = wire();
    run_until(
        [&] { return from.from_server.find("\r\n") != std::string::npos || from.server_closed; });
    const std::size_t end = from.from_server.find("\r\n");
    if (end == std::string::npos) return std::nullopt;
    std::string line = from.from_server.substr(0, end);
    from.from_server.erase(0, end + 2);
    return line;
  }

  std::string expect(const std::string& pattern) {
    while (true) {
      auto line = next_line();
      if (!line) return fmt::format("expected \"{}\", but nothing came", escape(pattern));
      if (fits(pattern, *line)) break;
      if (skips_) continue;
      if (!maybe_.empty() && fits(maybe_.front(), *line)) {
        maybe_.erase(maybe_.begin());
        continue;
      }
      return fmt::format("expected \"{}\", got \"{}\"", escape(pattern), escape(*line));
    }
    skips_ = false;
    maybe_.clear();
    return {};
  }

  std::string step(const Transcript::Line& line) {
    if (line.kind == "A" || line.kind == "B") {
      session_ = line.kind[0];
      return {};
    }
    if (line.kind == "=") {
      settle();
      const std::size_t space = line.text.find(' ');
      const std::string name = line.text.substr(0, space);
      if (!server_.check) return "no checks here";
      return server_.check(
          name, space == std::string::npos ? std::string{} : line.text.substr(space + 1));
    }
    MemoryWire& to = wire();
    if (line.kind == "C") to.send(line.text + "\r\n");
    if (line.kind == "R") to.send(line.text);
    if (line.kind == "CLOSE") to.close();
    if (line.kind == "S?") maybe_.push_back(line.text);
    if (line.kind == "S*") skips_ = true;
    if (line.kind == "T") return jump(line.text);
    if (line.kind == "S") return expect(line.text);
    if (line.kind == "END") return expect_end();
    return {};
  }

  std::string expect_end() {
    MemoryWire& from = wire();
    if (!run_until([&] { return from.server_closed; })) return "the server has not closed";
    while (true) {
      const auto line = next_line();
      if (!line) break;
      if (skips_) continue;
      if (!maybe_.empty() && fits(maybe_.front(), *line)) {
        maybe_.erase(maybe_.begin());
        continue;
      }
      return fmt::format("expected the end, got \"{}\"", escape(*line));
    }
    maybe_.clear();
    return {};
  }

  // What is ready is done; what is on other threads is waited for where a line is expected.
  void settle() {
    context_.restart();
    context_.poll();
  }

  std::string leftovers() {
    settle();
    for (auto& [name, wire] : wires_)
      if (!wire->from_server.empty())
        return fmt::format("{}: more was said than expected: \"{}\"", transcript_.name,
                           escape(wire->from_server));
    return {};
  }

  asio::io_context& context_;
  net::Scope& scope_;
  const Transcript& transcript_;
  const TranscriptServer& server_;
  std::size_t piece_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<char, std::shared_ptr<MemoryWire>> wires_;
  char session_ = 'A';
  std::size_t idle_ = 0;  // what ran in the scope before any session
  std::vector<std::string> maybe_;
  bool skips_ = false;
};

}  // namespace

Transcript Transcript::read(const std::filesystem::path& file) {
  Transcript transcript;
  transcript.name = file.filename().string();
  std::ifstream in(file);
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    if (text.empty() || text[0] == '#') continue;
    if (text.starts_with("@ ")) {
      const std::size_t space = text.find(' ', 2);
      transcript.settings[text.substr(2, space - 2)] =
          space == std::string::npos ? "" : text.substr(space + 1);
      continue;
    }
    if (text.starts_with("= ")) {
      transcript.lines.push_back({number, "=", unescape(text.substr(2))});
      continue;
    }
    std::size_t colon = text.find(':');
    std::string kind = text.substr(0, colon);
    std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (!rest.empty() && rest[0] == ' ') rest.erase(0, 1);
    static const std::vector<std::string> known = {"C", "R", "S", "S?",    "S*",
                                                   "A", "B", "T", "CLOSE", "END"};
    if (std::ranges::find(known, kind) == known.end()) {
      transcript.lines.push_back({number, "=", fmt::format("unreadable line {}", text)});
      continue;
    }
    transcript.lines.push_back({number, kind, unescape(rest)});
  }
  return transcript;
}

std::vector<std::filesystem::path> transcripts_in(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::tests_folder() / "transcripts" / folder))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::string test_name(const ::testing::TestParamInfo<std::filesystem::path>& file) {
  std::string name = file.param.stem().string();
  std::ranges::replace_if(
      name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

std::string run_transcript(asio::io_context& context, net::Scope& scope,
                           const Transcript& transcript, const TranscriptServer& server,
                           std::size_t piece) {
  return Run(context, scope, transcript, server, piece).all();
}

void run_in_pieces(const Transcript& transcript,
                   const std::function<std::string(std::size_t piece)>& run) {
  constexpr auto kWhole = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> pieces = {1, 2, 3, 5, 7, 16, kWhole};
  if (transcript.setting("pieces") == "whole") pieces = {kWhole};
  for (const std::size_t piece : pieces)
    EXPECT_EQ(run(piece), "") << (piece == kWhole ? "whole"
                                                  : fmt::format("in pieces of {}", piece));
}

}  // namespace posthorn::test
