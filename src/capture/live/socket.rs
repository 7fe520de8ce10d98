//! Options of a packet socket that libpcap has no call for: fanout, filters, a new binding.
//!
//! These are the only calls of the program that go to the operating system by hand.

#![allow(unsafe_code, reason = "neither libpcap nor rustix sets options of packet sockets")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::lighten::Step;

/// Fragments of a datagram are put together before the hash is taken, as only the first of them has
/// ports.
const DEFRAG: libc::c_uint = 0x8000;
/// The kernel picks a number that no other program's group has.
const UNIQUE_ID: libc::c_uint = 0x2000;

/// Let a socket be one of a group among whose members packets are dealt by the hash of their flow.
/// Without the number of a group it founds one. Returns the number.
///
/// It must be called after the ring was set up, and each member must be bound to the same interface.
pub(super) fn join_fanout(socket: &impl AsFd, group: Option<u16>) -> io::Result<u16> {
    let (id, flags) = match group {
        Some(id) => (libc::c_uint::from(id), DEFRAG),
        None => (0, DEFRAG | UNIQUE_ID),
    };
    let value = id | (libc::PACKET_FANOUT_HASH | flags) << 16;
    set_option(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &value)?;
    if let Some(id) = group {
        return Ok(id);
    }
    let value: libc::c_uint = get_option(socket, libc::SOL_PACKET, libc::PACKET_FANOUT)?;
    let [low, high, ..] = value.to_le_bytes();
    Ok(u16::from_le_bytes([low, high]))
}

/// From now on no packet passes; what lies in the ring stays there to be read.
pub(super) fn reject_all(socket: &impl AsFd) -> io::Result<()> {
    // Return 0, which is how many bytes of a packet to keep.
    attach(socket, &[Step { code: 0x06, jt: 0, jf: 0, k: 0 }])
}

/// From now on this program tells how much of each packet is kept. Between the one before and this
/// no packet is lost.
pub(super) fn attach(socket: &impl AsFd, program: &[Step]) -> io::Result<()> {
    let step =
        |step: &Step| libc::sock_filter { code: step.code, jt: step.jt, jf: step.jf, k: step.k };
    let mut steps: Vec<_> = program.iter().map(step).collect();
    let len = libc::c_ushort::try_from(steps.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog { len, filter: steps.as_mut_ptr() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)
}

/// Bind to another interface: the socket and its ring stay. A member of a group cannot.
pub(super) fn bind(socket: &impl AsFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::c_ushort::try_from(libc::AF_PACKET).unwrap_or_default(),
        sll_protocol: libc::c_ushort::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` is a valid sockaddr_ll that lives until the call returns, and the length is
    // its own; the descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::bind(socket.as_fd().as_raw_fd(), (&raw const address).cast(), length_of(&address))
    };
    outcome(result)
}

/// Ask for frames that are addressed to others, too.
pub(super) fn be_promiscuous(socket: &impl AsFd, index: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index.cast_signed(),
        mr_type: libc::c_ushort::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default(),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Set an option. `T` is the C structure, or the number, that the option is documented to take.
fn set_option<T>(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: `value` is a valid `T` that lives until the call returns, and the length is its own;
    // what it points to (the program of a filter) lives as long in its caller. The kernel copies
    // all of it. The descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            length_of(value),
        )
    };
    outcome(result)
}

/// Read an option that is one number.
fn get_option(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<libc::c_uint> {
    let mut value: libc::c_uint = 0;
    let mut length = length_of(&value);
    // SAFETY: `value` has room for `length` bytes, and any bytes are a valid number; both live until
    // the call returns. The descriptor is open as long as it is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    outcome(result).map(|()| value)
}

fn length_of<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of_val(value)).unwrap_or_default()
}

fn outcome(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Which kind of ring the socket has.
#[cfg(test)]
pub(super) fn ring_version(socket: &impl AsFd) -> io::Result<libc::c_uint> {
    get_option(socket, libc::SOL_PACKET, libc::PACKET_VERSION)
}
