#include "net/account_channels.h"

namespace posthorn::net {

Task<Message> AccountChannels::ask(std::string account, Message request,
                                   std::chrono::milliseconds within) {
  CO_TRY(const Address address, co_await placement_.find_address(std::move(account), service_));
  if (is_closed_) co_return fail(ErrorKind::temporary, "closed");
  auto& channel = channels_[to_string(address)];
  if (!channel) channel = std::make_unique<LineChannel>(scope_, address);
  co_return co_await channel->ask(std::move(request), within);
}

void AccountChannels::close() {
  is_closed_ = true;
  for (const auto& [address, channel] : channels_) channel->close();
}

}  // namespace posthorn::net
