#include "lda/script_doubts.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "message/mailbox_address.h"
#include "sieve/libsieve/literals.h"
#include "store/mailbox_name.h"

namespace posthorn::lda {
namespace {

using sieve::libsieve::Literal;

constexpr std::size_t kDoubtsMax = 20;  // of one script

// The folders that a program of ours names; an address that is none was a fault.
std::vector<Literal> folders_of(const sieve::Program& program) {
  std::vector<Literal> folders;
  for (const sieve::Node& node : program.nodes) {
    if (node.command == nullptr || node.command->name != "fileinto") continue;
    const sieve::Arg& arg = program.arguments[node.args];
    for (std::uint32_t i = 0; i < arg.count; ++i)
      if (const sieve::Text& text = program.strings[arg.first + i]; text.has_variables == 0)
        folders.push_back(
            {Literal::Kind::folder, std::string(program.text(text)), std::size_t{node.line}});
  }
  return folders;
}

}  // namespace

config::Findings find_doubts(const Script& script, const std::string& text, const Path& path) {
  config::Findings doubts;
  const auto warn = [&](const Literal& literal, std::string reason, std::string remedy) {
    doubts.push_back({fmt::format("{}:{}", path.native(), literal.line), std::move(reason),
                      std::move(remedy), config::Weight::warning});
  };
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & S_IWOTH) != 0)
    doubts.push_back({path.native(), "every account of this machine can change it",
                      fmt::format("chmod o-w {}", path.native()), config::Weight::warning});
  const auto literals =
      script.program ? folders_of(*script.program) : sieve::libsieve::find_literals(text);
  for (const Literal& literal : literals) {
    if (doubts.size() == kDoubtsMax) break;
    const std::string shown = literal.text.substr(0, 80);
    if (literal.kind == Literal::Kind::folder) {
      if (store::mailbox_name_from(literal.text)) continue;
      warn(literal, fmt::format("no folder can be called \"{}\": its mail stays in INBOX", shown),
           "write a name as Work.2026, in UTF-8, without empty parts and of 255 letters at most");
    } else if (!message::parse_mailbox_address(literal.text, message::AddressCharset::utf8)) {
      warn(literal,
           fmt::format("\"{}\" is no address: nothing is sent there, the mail stays here", shown),
           "write one address, as \"bob@example.org\"; one redirect for each");
    }
  }
  return doubts;
}

config::Finding doubt_of_libsieve(const config::Config& config) {
  return {config::place_of(config, "sieve", "engine"),
          "sieve.engine: libsieve knows RFC 3028 and little more, runs one script at a time, reads "
          "no encoded words, may end the process on an odd header of a stranger's, and takes "
          "exponential time for a :matches with many stars",
          "take the key out", config::Weight::warning};
}

}  // namespace posthorn::lda
