// A Placement for tests: every account lives at one address, or nobody can say where.
#pragma once

#include <optional>

#include "net/placement.h"

namespace posthorn::test {

class FixedPlacement final : public net::Placement {
 public:
  explicit FixedPlacement(std::optional<net::Address> place) : address(std::move(place)) {}
  net::Task<net::Address> find_address(std::string account,
                                       net::AccountService service) const override {
    asked = account + " " + std::string(to_string(service));
    if (!address) co_return fail(ErrorKind::temporary, "nobody knows where it lives");
    co_return *address;
  }

  std::optional<net::Address> address;
  mutable std::string asked;
};

}  // namespace posthorn::test
