#include "filter/spamd.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "net/raw_exchange.h"

namespace posthorn::filter {
namespace {

constexpr std::size_t kAnswerMax = 1U << 20U;

}  // namespace

std::string_view take_line(std::string_view& text) {
  const std::size_t lf = text.find('\n');
  std::string_view line = text.substr(0, lf);
  text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string clean(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 990)) {
    const auto u = static_cast<unsigned char>(c);
    out += (u < 0x20 && c != '\t') || u == 0x7F ? '?' : c;
  }
  return out;
}

const std::string* SpamdAnswer::find(std::string_view name) const {
  const auto at = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return at == fields.end() ? nullptr : &at->second;
}

Result<SpamdAnswer> parse_answer(std::string_view answer) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorKind::temporary, fmt::format("spamd: {}", why));
  };
  std::string_view rest = answer;
  const std::string_view status = take_line(rest);
  if (!status.starts_with("SPAMD/")) return wrong("the answer is not SPAMD");
  SpamdAnswer parsed;
  parsed.said = clean(status.substr(0, 100));
  std::string_view number = status.substr(std::min(status.find(' '), status.size()));
  while (number.starts_with(' ')) number.remove_prefix(1);
  const auto code = to_number<int>(number.substr(0, number.find(' ')));
  if (!code) return wrong(fmt::format("it says \"{}\"", parsed.said));
  parsed.code = *code;
  if (parsed.code != 0) return parsed;  // nothing more need follow
  while (true) {
    if (rest.empty()) return wrong("the answer is cut");
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    while (value.starts_with(' ')) value.remove_prefix(1);
    parsed.fields.emplace_back(to_lower(line.substr(0, colon)), value);
  }
  for (const auto& [name, value] : parsed.fields) {
    if (name != "content-length") continue;
    const auto size = to_number<std::uint64_t>(value);
    if (!size) return wrong("the answer's length is no number");
    if (*size != rest.size()) return wrong("the answer's length is not what it says");
  }
  parsed.body = rest;
  return parsed;
}

Spamd::Spamd(net::Scope& scope, std::chrono::milliseconds timeout, net::Address address)
    : timeout_(timeout), address_(std::move(address)), transfers_(scope) {}

Spamd::~Spamd() = default;

void Spamd::stop() {
  transfers_.stop();
}

net::Task<std::string> Spamd::ask(std::string head, SpamdBody& body) {
  net::RawExchange spamd(transfers_, address_,
                         {.peer = "spamd", .timeout = timeout_, .answer_max = kAnswerMax});
  CO_TRY_OK(co_await spamd.connect());
  CO_TRY_OK(co_await spamd.send(head));
  while (true) {
    CO_TRY(const std::string_view piece, co_await body.next());
    if (piece.empty()) break;
    CO_TRY_OK(co_await spamd.send(piece));
  }
  co_return co_await spamd.receive();
}

net::Task<std::string> Spamd::ask(std::string head, std::string_view text) {
  class Text final : public SpamdBody {
   public:
    explicit Text(std::string_view text) : left_(text) {}
    net::Task<std::string_view> next() override { co_return std::exchange(left_, {}); }

   private:
    std::string_view left_;
  };
  Text body(text);
  co_return co_await ask(std::move(head), body);
}

}  // namespace posthorn::filter
