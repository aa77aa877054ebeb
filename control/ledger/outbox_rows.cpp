#include "control/ledger/outbox_rows.hpp"

#include <stdexcept>
#include <string_view>

#include "gateway/base/encoding.hpp"

namespace sanad::ledger {
namespace {

class Row {
 public:
  Row(std::string_view text, std::uint64_t count) : rest_(text), left_(count) {}

  std::string_view next() {
    // A row of one leaf is that leaf, whatever it is.
    const std::size_t end = left_ == 1 ? rest_.size() : rest_.find(LeafRun::kBetween);
    if (end == std::string_view::npos) throw std::runtime_error("a row of the outbox has fewer records than it says");
    const std::string_view leaf = rest_.substr(0, end);
    rest_.remove_prefix(std::min(rest_.size(), end + 1));
    --left_;
    return leaf;
  }

 private:
  std::string_view rest_;
  std::uint64_t left_;
};

}  // namespace

void write_outbox(Store& store, std::uint64_t first, const LeafRun& leaves) {
  for (std::size_t at = 0; at < leaves.size();) {
    std::size_t count = 1;
    while (at + count < leaves.size() && count < kOutboxRowLeaves && leaves.text(at, count).size() < kOutboxRowBytes) ++count;
    Query(store, "INSERT INTO outbox(first_leaf, leaves, text) VALUES(?1, ?2, ?3)")
        .bind(first + at, count, as_bytes(leaves.text(at, count)))
        .run();
    at += count;
  }
}

std::vector<StoredLeaf> read_outbox(Store& store, std::uint64_t from, std::size_t limit) {
  std::vector<StoredLeaf> out;
  Query rows(store,
             "SELECT first_leaf, leaves, text FROM outbox WHERE first_leaf >= "
             "ifnull((SELECT max(first_leaf) FROM outbox WHERE first_leaf <= ?1), 0) ORDER BY first_leaf");
  rows.bind(from);
  while (out.size() < limit && rows.step()) {
    const std::uint64_t first = rows.counter(0);
    const std::uint64_t count = rows.counter(1);
    const std::string text = rows.text(2);
    Row row(text, count);
    for (std::uint64_t i = 0; i < count && out.size() < limit; ++i) {
      const std::string_view leaf = row.next();
      if (first + i >= from) out.push_back({first + i, std::string(leaf), {}});
    }
  }
  return out;
}

}  // namespace sanad::ledger
