// Any bytes as a regexp table: either a fault that names file and line, or a table that answers any
// key, the same way each time, with no more than its values and the key can make.
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cctype>

#include "maps/table.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

net::Awaitable<void> ask(const maps::Table& table, std::string key, maps::Found& found) {
  found = co_await table.find(std::move(key));
}

maps::Found find(const maps::Table& table, std::string_view key) {
  maps::Found found = std::nullopt;
  asio::io_context loop;
  asio::co_spawn(loop, ask(table, std::string(key), found), asio::detached);
  loop.run();
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = test::text_of(data, size);
  const std::string_view key = test::take_line(text).substr(0, 300);
  if (key.find('\0') != std::string_view::npos) return 0;
  const auto table = maps::RegexpTable::parse(text.substr(0, 2000), "maps/senders");
  if (!table) {
    const std::string& what = table.error().what;
    test::require(table.error().kind == ErrorKind::config && what.starts_with("maps/senders:"));
    test::require(std::atoi(what.c_str() + std::string_view("maps/senders:").size()) > 0);
    return 0;
  }
  const maps::Found found = find(**table, key);
  const maps::Found same = find(**table, key);
  test::require(found && same && *found == *same);
  if (*found) test::require((*found)->size() <= text.size() + text.size() / 2 * key.size());

  // A rule of ours before them is asked first, and gives its groups. A first line that would go on
  // with ours is another table.
  if (key.empty() || text.starts_with("\xEF\xBB\xBF")) return 0;
  if (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) return 0;
  const auto ours =
      maps::RegexpTable::parse("/^(.)(.*)$/ <$1|$2>\n" + std::string(text.substr(0, 2000)), "m");
  test::require(ours.has_value());
  const maps::Found first = find(**ours, key);
  test::require(first && *first && (*first)->size() == key.size() + 3);
  return 0;
}
