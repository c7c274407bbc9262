// Questions from the command line to the running server, over its control sockets.
#pragma once

#include "config/config.h"
#include "net/line_channel.h"

namespace posthorn::tools {

inline constexpr std::chrono::milliseconds kAnswerTimeout = 30s;

// socket: "lookup-control.sock", "queue-control.sock". Blocks; an Error if the server does not run
// or answer.
Result<net::Message> ask_server(const config::Config& config, std::string_view socket,
                                net::Message request,
                                std::chrono::milliseconds patience = kAnswerTimeout);

int stop_server(const config::Config& config);
// `posthorn restart`: a configuration with a fault is refused and the server goes on; otherwise it
// ends as by `stop` and begins anew with the same pid.
int restart_server(const config::Config& config);
int reload_server(const config::Config& config);
// After a command has written tables or users: the running server takes them now. An exit code;
// without a server 0, they count when it starts.
int make_live(const config::Config& config);

}  // namespace posthorn::tools
