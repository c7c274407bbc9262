#include "tools/sieve_trial.h"

#include <fmt/format.h>
#include <iostream>
#include <iterator>

#include "lda/site_reader.h"
#include "lda/trial.h"
#include "store/line_ends.h"

namespace posthorn::tools {
namespace {

constexpr std::uint64_t kMailMax = 256U << 20U;

int complain(const std::string& what) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return 1;
}

Result<std::string> read_mail(const Path& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    TRY(auto found, read_file(path, kMailMax));
    if (!found)
      return fail(ErrorKind::config, fmt::format("{}: there is no such file", path.native()));
    text = *std::move(found);
  }
  std::string wire;
  store::CrlfConverter().append(text, wire);
  return wire;
}

std::optional<std::string> given(const std::string& address) {
  if (address.empty()) return std::nullopt;
  return address == "<>" ? "" : address;
}

// What it includes lies beside it (:personal) or in paths.sieve (:global).
sieve::CompileResult compile(const config::Config& config, const Path& path,
                             const std::string& text) {
  sieve::CompileSettings settings{.name = path.native()};
  for (const auto& [name, table] : config.sieve.lists) settings.lists.insert(name);
  settings.find_script = [&](sieve::Location location, const std::string& name) {
    const Path folder =
        location == sieve::Location::global ? config.paths.sieve : path.parent_path();
    const auto found = read_file(folder / (name + std::string(lda::kScriptSuffix)));
    return found ? *found : std::nullopt;
  };
  return sieve::compile(text, settings);
}

}  // namespace

int try_sieve(const config::Config& config, const SieveTrialOptions& options) {
  const auto text = read_file(options.script);
  if (!text) return complain(text.error().what);
  if (!*text) return complain(fmt::format("{}: there is no such file", options.script.native()));
  const auto compiled = compile(config, options.script, **text);
  for (const sieve::Fault& fault : compiled.faults)
    fmt::print(stderr, "{}:{}:{}: {}\n", options.script.native(), fault.line, fault.column,
               fault.text);
  if (!compiled.program) return 1;
  auto mail = read_mail(options.mail);
  if (!mail) return complain(mail.error().what);
  const lda::Trial trial = lda::try_scripts(
      {{.name = options.script.native(), .program = compiled.program}},
      {.wire = *std::move(mail), .from = given(options.from), .to = given(options.to)}, config,
      options.with_trace ? lda::Tracing::on : lda::Tracing::off);
  for (const std::string& line : trial.trace) fmt::print("{}\n", line);
  for (const std::string& line : lda::describe(trial.outcome)) fmt::print("{}\n", line);
  return trial.outcome.end == sieve::Outcome::End::fault ? 1 : 0;
}

}  // namespace posthorn::tools
