#include "net/client_name.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/clock.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kNamesMax = 3;     // of an address; hosts of many sites have hundreds
constexpr std::size_t kAtOnceMax = 200;  // clients connect faster than DNS may answer
constexpr auto kAnswerMax = 2s;          // who asks does not wait longer

}  // namespace

bool is_host_text(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F ||
           std::string_view("()<>").find(c) != std::string_view::npos;
  });
}

Task<std::string> find_client_name(Resolver& resolver, std::string address, SteadyTime deadline) {
  CO_TRY(const auto names, co_await resolver.names(address, deadline));
  std::optional<Error> unknown;
  std::size_t asked = 0;
  for (const std::string& name : names) {
    if (!is_host_text(name)) continue;
    if (++asked > kNamesMax) break;
    const auto addresses = co_await resolver.addresses(name, deadline);
    if (!addresses)
      unknown = addresses.error();
    else if (std::ranges::find(*addresses, address) != addresses->end())
      co_return name;
  }
  if (unknown) co_return std::unexpected(*unknown);
  co_return std::string();
}

Task<std::string> ask_client_name(LineChannel& channel, std::string address, SteadyTime deadline) {
  CO_TRY(const Message answer,
         co_await channel.ask(Message("client-name").add("address", address), deadline));
  if (answer.verb != "ok") co_return fail(ErrorKind::temporary, std::string(answer.get("error")));
  std::string name(answer.get("name"));
  if (!name.empty() && !is_host_text(name)) co_return fail(ErrorKind::protocol, "no name");
  co_return name;
}

Awaitable<Message> ClientNames::answer(Message request) {
  const auto unknown = [](std::string_view why) { return Message("temporary").add("error", why); };
  if (request.verb != "client-name") co_return unknown("not a question for this socket");
  if (asked_ >= kAtOnceMax) co_return unknown("too many names are asked for");
  ++asked_;
  const auto name = co_await find_client_name(resolver_, std::string(request.get("address")),
                                              clock_.steady_now() + kAnswerMax);
  --asked_;
  if (!name) co_return unknown(name.error().what);
  co_return Message("ok").add("name", *name);
}

}  // namespace posthorn::net
