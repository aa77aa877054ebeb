// make_requests RECORDS: a log of that many records, and every add-checkpoint request that leads from one size of it to a larger.
// Prints the log's verifier key, then "<old size> <new size> <request in base64>" a line.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/checkpoint.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

// The root of the perfect subtree; small enough to be made anew each time.
Result<Hash> node(const NodeId& id) {
  if (id.level == 0) return leaf_hash(as_bytes(std::to_string(id.index)));
  return node_hash(*node({id.level - 1, 2 * id.index}), *node({id.level - 1, 2 * id.index + 1}));
}

Result<void> print(std::uint64_t records) {
  auto seed = generate_ed25519();
  if (!seed) return std::move(seed).error();
  const Signer log{"sanad/faulted", *seed};
  const auto key = verifier_of(log);
  if (!key) return key.error();
  std::printf("%s\n", to_vkey(*key).c_str());
  for (std::uint64_t size = 1; size <= records; ++size) {
    const auto note = sign_checkpoint({log.name, size, *tree_root(size, node), {}}, log);
    if (!note) return note.error();
    for (std::uint64_t old_size = 0; old_size < size; ++old_size) {
      const auto proof = consistency_proof(old_size, size, node);
      if (!proof) return proof.error();
      const std::string request = add_checkpoint_text({old_size, *proof, *note});
      std::printf("%llu %llu %s\n", static_cast<unsigned long long>(old_size), static_cast<unsigned long long>(size),
                  base64_encode(as_bytes(request)).c_str());
    }
  }
  return {};
}

}  // namespace
}  // namespace sanad::audit

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_requests RECORDS\n", stderr);
    return 2;
  }
  const auto printed = sanad::audit::print(std::strtoull(argv[1], nullptr, 10));
  if (printed) return 0;
  std::fprintf(stderr, "make_requests: %s\n", printed.error().message.c_str());
  return 1;
}
