// Temporary files of saves that were killed. A save holds a lock on its temporary file while it runs, and the system
// releases the lock however the process ends; a temporary file that can be locked is therefore stale.
#pragma once

#include <string>

#include "io/system.h"

namespace fewbits::io {

// `.<stem>.<pid>.<random>.tmp`, with the stem truncated if it is too long for a file name.
std::string temporary_name(const std::string& stem);

// Removes temporary files of killed saves of `stem` from the folder; ignores errors.
void remove_stale(Handle folder, const std::string& stem) noexcept;

}  // namespace fewbits::io
