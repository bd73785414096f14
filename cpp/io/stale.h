// Temporary files of saves that were killed. A save holds a lock on its temporary file while it runs, and the system
// releases the lock however the process ends; a temporary file that can be locked is therefore stale.
#pragma once

#include <string>

namespace fewbits::io {

// `.<stem>.<pid>.<random>.tmp`, with the stem truncated if it is too long for a file name.
std::string temporary_name(const std::string& stem);

// Locks a temporary file that was just created. Returns false if another save has already removed it as stale.
bool lock_temporary(int fd);

// Removes temporary files of killed saves of `stem` from the folder; ignores errors.
void remove_stale(int folder, const std::string& stem) noexcept;

}  // namespace fewbits::io
