// The command line: every command of `posthorn`, its options, and what it calls.
#pragma once

namespace posthorn::app {

int run_command_line(int argc, char** argv);

}  // namespace posthorn::app
