// Any bytes as what a client says after the login, in pieces of any size, over a real store: the
// session ends when the client does, whatever it left undone; each line that comes out is untagged,
// a continuation or the answer to a command, its literals as long as they say; no more commands are
// answered than lines came; and nothing is said behind BYE but the answer to LOGOUT.
#include <asio/io_context.hpp>
#include <charconv>

#include "base/log.h"
#include "imap/server/session.h"
#include "net/blocking_pool.h"
#include "store/account.h"
#include "tests/support/fuzz.h"
#include "tests/support/memory_stream.h"
#include "tests/support/temp_folder.h"

namespace {

using namespace posthorn;

class Alice final : public auth::Redeemer {
 public:
  net::Task<std::optional<std::string>> redeem(std::string, std::string, std::string) override {
    co_return "alice@example.org";
  }
};

std::string talk(const Path& mail, std::string_view said, std::size_t piece) {
  asio::io_context context;
  net::Scope scope(context.get_executor(), Clock::system());
  net::BlockingPool pool(1);
  config::Config config;
  config.imap.line_max = 4096;
  config.smtp.message_max = 65'536;
  store::Accounts accounts(
      scope, pool,
      {.store = config.store, .mail = mail, .hostname = "mx.example.org", .boot_id = "b"});
  Alice redeemer;
  auth::Admission admission(redeemer, "imap", 20);
  const imap::ServerServices services{
      .scope = scope, .pool = pool, .accounts = accounts, .admission = admission, .config = config};
  const auto wire = std::make_shared<test::MemoryWire>(context.get_executor());
  wire->piece = piece;
  wire->to_server = auth::format_hand_over({.token = "good",
                                            .session = "SESSIONA",
                                            .service = "imap",
                                            .tag = "a0",
                                            .address = "192.0.2.7",
                                            .tls = true}) +
                    std::string(said);
  wire->client_closed = true;
  scope.spawn(imap::serve(std::make_unique<test::MemoryStream>(wire), services));
  const auto run_until = [&](const auto& done) {
    for (int i = 0; i < 1000 && !done(); ++i) {
      context.restart();
      context.run_for(std::chrono::milliseconds(5));
    }
    test::require(done());
  };
  run_until([&] { return wire->server_closed; });
  accounts.stop();
  scope.spawn(accounts.close());
  run_until([&] { return scope.running() == 0; });
  return wire->from_server;
}

// The line at the front of rest with the literals in it; rest moves behind.
std::string_view take_answer(std::string_view& rest) {
  std::size_t at = 0;
  while (true) {
    const std::size_t end = rest.find("\r\n", at);
    test::require(end != std::string_view::npos);
    const std::string_view line = rest.substr(at, end - at);
    at = end + 2;
    const std::size_t brace = line.ends_with('}') ? line.rfind('{') : std::string_view::npos;
    std::size_t size = 0;
    if (brace == std::string_view::npos ||
        std::from_chars(line.data() + brace + 1, line.data() + line.size(), size).ptr !=
            line.data() + line.size() - 1)
      break;
    test::require(size <= rest.size() - at);
    at += size;
  }
  const std::string_view answer = rest.substr(0, at - 2);
  rest.remove_prefix(at);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool is_quiet = (log::set_level(log::Level::error), true);
  (void)is_quiet;
  // A new account from time to time: what was made must not slow down what follows.
  static std::unique_ptr<test::TempFolder> folder;
  static int count = 0;
  if (count++ % 200 == 0) folder = std::make_unique<test::TempFolder>();
  std::string_view said = test::text_of(data, size);
  std::size_t piece = 65'536;
  if (!said.empty()) {
    piece = 1U + static_cast<unsigned char>(said.front());
    said.remove_prefix(1);
  }
  const std::string out = talk(folder->path(), said, piece);
  std::string_view rest = out;
  std::size_t answers = 0;
  bool is_over = false;
  while (!rest.empty()) {
    const std::string_view answer = take_answer(rest);
    if (answer.starts_with("* ") || answer.starts_with("+ ")) {
      // "* BAD" answers a line that has no tag.
      answers += answer.starts_with("* BAD ") ? 1U : 0U;
      test::require(!is_over);
      is_over = answer.starts_with("* BYE ");
      continue;
    }
    const std::size_t space = answer.find(' ');
    test::require(space != std::string_view::npos && space > 0);
    const std::string_view status = answer.substr(space + 1);
    test::require(status.starts_with("OK ") || status.starts_with("NO ") ||
                  status.starts_with("BAD "));
    ++answers;
  }
  test::require(answers <= 1U + static_cast<std::size_t>(std::ranges::count(said, '\n')));
  return 0;
}
