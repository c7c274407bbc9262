// `posthorn postmap`: checks a table file and makes it live, or asks it.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

struct PostmapOptions {
  std::string query;                // -q KEY; "-": keys from standard input
  std::vector<std::string> tables;  // [TYPE:]FILE
};

int run_postmap(const config::Config& config, const PostmapOptions& options);

}  // namespace posthorn::tools
