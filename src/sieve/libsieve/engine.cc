#include "sieve/libsieve/engine.h"

#include <fmt/format.h>

extern "C" {
#include <sieve2.h>
}

#include <charconv>
#include <map>
#include <mutex>

namespace posthorn::sieve::libsieve {
namespace {

constexpr int kNestingMax = 15;
constexpr int kStarsMax = 3;
constexpr std::size_t kValuesMax = 1'000;  // fields of one name that a script sees
constexpr std::size_t kValueMax = 4'096;   // bytes of one

// libsieve takes char* for names it only reads.
char* name(const char* text) {
  return const_cast<char*>(text);
}

struct Run {
  explicit Run(const std::string& t, const Input* i = nullptr) : text(t), input(i) {}
  const std::string& text;
  const Input* input;
  std::vector<Action> actions;
  std::string error;
  int error_line = 0;
  bool kept = false;
  // What libsieve was given as char** must live until it is done.
  std::vector<std::unique_ptr<std::vector<std::string>>> strings;
  std::vector<std::unique_ptr<std::vector<char*>>> lists;
  std::string script_copy, from_copy, to_copy, user, detail, localpart, domain;
};

Run& run_of(void* data) {
  return *static_cast<Run*>(data);
}

std::vector<std::string> flags_of(sieve2_context_t* context) {
  std::vector<std::string> flags;
  if (char** list = sieve2_getvalue_stringlist(context, name("flags")))
    for (; *list != nullptr; ++list) {
      // RFC 5228 section 2.4.2: "\\\\" in quotes is one backslash; libsieve leaves both.
      const std::string_view flag = *list;
      flags.emplace_back(flag.starts_with("\\\\") ? flag.substr(1) : flag);
    }
  return flags;
}

std::string text_of(sieve2_context_t* context, const char* key) {
  const char* value = sieve2_getvalue_string(context, name(key));
  return value == nullptr ? "" : value;
}

int on_script(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  run.script_copy = run.text;
  sieve2_setvalue_string(context, name("script"), run.script_copy.data());
  return SIEVE2_OK;
}

int on_header(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  const std::string field = text_of(context, "header");
  auto& values = *run.strings.emplace_back(std::make_unique<std::vector<std::string>>());
  if (run.input != nullptr) values = run.input->headers.find_all(field);
  // libsieve's reader of addresses takes quadratic time, and a stranger writes what it reads.
  if (values.size() > kValuesMax) values.resize(kValuesMax);
  for (std::string& value : values)
    if (value.size() > kValueMax) value.resize(kValueMax);
  auto& list = *run.lists.emplace_back(std::make_unique<std::vector<char*>>());
  for (std::string& value : values) list.push_back(value.data());
  list.push_back(nullptr);
  sieve2_setvalue_stringlist(context, name("body"), list.data());
  return SIEVE2_OK;
}

int on_envelope(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  if (run.input != nullptr) {
    run.from_copy = run.input->sender;
    run.to_copy = run.input->recipient;
  }
  sieve2_setvalue_string(context, name("from"), run.from_copy.data());
  sieve2_setvalue_string(context, name("to"), run.to_copy.data());
  return SIEVE2_OK;
}

int on_size(sieve2_context_t* context, void* data) {
  const std::uint64_t size = run_of(data).input != nullptr ? run_of(data).input->size : 0;
  sieve2_setvalue_int(context, name("size"),
                      static_cast<int>(std::min<std::uint64_t>(size, INT32_MAX)));
  return SIEVE2_OK;
}

// RFC 5233: user+detail@domain.
int on_subaddress(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  const std::string address = text_of(context, "address");
  const std::size_t at = address.rfind('@');
  run.localpart = address.substr(0, at);
  run.domain = at == std::string::npos ? "" : address.substr(at + 1);
  const std::size_t plus = run.localpart.find('+');
  run.user = run.localpart.substr(0, plus);
  run.detail = plus == std::string::npos ? "" : run.localpart.substr(plus + 1);
  sieve2_setvalue_string(context, name("user"), run.user.data());
  sieve2_setvalue_string(context, name("detail"), run.detail.data());
  sieve2_setvalue_string(context, name("localpart"), run.localpart.data());
  sieve2_setvalue_string(context, name("domain"), run.domain.data());
  return SIEVE2_OK;
}

int on_keep(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  // libsieve says keep once for the implicit keep and once for each that stands in the script: one
  // copy is meant.
  if (!run.kept) run.actions.emplace_back(Keep{flags_of(context)});
  run.kept = true;
  return SIEVE2_OK;
}

int on_fileinto(sieve2_context_t* context, void* data) {
  run_of(data).actions.emplace_back(FileInto{text_of(context, "mailbox"), flags_of(context)});
  return SIEVE2_OK;
}

int on_redirect(sieve2_context_t* context, void* data) {
  run_of(data).actions.emplace_back(Redirect{text_of(context, "address")});
  return SIEVE2_OK;
}

int on_reject(sieve2_context_t* context, void* data) {
  run_of(data).actions.emplace_back(Reject{text_of(context, "message")});
  return SIEVE2_OK;
}

int on_discard(sieve2_context_t*, void* data) {
  run_of(data).actions.emplace_back(Discard{});
  return SIEVE2_OK;
}

int on_error(sieve2_context_t* context, void* data) {
  Run& run = run_of(data);
  if (run.error.empty()) {
    run.error_line = sieve2_getvalue_int(context, name("lineno"));
    run.error = text_of(context, "message");
    if (run.error.empty()) run.error = "a fault";
  }
  return SIEVE2_OK;
}

sieve2_callback_t kCallbacks[] = {
    {SIEVE2_SCRIPT_GETSCRIPT, on_script},
    {SIEVE2_MESSAGE_GETHEADER, on_header},
    {SIEVE2_MESSAGE_GETENVELOPE, on_envelope},
    {SIEVE2_MESSAGE_GETSIZE, on_size},
    {SIEVE2_MESSAGE_GETSUBADDRESS, on_subaddress},
    {SIEVE2_ACTION_KEEP, on_keep},
    {SIEVE2_ACTION_FILEINTO, on_fileinto},
    {SIEVE2_ACTION_REDIRECT, on_redirect},
    {SIEVE2_ACTION_REJECT, on_reject},
    {SIEVE2_ACTION_DISCARD, on_discard},
    {SIEVE2_ERRCALL_PARSE, on_error},
    {SIEVE2_ERRCALL_RUNTIME, on_error},
    {SIEVE2_VALUE_FIRST, nullptr},
};

// The parser's static state. Scripts are parsed on the pool's threads, one at a time, and run on
// the role's: it waits for the one that is being parsed.
std::mutex engine_lock;

struct Context {
  const std::lock_guard<std::mutex> held{engine_lock};
  sieve2_context_t* handle = nullptr;
  Context() {
    if (sieve2_alloc(&handle) != SIEVE2_OK) handle = nullptr;
    if (handle != nullptr && sieve2_callbacks(handle, kCallbacks) != SIEVE2_OK)
      sieve2_free(&handle);
  }
  ~Context() {
    if (handle != nullptr) sieve2_free(&handle);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

// Before libsieve sees it: what it is known to get wrong. It needs exponential time for many stars,
// overflows on large sizes, and recurses with the nesting. Walks the script's tokens: comments,
// strings, numbers, words, braces.
class Precheck {
 public:
  Precheck(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Result<> check() {
    if (text_.size() > kScriptMax) return wrong("a script has at most 1 MiB");
    if (text_.find('\0') != std::string_view::npos)
      return wrong("a NUL byte; save the script as UTF-8 text");
    int depth = 0;
    bool matches = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        skip_to("\n");
      } else if (text_.substr(at_).starts_with("/*")) {
        skip_to("*/");
      } else if (c == '"') {
        TRY_OK(check_string(matches));
      } else if (c >= '0' && c <= '9') {
        TRY_OK(check_number());
      } else if (text_.substr(at_).starts_with("text:")) {
        TRY_OK(check_multiline(matches));
      } else {
        if (text_.substr(at_).starts_with(":matches")) matches = true;
        if (c == ';' || c == '{') matches = false;
        if (c == '{' || c == '(') ++depth;
        if (c == '}' || c == ')') --depth;
        if (depth > kNestingMax) return wrong("nested deeper than 15 levels");
        step();
      }
    }
    return {};
  }

 private:
  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  void skip_to(std::string_view end) {
    while (at_ < text_.size() && !text_.substr(at_).starts_with(end)) step();
    for (std::size_t i = 0; i < end.size() && at_ < text_.size(); ++i) step();
  }
  std::unexpected<Error> wrong(std::string_view why) const {
    return fail(ErrorKind::config, fmt::format("{}:{}: {}", file_, line_, why));
  }

  // "text:" up to a line that is a dot, which may end with LF or CRLF; a pattern may be written so.
  Result<> check_multiline(bool matches) {
    int stars = 0;
    for (; at_ < text_.size(); step()) {
      const std::string_view rest = text_.substr(at_);
      if (rest.starts_with("\n.\n") || rest.starts_with("\n.\r\n")) break;
      stars += rest.front() == '*' ? 1 : 0;
    }
    if (matches && stars > kStarsMax) return wrong("a :matches pattern with more than 3 stars");
    for (int i = 0; i < 3 && at_ < text_.size(); ++i) step();
    return {};
  }

  Result<> check_string(bool matches) {
    int stars = 0;
    step();
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size())
        step();
      else if (text_[at_] == '*')
        ++stars;
      step();
    }
    if (at_ == text_.size()) return wrong("a string without its end; write the quote");
    step();
    if (matches && stars > kStarsMax) return wrong("a :matches pattern with more than 3 stars");
    return {};
  }

  Result<> check_number() {
    std::uint64_t number = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    at_ = static_cast<std::size_t>(end - text_.data());
    std::uint64_t factor = 1;
    if (at_ < text_.size()) {
      const char c = text_[at_];
      factor = c == 'K' || c == 'k'   ? 1U << 10U
               : c == 'M' || c == 'm' ? 1U << 20U
               : c == 'G' || c == 'g' ? 1U << 30U
                                      : 1U;
    }
    if (error != std::errc{} || number > INT32_MAX / factor)
      return wrong("a number over 2147483647");
    return {};
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
};

struct Words {
  std::string_view said;  // a part of libsieve's message
  std::string_view meaning;
};

// The first that fits counts.
constexpr Words kWords[] = {
    {"expecting ';'", "the command before has no ; at its end; write it"},
    {"unexpected $end, expecting '}'", "a { is never closed; write its }"},
    {"unexpected '}', expecting $end", "a } too many; take it out"},
    {"unexpected REQUIRE", "require comes too late; it stands before all other commands"},
    {"unexpected IF", "an if in the wrong place; behind else it is written elsif"},
    {"syntax error, unexpected $undefined",
     "a word or sign that Sieve does not have here; commands end with ;, texts stand in double "
     "quotes, comments begin with #"},
    {"syntax error", "this does not follow Sieve's grammar; look at this line and the one before"},
    {"unsupported feature",
     "require names what this server does not have; take it out, and what uses it"},
};

// libsieve's messages are those of yacc; what is wrong and what to do stand before them.
std::string explain(std::string_view said) {
  constexpr std::string_view kNotRequired = " not required";
  if (said.ends_with(kNotRequired)) {
    const std::string_view what = said.substr(0, said.size() - kNotRequired.size());
    return fmt::format("{} is used and not asked for; write at the top: require \"{}\";", what,
                       what);
  }
  for (const Words& words : kWords)
    if (said.find(words.said) != std::string_view::npos)
      return fmt::format("{} (libsieve says: {})", words.meaning, said);
  return fmt::format("libsieve does not take the script: {}", said);
}

}  // namespace

Result<Script> Script::parse(std::string text, const std::string& file) {
  TRY_OK(Precheck(text, file).check());
  Script script;
  script.text_ = std::move(text);
  Context context;
  if (context.handle == nullptr) return fail(ErrorKind::temporary, "libsieve gives no context");
  Run run(script.text_);
  const int result = sieve2_validate(context.handle, &run);
  // It may return OK although it called on_error.
  if (!run.error.empty())
    return fail(ErrorKind::config,
                fmt::format("{}:{}: {}", file, std::max(1, run.error_line), explain(run.error)));
  if (result != SIEVE2_OK && result != SIEVE2_DONE)
    return fail(ErrorKind::config, fmt::format("{}:1: {}", file, explain(sieve2_errstr(result))));
  return script;
}

Result<std::vector<Action>> Script::run(const Input& input) const {
  Context context;
  if (context.handle == nullptr) return fail(ErrorKind::temporary, "libsieve gives no context");
  Run run(text_, &input);
  const int result = sieve2_execute(context.handle, &run);
  if (!run.error.empty())
    return fail(ErrorKind::permanent, fmt::format("line {}: {}", run.error_line, run.error));
  if (result != SIEVE2_OK && result != SIEVE2_DONE)
    return fail(ErrorKind::permanent, sieve2_errstr(result));
  std::size_t redirects = 0;
  for (const Action& action : run.actions)
    redirects += std::holds_alternative<Redirect>(action) ? 1 : 0;
  if (redirects > kRedirectsMax) return fail(ErrorKind::permanent, "more than 4 redirects");
  if (run.actions.size() > kActionsMax) return fail(ErrorKind::permanent, "more than 32 actions");
  if (run.actions.empty()) run.actions.emplace_back(Keep{});
  return std::move(run.actions);
}

}  // namespace posthorn::sieve::libsieve
