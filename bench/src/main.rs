//! Measures superservers side by side. `bench/run` builds everything and starts this.

mod arguments;
mod client;
mod held;
mod machine;
mod peers;
mod running;
mod stream;
mod table;
mod windows;
mod workloads;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match arguments::read() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("bench: {error}");
            return ExitCode::from(2);
        }
    };
    let measure = if options.windows { windows::run } else { workloads::run };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
