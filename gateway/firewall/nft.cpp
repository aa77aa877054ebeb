#include "gateway/firewall/nft.hpp"

#include <nftables/libnftables.h>

#include <cerrno>
#include <string_view>

#include "gateway/firewall/ruleset.hpp"

namespace sanad::firewall {
namespace {

// libnftables explains failures in words only: "Error: Could not process rule: Operation not permitted", then the command.
Error translate(std::string_view text) {
  std::string reason(text.substr(0, text.find('\n')));
  const auto has = [&](std::string_view words) { return text.find(words) != std::string_view::npos; };
  if (has("Operation not permitted") || has("must be root"))
    return Error{Errc::permission_denied, "nftables refused: " + reason, {}, "the daemon needs CAP_NET_ADMIN"};
  if (has("Operation not supported") || has("Protocol not supported") || has("No such file or directory"))
    return Error{Errc::unsupported, "nftables refused: " + reason, {}, "modprobe nf_tables nft_chain_nat nft_masq"};
  return Error{Errc::io, "nftables refused: " + (reason.empty() ? "no reason given" : reason)};
}

}  // namespace

void Firewall::ContextFree::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Result<Firewall> Firewall::open() {
  std::unique_ptr<nft_ctx, ContextFree> context(nft_ctx_new(NFT_CTX_DEFAULT));
  if (context == nullptr) return from_errno(errno, "couldn't open nftables");
  if (nft_ctx_buffer_output(context.get()) != 0 || nft_ctx_buffer_error(context.get()) != 0)
    return Error{Errc::internal, "libnftables gave no buffer for its output"};
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_STATELESS);
  return Firewall{std::move(context)};
}

Result<std::string> Firewall::run(const std::string& commands) {
  const int status = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  // Reading a buffer also empties it for the next command.
  const char* output = nft_ctx_get_output_buffer(context_.get());
  const char* errors = nft_ctx_get_error_buffer(context_.get());
  if (status != 0) return translate(errors == nullptr ? "" : errors);
  return std::string(output == nullptr ? "" : output);
}

Result<std::optional<std::string>> Firewall::list() {
  const std::string ours = "table " + std::string(kTable);
  auto tables = run("list tables inet");
  if (!tables) return tables.error();
  if (("\n" + *tables).find("\n" + ours + "\n") == std::string::npos) return std::optional<std::string>{};
  auto listing = run("list " + ours);
  if (!listing) return listing.error();
  return std::optional{*std::move(listing)};
}

Result<void> Firewall::apply(const FirewallPlan& plan) {
  const std::string context = "couldn't put the firewall in force";
  auto text = table_text(plan);
  if (!text) return std::move(text).error().within(context);
  applied_.reset();
  auto done = run(replace_commands(*text));
  if (!done) return std::move(done).error().within(context);
  auto listing = list();
  if (!listing) return std::move(listing).error().within("couldn't read the firewall back");
  // Somebody may have deleted it in between; then matches() finds that out.
  if (*listing) applied_ = Applied{plan, *std::move(*listing)};
  return {};
}

Result<bool> Firewall::matches(const FirewallPlan& plan) {
  auto expected = table_text(plan);
  if (!expected) return expected.error();
  auto listing = list();
  if (!listing) return std::move(listing).error().within("couldn't read the firewall");
  if (!*listing) return false;
  if (applied_ && applied_->plan == plan) return **listing == applied_->listing;
  return **listing == *expected;
}

Result<void> Firewall::remove() {
  applied_.reset();
  auto done = run(remove_commands());
  if (!done) return std::move(done).error().within("couldn't remove the firewall");
  return {};
}

}  // namespace sanad::firewall
