//! The binary: everything is in the library's `cli`.

/// A fifth of a sync's CPU went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    haier_integration::cli::run()
}
