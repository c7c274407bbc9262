#include "tools/acme_terms.h"

#include <fmt/format.h>

#include "acme/protocol.h"
#include "net/http_client.h"
#include "net/own_loop.h"
#include "net/resolver.h"
#include "setup/answers.h"

namespace posthorn::tools {
namespace {

Result<acme::Directory> ask_directory(const std::string& url, const Path& authority) {
  constexpr int kOk = 200;
  net::OwnLoop loop;
  TRY(const auto resolver, net::Resolver::make(loop.scope().executor(), {}));
  net::HttpClient client(loop.scope(), resolver.get(),
                         {.authority = authority,
                          .user_agent = "posthorn/" POSTHORN_VERSION,
                          .timeout = std::chrono::seconds(10)});
  const auto answer = loop.run(client.ask({.url = url}));
  client.stop();
  loop.run();
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != kOk)
    return fail(ErrorKind::temporary, fmt::format("{}: status {}", url, answer->status));
  return acme::read_directory(answer->body);
}

}  // namespace

std::string ask_for_terms(const std::string& directory, const Path& authority) {
  const auto found = ask_directory(acme::directory_url(directory), authority);
  if (!found)
    return fmt::format("It does not answer now ({}); the server will ask it again. Its terms: {}",
                       found.error().what, setup::terms_of(directory));
  std::string about = found->terms.empty() ? "It names no terms of its own."
                                           : fmt::format("Its terms: {}", found->terms);
  if (found->needs_binding)
    about +=
        " It wants the key of an account that you have there: set acme.eab_key_id and "
        "acme.eab_key_file in posthorn.toml, or begin anew with --acme-eab-key-id and "
        "--acme-eab-key-file.";
  return about;
}

}  // namespace posthorn::tools
