# cmake --install: the program, its man page, the systemd unit and user, sample configurations.
if(TARGET sharestore)
  install(TARGETS sharestore RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES packaging/sharestore.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
# At install time, because `cmake --install --prefix` may choose another prefix than the build did.
install(CODE "
  set(SHARESTORE_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/packaging/sharestore.service.in\"
                 \"${PROJECT_BINARY_DIR}/packaging/sharestore.service\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/packaging/sharestore.service DESTINATION lib/systemd/system)
install(FILES packaging/sharestore.sysusers DESTINATION lib/sysusers.d RENAME sharestore.conf)
install(DIRECTORY config/samples DESTINATION ${CMAKE_INSTALL_DATADIR}/sharestore
        OPTIONAL FILES_MATCHING PATTERN "*.cfg" PATTERN "*.md")
install(DIRECTORY private.example DESTINATION ${CMAKE_INSTALL_DATADIR}/sharestore OPTIONAL)
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
