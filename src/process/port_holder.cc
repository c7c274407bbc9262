#include "process/port_holder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>
#include <unistd.h>

#include "base/ascii.h"

namespace posthorn::process {
namespace {

constexpr std::size_t kLinesMax = 100'000;
constexpr int kPrivilegedPorts = 1024;
constexpr std::string_view kListening = "0A";  // TCP_LISTEN in /proc/net/tcp

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  return words;
}

// The inodes of the sockets that listen on the port (proc(5): /proc/net/tcp).
std::set<std::string> listening_inodes(int port) {
  std::set<std::string> inodes;
  const std::string end = fmt::format(":{:04X}", port);
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    for (std::size_t i = 0; i < kLinesMax && std::getline(file, line); ++i) {
      const auto words = words_of(line);
      if (words.size() > 9 && words[1].ends_with(end) && words[3] == kListening)
        inodes.insert(words[9]);
    }
  }
  return inodes;
}

// Whose descriptors may be looked at: one's own, and for root everybody's.
std::optional<PortHolder> find_holder(const std::set<std::string>& inodes) {
  std::error_code ignored;
  for (const auto& process : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string pid = process.path().filename().native();
    if (!to_number<int>(pid)) continue;
    std::error_code closed;
    for (const auto& link : std::filesystem::directory_iterator(process.path() / "fd", closed)) {
      const std::string target = std::filesystem::read_symlink(link.path(), ignored).native();
      if (!target.starts_with("socket:[") || !inodes.contains(target.substr(8, target.size() - 9)))
        continue;
      std::ifstream file(process.path() / "comm");
      std::string name;
      std::getline(file, name);
      return PortHolder{pid, name};
    }
  }
  return std::nullopt;
}

std::string remedy_for(const std::string& name) {
  if (name.starts_with("exim"))
    return "; that is Debian's own exim4: `systemctl disable --now exim4`, or `apt-get purge "
           "exim4-base`";
  if (name == "master" || name == "postfix")
    return "; that is Postfix: `systemctl disable --now postfix`";
  if (name == "dovecot") return "; `systemctl disable --now dovecot`";
  if (name == "sendmail-mta") return "; `systemctl disable --now sendmail`";
  if (name == "posthorn")
    return "; that is another instance: `posthorn stop -c` with its configuration";
  return "";
}

}  // namespace

std::optional<PortHolder> find_port_holder(int port) {
  const auto inodes = listening_inodes(port);
  if (inodes.empty()) return std::nullopt;
  return find_holder(inodes).value_or(PortHolder{});
}

Error explain_bind_failure(const config::Config& config, const SocketSpec& spec, Error error) {
  const auto* address = std::get_if<net::TcpAddress>(&spec.address);
  if (address == nullptr) return error;
  const std::string where =
      fmt::format("{}: listen.{}", config::place_of(config, "listen", spec.name), spec.name);
  if (error.what.ends_with(std::strerror(EADDRINUSE))) {
    const auto holder = find_holder(listening_inodes(address->port));
    error.what = fmt::format(
        "{}: port {} is taken by {}{}; stop that, or change the key", where, address->port,
        holder             ? fmt::format("{} (process {})", holder->name, holder->pid)
        : ::geteuid() == 0 ? "a process that is not seen from here (`ss -ltnp`)"
                           : "another account's process (as root `ss -ltnp` names it)",
        holder ? remedy_for(holder->name) : "");
  } else if (error.what.ends_with(std::strerror(EACCES)) && address->port < kPrivilegedPorts) {
    error.what = fmt::format(
        "{}: port {} is for root alone: start it as root, or give it the right (in a unit "
        "AmbientCapabilities=CAP_NET_BIND_SERVICE, else `setcap cap_net_bind_service=+ep` on the "
        "program), or make an instance on other ports with `posthorn init --port-base 10000`",
        where, address->port);
  } else if (error.what.ends_with(std::strerror(EADDRNOTAVAIL))) {
    error.what = fmt::format("{}: this machine has no address {} (`ip address` lists them)", where,
                             address->host);
  }
  return error;
}

std::string describe_ports(const std::vector<SocketSpec>& specs) {
  std::vector<std::pair<std::string, std::string>> services;  // in the order of the table
  for (const SocketSpec& spec : specs) {
    if (!std::holds_alternative<net::TcpAddress>(spec.address)) continue;
    const auto known =
        std::ranges::find(services, spec.name, &std::pair<std::string, std::string>::first);
    if (known == services.end())
      services.emplace_back(spec.name, net::to_string(spec.address));
    else
      known->second += " " + net::to_string(spec.address);
  }
  std::string text;
  for (const auto& [name, addresses] : services)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, addresses);
  return text;
}

}  // namespace posthorn::process
