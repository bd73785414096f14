// Temporary files of saves that were killed. A save holds a lock on its own for as long as it lives, which the system
// takes back however it ends; so a temporary file that can be locked belongs to nobody.
#pragma once

#include <string>

namespace fewbits::io {

// `.<stem>.<pid>.<random>.tmp`, with as much of the stem as fits a name.
std::string temporary_name(const std::string& stem);

// Locks a temporary file that was just made; false: another save took it for a stale one before, and removed it.
bool lock_temporary(int fd);

// Removes what killed saves of `stem` left in the folder, as far as that is possible.
void remove_stale(int folder, const std::string& stem) noexcept;

}  // namespace fewbits::io
