// What is wrong with a line of a table, or a row, by itself, without any other table.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "maps/pgsql_schema.h"
#include "maps/table.h"

namespace posthorn::maps {

// It cannot be understood: whoever asks for it waits.
std::optional<std::string> find_entry_fault(Question question, const Entry& entry);
// It is understood and does nothing, or not what was meant: the reason and the remedy.
std::optional<config::Finding> find_entry_doubt(const config::Config& config, Question question,
                                                const Entry& entry);

}  // namespace posthorn::maps
