# cmake -DIN=openapi.yaml -DOUT=openapi.cpp -P embed_openapi.cmake: the text as a C++ raw string.
file(READ "${IN}" TEXT)
file(WRITE "${OUT}" "#include \"control/api/openapi.hpp\"\nnamespace sanad::api {\nconst std::string_view kOpenapiYaml = R\"openapi(")
file(APPEND "${OUT}" "${TEXT}")
file(APPEND "${OUT}" ")openapi\";\n}  // namespace sanad::api\n")
