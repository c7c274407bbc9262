// What a service manager is told and asks: sd_notify(3) and its watchdog, without libsystemd.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace posthorn::process {

// A datagram to NOTIFY_SOCKET, if set.
void notify_systemd(std::string_view state);
// How often it wants a sign of life: WATCHDOG_USEC, halved, if it is meant for this process.
// Removes the variables.
std::optional<std::chrono::milliseconds> take_watchdog();

}  // namespace posthorn::process
