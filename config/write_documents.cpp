// sanad_config_documents DIR: writes DIR/reference.md and DIR/sanad.yaml.

#include <cstdio>
#include <filesystem>

#include "config/documents.hpp"
#include "gateway/base/durable_file.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: sanad_config_documents DIR\n", stderr);
    return 2;
  }
  const std::filesystem::path directory(argv[1]);
  for (const auto& [name, content] :
       {std::pair{"reference.md", sanad::config::reference_markdown()}, std::pair{"sanad.yaml", sanad::config::example_yaml()}}) {
    if (auto written = sanad::write_file_durably(directory / name, content, 0644); !written) {
      std::fprintf(stderr, "error: %s\n", written.error().message.c_str());
      return 1;
    }
  }
  return 0;
}
