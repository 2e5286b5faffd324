//! The `folkmoot` command.

mod cli;

/// Parked connections are many small allocations; mimalloc keeps them dense.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
