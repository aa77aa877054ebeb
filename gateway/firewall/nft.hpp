#pragma once
// The table `inet sanad` in the kernel, through libnftables.

#include <memory>
#include <optional>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/firewall/plan.hpp"

struct nft_ctx;

namespace sanad::firewall {

// Acts on the network namespace in which open() was called. Blocking and not thread-safe: device worker thread only.
// Errors of all: permission_denied (CAP_NET_ADMIN is missing), unsupported (a kernel without nf_tables or nat), io.
class Firewall final {
 public:
  static Result<Firewall> open();

  // Puts the plan in force in one transaction; on error nothing has changed. Also: invalid_argument, from table_text().
  // Tracked connections and other tables aren't touched.
  Result<void> apply(const FirewallPlan& plan);
  // Whether the table is exactly what the plan asks for. What apply() made is compared with what was listed right after it;
  // after a restart, with the text this version of nft is known to list. A newer nft that lists otherwise costs one apply.
  Result<bool> matches(const FirewallPlan& plan);
  // The table is gone afterwards, also when there was none. Forwarding stays as it is.
  Result<void> remove();

 private:
  struct ContextFree {
    void operator()(nft_ctx* context) const;
  };
  struct Applied {
    FirewallPlan plan;
    std::string listing;
  };

  explicit Firewall(std::unique_ptr<nft_ctx, ContextFree> context) : context_(std::move(context)) {}
  Result<std::string> run(const std::string& commands);
  Result<std::optional<std::string>> list();  // nullopt: no such table

  std::unique_ptr<nft_ctx, ContextFree> context_;
  std::optional<Applied> applied_;
};

}  // namespace sanad::firewall
