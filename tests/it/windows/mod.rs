//! Scenarios of Windows alone. Natively they run on Windows; on Linux `ci/test` runs them under
//! Wine, with `--include-ignored`.

mod accounts;
mod handles;
mod isolation;
mod manual;
mod pipes;
mod programs;
mod relay;
mod service;
mod terminal;
mod unix_sockets;
