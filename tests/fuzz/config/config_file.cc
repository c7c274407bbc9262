// Any bytes as posthorn.toml: either a fault that names the file and a line of it, or a
// configuration that is written out and read back the same.
#include "config/config.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto config = config::parse(text, "/etc/x/conf/posthorn.toml");
  if (!config) {
    constexpr std::string_view kFile = "/etc/x/conf/posthorn.toml:";
    const std::string& what = config.error().what;
    test::require(config.error().kind == ErrorKind::config && what.starts_with(kFile));
    const std::size_t line = static_cast<std::size_t>(std::atoll(what.c_str() + kFile.size()));
    test::require(line >= 1);
    test::require(line <= 2 + static_cast<std::size_t>(std::ranges::count(text, '\n')));
    test::require(what.find(": ", kFile.size()) != std::string::npos);
    return 0;
  }
  test::require(config->paths.maps.is_absolute() && config->paths.mail.is_absolute());
  const std::string written = config::to_toml(*config);
  const auto back = config::parse(written, "/etc/x/conf/posthorn.toml");
  test::require(back.has_value());
  test::require(config::to_toml(*back) == written);
  test::require(back->server.hostname == config->server.hostname);
  test::require(back->listen.smtp == config->listen.smtp &&
                back->maps.aliases == config->maps.aliases);
  test::require(back->smtp.message_max == config->smtp.message_max);
  test::require(back->queue.retry_first == config->queue.retry_first);
  test::require(back->paths.spool == config->paths.spool);
  return 0;
}
