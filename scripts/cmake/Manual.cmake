# Runs ${PROGRAM} for its manual pages and its completion of shells, into ${TO}/man and ${TO}/completion. The pages are
# compressed by ${GZIP}, as Debian Policy 12.1 wants them: -9, and without a time.
set(ENV{ASAN_OPTIONS} detect_leaks=0)  # a container may not let it look
set(ENV{LLVM_PROFILE_FILE} /dev/null)
file(REMOVE_RECURSE ${TO})
file(MAKE_DIRECTORY ${TO}/completion)
execute_process(COMMAND ${PROGRAM} man --to ${TO}/man COMMAND_ERROR_IS_FATAL ANY)
file(GLOB pages ${TO}/man/*/*)
execute_process(COMMAND ${GZIP} -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
foreach(shell bash zsh fish)
  execute_process(COMMAND ${PROGRAM} completion ${shell} OUTPUT_FILE ${TO}/completion/${shell} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
