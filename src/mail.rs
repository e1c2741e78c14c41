//! A lenient layer over MIME: what real mail needs beyond the standard.
pub mod address; pub mod body; pub mod charset; pub mod date; pub mod header; pub mod mime;
use std::io;
/// x
pub fn leaf(_message: Vec<u8>, _is_mbox: bool, _part: usize) -> io::Result<Vec<u8>> {
    todo!("mail layer")
}
