message(STATUS "stand-in: ${PROJECT_NAME} configured")
