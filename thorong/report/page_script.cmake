# SPDX-License-Identifier: Apache-2.0
# cmake -DNPM= -DWEB= -DWORK= -DOUTPUT= -P page_script.cmake: bundles web/ into OUTPUT. In this order: npm in a copy of
# web/ under WORK, so that build folders do not meet; a web/dist/report.js that somebody built; an empty script.
set(built "")
if(NPM)
  file(REMOVE_RECURSE "${WORK}/src" "${WORK}/dist")
  file(COPY "${WEB}/package.json" "${WEB}/package-lock.json" "${WEB}/.npmrc" "${WEB}/src" DESTINATION "${WORK}")
  set(installed "${WORK}/node_modules/.package-lock.json")
  set(status 0)
  if(NOT EXISTS "${installed}" OR "${WEB}/package-lock.json" IS_NEWER_THAN "${installed}")
    execute_process(
      COMMAND "${NPM}" ci --no-audit --no-fund --no-update-notifier --prefer-offline --loglevel=error
      WORKING_DIRECTORY "${WORK}"
      RESULT_VARIABLE status
      OUTPUT_VARIABLE output
      ERROR_VARIABLE output
      TIMEOUT 300)
  endif()
  if(status STREQUAL "0")
    execute_process(
      COMMAND "${NPM}" run --silent build
      WORKING_DIRECTORY "${WORK}"
      RESULT_VARIABLE status
      OUTPUT_VARIABLE output
      ERROR_VARIABLE output
      TIMEOUT 120)
  endif()
  if(status STREQUAL "0")
    set(built "${WORK}/dist/report.js")
  else()
    message(WARNING "npm could not bundle the report page's script (${status}):\n${output}")
  endif()
else()
  message(WARNING "npm was not found.")
endif()
if(NOT built AND EXISTS "${WEB}/dist/report.js")
  set(built "${WEB}/dist/report.js")
endif()
if(built)
  configure_file("${built}" "${OUTPUT}" COPYONLY)
  file(TOUCH "${OUTPUT}")
else()
  message(WARNING "Report pages will have tables and a still timeline, but no interactive charts. "
                  "Install Node.js with npm, remove ${OUTPUT} and build again.")
  file(WRITE "${OUTPUT}" "")
endif()
