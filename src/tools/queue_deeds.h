// `posthorn queue retry|hold|release|delete`: first which messages are meant, then, after a
// question where they are to go for good, those and no other ones. What comes in meanwhile is never
// taken.
#pragma once

#include "config/config.h"
#include "tools/queue.h"

namespace posthorn::tools {

// An exit status: 1 where something that was named could not be done.
int change_queue(const config::Config& config, const QueueOptions& options);

}  // namespace posthorn::tools
