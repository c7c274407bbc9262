# What `cmake --install` puts where, and the two Debian packages that `cpack -G DEB` makes of it:
#   posthorn      the program, units, sample tables, documentation, manual pages, completion for shells
#   posthorn-mta  its names sendmail, mailq, newaliases and postmap, which every mail server of a machine wants to have
set(debian ${CMAKE_SOURCE_DIR}/deploy/debian)
set(systemd ${CMAKE_SOURCE_DIR}/deploy/systemd)

install(TARGETS posthorn RUNTIME DESTINATION sbin COMPONENT posthorn)
file(GLOB units ${systemd}/*.service ${systemd}/*.socket)
install(FILES ${units} DESTINATION lib/systemd/system COMPONENT posthorn)
install(FILES ${systemd}/posthorn.sysusers.conf DESTINATION lib/sysusers.d RENAME posthorn.conf COMPONENT posthorn)
install(FILES ${systemd}/posthorn.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME posthorn.conf COMPONENT posthorn)
# The pages lie as they do here, so that their links to one another lead somewhere.
install(FILES README.md DESTINATION share/doc/posthorn COMPONENT posthorn)
foreach(folder conf deploy maps migrations sieve)
  install(FILES ${folder}/README.md DESTINATION share/doc/posthorn/${folder} COMPONENT posthorn)
endforeach()
install(FILES conf/posthorn.toml DESTINATION share/doc/posthorn/conf COMPONENT posthorn)
foreach(folder maps sieve)
  install(DIRECTORY ${folder}/ DESTINATION share/doc/posthorn/examples/${folder} COMPONENT posthorn
          PATTERN README.md EXCLUDE)
endforeach()
foreach(folder conf/profiles migrations)
  install(DIRECTORY ${folder}/ DESTINATION share/posthorn/${folder} COMPONENT posthorn
          PATTERN README.md EXCLUDE)
endforeach()
# Manual pages and completion are the program's own words, so it writes them itself as soon as it is linked. Where it cannot
# run (built for another machine, and no CMAKE_CROSSCOMPILING_EMULATOR) there are none.
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(STATUS "Built for another machine, without an emulator: no manual pages and no completion")
else()
  find_program(GZIP gzip REQUIRED)
  add_custom_command(TARGET posthorn POST_BUILD
    COMMAND ${CMAKE_COMMAND} "-DPROGRAM=${CMAKE_CROSSCOMPILING_EMULATOR};$<TARGET_FILE:posthorn>" -DGZIP=${GZIP}
            -DTO=${CMAKE_BINARY_DIR}/share -P ${CMAKE_SOURCE_DIR}/scripts/cmake/Manual.cmake
    COMMENT "Manual pages and completion" VERBATIM)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION share/man COMPONENT posthorn)
  set(completion ${CMAKE_BINARY_DIR}/share/completion)
  install(FILES ${completion}/bash DESTINATION share/bash-completion/completions RENAME posthorn COMPONENT posthorn)
  install(FILES ${completion}/zsh DESTINATION share/zsh/vendor-completions RENAME _posthorn COMPONENT posthorn)
  install(FILES ${completion}/fish DESTINATION share/fish/vendor_completions.d RENAME posthorn.fish COMPONENT posthorn)
endif()
install(FILES ${debian}/logrotate DESTINATION /etc/logrotate.d RENAME posthorn COMPONENT posthorn)
install(PROGRAMS deploy/roundcube/setup deploy/roundcube/serve DESTINATION share/posthorn/roundcube COMPONENT posthorn)
# What an administrator edits and `posthorn init` would only copy; dpkg asks before it changes one that was edited.
install(FILES maps/aliases maps/senders maps/transport DESTINATION /etc/posthorn/maps COMPONENT posthorn)
install(FILES sieve/default.sieve DESTINATION /etc/posthorn/sieve COMPONENT posthorn)

function(posthorn_name name folder)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/names)
  file(CREATE_LINK ../sbin/posthorn ${CMAKE_BINARY_DIR}/names/${name} SYMBOLIC)
  install(FILES ${CMAKE_BINARY_DIR}/names/${name} DESTINATION ${folder} COMPONENT mta)
endfunction()
if(POSTHORN_LINKS)
posthorn_name(sendmail sbin)
posthorn_name(postmap sbin)
posthorn_name(mailq bin)
posthorn_name(newaliases bin)
# Where many programs look for it, whatever else is installed.
file(CREATE_LINK ../sbin/sendmail ${CMAKE_BINARY_DIR}/names/lib-sendmail SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/names/lib-sendmail DESTINATION lib RENAME sendmail COMPONENT mta)
endif()

set(CPACK_PACKAGE_NAME posthorn)
set(CPACK_PACKAGE_VENDOR "Posthorn")
set(CPACK_PACKAGE_CONTACT "Posthorn maintainers <postmaster@localhost>")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_SET_DESTDIR ON)  # for what lies in /etc
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Folders are as readable as their files, whatever the umask of whoever packs.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL posthorn)
if(POSTHORN_LINKS)
  list(APPEND CPACK_COMPONENTS_ALL mta)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_COMPONENT_POSTHORN_DESCRIPTION "mail server for virtual domains
SMTP, submission, queue, spam filter, Sieve, maildirs and IMAP in one program,
with the table files of Postfix and the user files and maildirs of Dovecot.")
set(CPACK_DEBIAN_POSTHORN_PACKAGE_NAME posthorn)
set(CPACK_DEBIAN_POSTHORN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_POSTHORN_PACKAGE_DEPENDS "passwd, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_POSTHORN_PACKAGE_RECOMMENDS "ca-certificates, spamd")
set(CPACK_DEBIAN_POSTHORN_PACKAGE_SUGGESTS "posthorn-mta, logrotate, postgresql, roundcube-core, nginx")
set(CPACK_DEBIAN_POSTHORN_PACKAGE_CONTROL_EXTRA
    ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/conffiles)

set(CPACK_COMPONENT_MTA_DESCRIPTION "Posthorn as the mail server of this machine
The names sendmail, mailq, newaliases and postmap, as links to Posthorn.")
set(CPACK_DEBIAN_MTA_PACKAGE_NAME posthorn-mta)
set(CPACK_DEBIAN_MTA_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_MTA_PACKAGE_DEPENDS "posthorn")
set(CPACK_DEBIAN_MTA_PACKAGE_PROVIDES "mail-transport-agent")
set(CPACK_DEBIAN_MTA_PACKAGE_CONFLICTS "mail-transport-agent")
set(CPACK_DEBIAN_MTA_PACKAGE_REPLACES "mail-transport-agent")
include(CPack)
