// `posthorn alias …` and `posthorn domain …`: edit the tables aliases and domains, in the files or
// in PostgreSQL, whichever the configuration names.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

enum class AddressAction {
  alias_add,
  alias_remove,
  alias_list,
  domain_add,
  domain_remove,
  domain_list
};

struct AddressOptions {
  AddressAction action = AddressAction::alias_list;
  std::string name;                  // of an alias: the address or @domain
  std::vector<std::string> targets;  // remove: none means all
  bool with_references = false;      // alias remove: out of other aliases and senders, too
};

int run_address_tool(const config::Config& config, const AddressOptions& options);

}  // namespace posthorn::tools
