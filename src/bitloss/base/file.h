// Files: read whole, mapped, or replaced whole.
#ifndef BITLOSS_BASE_FILE_H_
#define BITLOSS_BASE_FILE_H_

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"

namespace bitloss {

// The whole file. kNotFound if it is not there, kIo if it cannot be read, kBadInput if it is larger
// than `max_bytes` (a guard against feeding a checkpoint where a text belongs).
Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 32);

// The whole file, mapped read-only; pages are read when touched. An empty file gives no bytes.
// The mapping lives as long as any copy of the result.
Result<SharedBytes> MapFile(const std::filesystem::path& path);

// Replaces `path` with `bytes`: a reader sees the old file or the new one, never a part. Written to
// "<path>.partial-<pid>" first, synced, then renamed; on failure the partial file is removed.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);
// The same for a file made of pieces, one after the other: what is too large for one string.
Status WriteFileAtomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> pieces);

}  // namespace bitloss

#endif  // BITLOSS_BASE_FILE_H_
