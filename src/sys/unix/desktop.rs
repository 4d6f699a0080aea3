//! The desktop heap, which only Windows has.

use crate::sys::DesktopHeap;

/// The heap of a desktop that nobody sees: there is none.
pub fn heap() -> Option<DesktopHeap> {
    None
}
