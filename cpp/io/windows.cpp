// The calls of system.h on Windows. A temporary file is not shared for deletion, so one that can be deleted is stale. A
// mapping holds a handle of its own, so that a nameless file lives as long as its mappings.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <system_error>
#include <windows.h>

#include "base/error.h"
#include "io/stale.h"
#include "io/system.h"

namespace fewbits::io {
namespace {

constexpr DWORD shared_by_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
constexpr DWORD shared_but_kept = FILE_SHARE_READ | FILE_SHARE_WRITE;

// The errno of a Windows error, for callers that compare it.
int errno_of(DWORD error) {
    switch (error) {
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND:
        case ERROR_INVALID_NAME:
            return ENOENT;
        case ERROR_ACCESS_DENIED:
        case ERROR_SHARING_VIOLATION:
        case ERROR_LOCK_VIOLATION:
            return EACCES;
        case ERROR_FILE_EXISTS:
        case ERROR_ALREADY_EXISTS:
            return EEXIST;
        case ERROR_DISK_FULL:
        case ERROR_HANDLE_DISK_FULL:
            return ENOSPC;
        case ERROR_TOO_MANY_OPEN_FILES:
            return EMFILE;
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY:
            return ENOMEM;
        default:
            return EIO;
    }
}

[[noreturn]] void fail_windows(const std::string& what, DWORD error = ::GetLastError()) {
    const std::string reason = std::system_category().message(static_cast<int>(error));
    throw Error(ErrorKind::io, what + ": " + reason, errno_of(error));
}

std::wstring wide(const std::string& text) {
    const auto size = static_cast<int>(text.size());
    if (size == 0) return {};
    const int length = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, nullptr, 0);
    if (length <= 0) fail("path is not UTF-8");
    std::wstring out(static_cast<std::size_t>(length), L'\0');
    ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, out.data(), length);
    return out;
}

std::string utf8(const std::wstring& text) {
    const auto size = static_cast<int>(text.size());
    const int length = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
    std::string out(static_cast<std::size_t>(length), '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, out.data(), length, nullptr, nullptr);
    return out;
}

std::wstring path_in(Handle folder, const std::string& name) {
    std::array<wchar_t, 32768> path;
    const DWORD length = ::GetFinalPathNameByHandleW(folder, path.data(), static_cast<DWORD>(path.size()), 0);
    if (length == 0 || length >= path.size()) fail_windows("cannot name the folder");
    return std::wstring(path.data(), length) + L'\\' + wide(name);
}

// The part of a file at `offset`, for ReadFile and WriteFile.
OVERLAPPED at(std::uint64_t offset) {
    OVERLAPPED place{};
    place.Offset = static_cast<DWORD>(offset);
    place.OffsetHigh = static_cast<DWORD>(offset >> 32);
    return place;
}

DWORD piece_of(std::size_t bytes) {
    return static_cast<DWORD>(std::min(bytes, std::size_t{1} << 30));
}

}  // namespace

void fail_errno(const std::string& what, int error_number) {
    throw Error(ErrorKind::io, what + ": " + std::generic_category().message(error_number), error_number);
}

void fail_errno(const std::string& what) {
    fail_errno(what, errno);
}

Descriptor::~Descriptor() {
    if (is_open()) ::CloseHandle(fd_);
}

Descriptor open_file(const std::string& path) {
    Descriptor file(::CreateFileW(wide(path).c_str(), GENERIC_READ, shared_by_all, nullptr, OPEN_EXISTING, 0, nullptr));
    if (!file.is_open()) fail_windows("cannot open");
    return file;
}

std::uint64_t regular_file_bytes(Handle file) {
    LARGE_INTEGER bytes;
    if (::GetFileType(file) != FILE_TYPE_DISK) fail_errno("not a regular file", EINVAL);
    if (::GetFileSizeEx(file, &bytes) == 0) fail_windows("cannot open");
    return static_cast<std::uint64_t>(bytes.QuadPart);
}

Descriptor open_folder(const std::string& path) {
    Descriptor folder(::CreateFileW(wide(path).c_str(), FILE_LIST_DIRECTORY, shared_by_all, nullptr, OPEN_EXISTING,
                                    FILE_FLAG_BACKUP_SEMANTICS, nullptr));
    if (!folder.is_open()) fail_windows("cannot open folder '" + path + "'");
    return folder;
}

std::optional<Descriptor> open_in(Handle folder, const std::string& name) {
    Descriptor file(::CreateFileW(path_in(folder, name).c_str(), GENERIC_READ | GENERIC_WRITE, shared_by_all, nullptr,
                                  OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
    if (file.is_open()) return file;
    if (errno_of(::GetLastError()) != ENOENT) fail_windows("cannot open the log");
    return std::nullopt;
}

std::optional<Descriptor> create_in(Handle folder, const std::string& name) {
    Descriptor file(::CreateFileW(path_in(folder, name).c_str(), GENERIC_READ | GENERIC_WRITE, shared_by_all, nullptr,
                                  CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
    if (file.is_open()) return file;
    if (errno_of(::GetLastError()) != EEXIST) fail_windows("cannot create the log");
    return std::nullopt;
}

void remove_in(Handle folder, const std::string& name) {
    if (::DeleteFileW(path_in(folder, name).c_str()) == 0) fail_windows("cannot remove the log");
}

namespace {

bool is_at(const std::wstring& path, Handle file, DWORD flags) {
    const Descriptor other(::CreateFileW(path.c_str(), 0, shared_by_all, nullptr, OPEN_EXISTING, flags, nullptr));
    BY_HANDLE_FILE_INFORMATION own{}, there{};
    return other.is_open() && ::GetFileInformationByHandle(file, &own) != 0
           && ::GetFileInformationByHandle(other.get(), &there) != 0
           && own.dwVolumeSerialNumber == there.dwVolumeSerialNumber && own.nFileIndexHigh == there.nFileIndexHigh
           && own.nFileIndexLow == there.nFileIndexLow;
}

}  // namespace

bool is_in(Handle folder, const std::string& name, Handle file) noexcept try {
    return is_at(path_in(folder, name), file, FILE_FLAG_OPEN_REPARSE_POINT);
} catch (...) {
    return false;
}

bool leads_to(const std::string& path, Handle file) noexcept try { return is_at(wide(path), file, 0); } catch (...) {
    return false;
}

Temporary::Temporary(Handle folder, const std::string& stem, unsigned) : folder_(folder) {
    constexpr int most_trials = 100;
    for (int trial = 0; trial < most_trials; ++trial) {
        name_ = temporary_name(stem);
        file_ = Descriptor(::CreateFileW(path_in(folder_, name_).c_str(), GENERIC_READ | GENERIC_WRITE | DELETE,
                                         shared_but_kept, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
        if (file_.is_open()) return;
        if (::GetLastError() != ERROR_FILE_EXISTS) break;
    }
    name_.clear();
    fail_windows("cannot create a temporary file in the folder");
}

Temporary::~Temporary() {
    if (name_.empty()) return;
    FILE_DISPOSITION_INFO gone{};
    gone.DeleteFile = TRUE;
    ::SetFileInformationByHandle(file_.get(), FileDispositionInfo, &gone, sizeof gone);
}

// Through the handle of the file, so that it is never unprotected; then written through to the disk.
void Temporary::rename_to(const std::string& name) {
    const std::wstring target = path_in(folder_, name);
    const std::size_t bytes = sizeof(FILE_RENAME_INFO) + target.size() * sizeof(wchar_t);
    std::vector<std::max_align_t> memory(bytes / sizeof(std::max_align_t) + 1);
    auto* info = ::new (memory.data()) FILE_RENAME_INFO{};
    info->ReplaceIfExists = TRUE;
    info->FileNameLength = static_cast<DWORD>(target.size() * sizeof(wchar_t));
    std::memcpy(info->FileName, target.c_str(), (target.size() + 1) * sizeof(wchar_t));
    if (::SetFileInformationByHandle(file_.get(), FileRenameInfo, info, static_cast<DWORD>(bytes)) == 0)
        fail_windows("cannot rename the temporary file");
    name_.clear();
    sync_file(file_.get());
}

Descriptor nameless_file(Handle folder, const std::string& stem) {
    const std::wstring path = path_in(folder, temporary_name(stem));
    Descriptor file(::CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, 0, nullptr, CREATE_NEW,
                                  FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr));
    if (!file.is_open()) fail_windows("cannot create a temporary file in the folder");
    return file;
}

std::optional<Permissions> permissions_of_replaced(Handle folder, const std::string& name) {
    const DWORD attributes = ::GetFileAttributesW(path_in(folder, name).c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        if (errno_of(::GetLastError()) == ENOENT) return std::nullopt;
        fail_windows("cannot stat the target");
    }
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) fail_errno("the target is a folder", EISDIR);
    return Permissions{};
}

// A new file has the access rules of its folder.
Permissions usual_permissions(Handle, const std::string&) {
    return {};
}
void set_permissions(Handle, const Permissions&) {}
void keep_permissions(Handle, const Permissions&) {}

std::vector<std::string> names_in(Handle folder) {
    std::vector<std::string> names;
    WIN32_FIND_DATAW entry;
    const Handle search = ::FindFirstFileW(path_in(folder, "*").c_str(), &entry);
    if (search == no_handle) return names;
    const std::unique_ptr<void, decltype(&::FindClose)> closed(search, &::FindClose);
    do names.push_back(utf8(entry.cFileName));
    while (::FindNextFileW(search, &entry) != 0);
    return names;
}

bool lock_temporary(Handle) {
    return true;
}

void remove_if_unlocked(Handle folder, const std::string& name) {
    ::DeleteFileW(path_in(folder, name).c_str());
}

namespace {

constexpr DWORD beyond = 1u << 31;  // locks of contents would keep others from reading them

bool lock_last_byte(Handle file, DWORD kind) {
    OVERLAPPED place = at(std::uint64_t{beyond} << 32);
    return ::LockFileEx(file, kind | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place) != 0;
}

}  // namespace

bool lock_now(Handle file) {
    if (lock_last_byte(file, LOCKFILE_EXCLUSIVE_LOCK)) return true;
    if (::GetLastError() != ERROR_LOCK_VIOLATION) fail_windows("cannot lock the log");
    return false;
}

bool is_locked(Handle file) noexcept {
    if (!lock_last_byte(file, 0)) return ::GetLastError() == ERROR_LOCK_VIOLATION;
    OVERLAPPED place = at(std::uint64_t{beyond} << 32);
    ::UnlockFileEx(file, 0, 1, 0, &place);
    return false;
}

void resize_file(Handle file, std::uint64_t bytes) {
    FILE_END_OF_FILE_INFO end{};
    end.EndOfFile.QuadPart = static_cast<LONGLONG>(bytes);
    if (::SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end) == 0)
        fail_windows("cannot resize the file to " + std::to_string(bytes) + " bytes");
}

void write_all(Handle file, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        OVERLAPPED place = at(offset);
        DWORD done = 0;
        if (::WriteFile(file, bytes.data(), piece_of(bytes.size()), &done, &place) == 0)
            fail_windows("cannot write at offset " + std::to_string(offset));
        if (done == 0) fail_errno("cannot write at offset " + std::to_string(offset), EIO);
        bytes = bytes.subspan(done);
        offset += done;
    }
}

void read_all(Handle file, std::span<std::byte> buffer, std::uint64_t offset) {
    while (!buffer.empty()) {
        OVERLAPPED place = at(offset);
        DWORD done = 0;
        const bool read = ::ReadFile(file, buffer.data(), piece_of(buffer.size()), &done, &place) != 0;
        if (!read && ::GetLastError() != ERROR_HANDLE_EOF)
            fail_windows("cannot read at offset " + std::to_string(offset));
        if (!read || done == 0) corrupt("the file ends at offset " + std::to_string(offset));
        buffer = buffer.subspan(done);
        offset += done;
    }
}

void sync_file(Handle file) {
    if (::FlushFileBuffers(file) == 0) fail_windows("cannot flush");
}

void sync_data(Handle file) {
    sync_file(file);
}

void sync_folder(Handle) {}  // its entries are in the journal of the file system

std::shared_ptr<const void> map_file(Handle file, std::size_t bytes) {
    Handle own = nullptr;
    const Handle process = ::GetCurrentProcess();
    if (::DuplicateHandle(process, file, process, &own, 0, FALSE, DUPLICATE_SAME_ACCESS) == 0)
        fail_windows("cannot map");
    auto kept = std::make_shared<const Descriptor>(own);
    const Handle mapping = ::CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping == nullptr) fail_windows("cannot map");
    const void* start = ::MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, bytes);
    const DWORD error = ::GetLastError();
    ::CloseHandle(mapping);
    if (start == nullptr) fail_windows("cannot map", error);
    return {start, [kept](const void* mapped) { ::UnmapViewOfFile(mapped); }};
}

namespace {

// Read-only memory of `bytes` (> 0), initialised by `fill`.
template <class Fill>
std::shared_ptr<const void> filled(std::size_t bytes, Fill fill) {
    void* start = ::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (start == nullptr) throw std::bad_alloc();
    std::shared_ptr<const void> memory(start, [](void* allocated) { ::VirtualFree(allocated, 0, MEM_RELEASE); });
    fill(std::span(static_cast<std::byte*>(start), bytes));
    DWORD before;
    ::VirtualProtect(start, bytes, PAGE_READONLY, &before);
    return memory;
}

}  // namespace

std::shared_ptr<const void> load_file(Handle file, std::size_t bytes) {
    return filled(bytes, [&](std::span<std::byte> memory) { read_all(file, memory, 0); });
}

std::shared_ptr<const void> copy_bytes(std::span<const std::byte> bytes) {
    return filled(bytes.size(),
                  [&](std::span<std::byte> memory) { std::copy(bytes.begin(), bytes.end(), memory.begin()); });
}

}  // namespace fewbits::io
