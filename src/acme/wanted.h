// Which certificates are wanted: one for the server's own names, and one a domain for the web names
// of it that lead here. A name that the DNS could not be asked about stays as it was: a certificate
// never loses a name because of a fault elsewhere. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace posthorn::acme {

// By name; nullopt: the DNS could not say.
using Addresses = std::map<std::string, std::optional<std::vector<std::string>>>;

struct Wanted {
  std::string name;  // of the file; one of names
  std::vector<std::string> names;
  friend bool operator==(const Wanted&, const Wanted&) = default;
};

enum class WebNames { none, that_lead_here };

struct Place {
  std::string hostname;
  std::vector<std::string> names;  // further ones of the server's own certificate
  std::vector<std::string> domains;
  WebNames web_names = WebNames::that_lead_here;
  // Those of this machine. Where it stands behind another's (NAT), the hostname's lead here, too.
  std::vector<std::string> own_addresses;
};

// What is to be looked up first; the hostname is among it.
std::vector<std::string> names_to_look_up(const Place& place);

// before: what was wanted last time.
std::vector<Wanted> find_wanted(const Place& place, const Addresses& addresses,
                                const std::vector<Wanted>& before);

// Why no public authority can issue for it; empty: it may.
std::string why_not(const std::string& name);

}  // namespace posthorn::acme
