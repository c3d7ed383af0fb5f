// Included before everything else: stubs for names that USearch's headers mention and that the standard library omits
// without threads. None of them runs: an exact search by one thread takes no lock.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>

namespace std {
struct mutex {
    void lock() noexcept {}
    void unlock() noexcept {}
    bool try_lock() noexcept { return true; }
};
struct thread {
    template <class function, class... arguments> explicit thread(function&&, arguments&&...) { __builtin_trap(); }
    thread() = default;
    void join() noexcept {}
    bool joinable() const noexcept { return false; }
    static unsigned hardware_concurrency() noexcept { return 1; }
};
namespace this_thread {
inline void yield() noexcept {}
template <class duration> void sleep_for(duration const&) noexcept {}
} // namespace this_thread
} // namespace std
