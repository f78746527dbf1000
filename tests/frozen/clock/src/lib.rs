//! Stands before the C library's `clock_gettime` in a function's own binary (`LD_PRELOAD`), and adds to what the
//! kernel says: one span to the wall clock, another to the clocks that only go forward. Both stand in a file, which a
//! test writes while the function runs. So a test can let an hour pass as it passes for a process that Lambda has
//! frozen: by the wall clock, and not by the monotonic one.
//!
//! The kernel's own timers stay as they are. A runtime that one of them wakes asks for the time before it believes
//! it.

#![cfg(target_os = "linux")]

use std::{
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};

use libc::{c_int, clockid_t, timespec};

/// Names the file: two signed 64-bit numbers of nanoseconds, what is added to the wall clock and what to the others.
const FILE: &std::ffi::CStr = c"POSNEXT_FROZEN_CLOCK";
const NANOSECONDS: i64 = 1_000_000_000;

/// The file's two numbers. They live as long as the process.
type Spans = [AtomicI64; 2];

static SPANS: OnceLock<Option<&'static Spans>> = OnceLock::new();

/// As the C library's, moved by what the file says.
///
/// # Safety
/// `time` points to a `timespec` that may be written, as for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller's promise about `time` is the one that the kernel asks for.
    let outcome = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if outcome == 0
        && let Some(span) = span(clock)
    {
        // SAFETY: the kernel has just written there.
        let time = unsafe { &mut *time };
        let nanoseconds = time.tv_nsec.saturating_add(span % NANOSECONDS);
        let seconds = span / NANOSECONDS + nanoseconds.div_euclid(NANOSECONDS);
        time.tv_sec = time.tv_sec.saturating_add(seconds);
        time.tv_nsec = nanoseconds.rem_euclid(NANOSECONDS);
    }
    // -1 or 0.
    outcome as c_int
}

fn span(clock: clockid_t) -> Option<i64> {
    let [wall, monotonic] = SPANS.get_or_init(map).as_ref()?;
    let span = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => wall,
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE => monotonic,
        libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_BOOTTIME => monotonic,
        _ => return None,
    };
    Some(span.load(Ordering::Relaxed))
}

/// The file in memory; `None` without one, and then the clocks are the kernel's.
fn map() -> Option<&'static Spans> {
    // SAFETY: the name ends with a zero, and a function changes none of its variables.
    let name = unsafe { libc::getenv(FILE.as_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: a variable's value ends with a zero.
    let file = unsafe { libc::open(name, libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    let length = size_of::<Spans>();
    // SAFETY: the kernel chooses where, so nothing that is there is replaced.
    let memory = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file, 0) };
    // SAFETY: it is ours, and closed once; the mapping stays.
    let _ = unsafe { libc::close(file) };
    if memory == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: a page is aligned for them and stays mapped; the test that writes the file never makes it shorter.
    unsafe { memory.cast::<Spans>().as_ref() }
}
