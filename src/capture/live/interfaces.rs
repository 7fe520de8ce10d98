//! The interfaces that there are, with link, speed, and whether they can be captured on.

use std::fs;
use std::path::PathBuf;

use super::{Options, may_capture};

/// Where the kernel describes its interfaces.
const FOLDER: &str = "/sys/class/net";

/// Flag of an interface that is switched on.
const IFF_UP: u32 = 1;

/// A network interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What its frames begin with, where it can be opened.
    pub link: Option<String>,
    /// Megabits a second, where the driver knows.
    pub speed: Option<u32>,
    /// It is switched on.
    pub up: bool,
    /// There is a signal on the cable, where the driver knows.
    pub carrier: Option<bool>,
    /// Why it cannot be captured on, if it cannot.
    pub refusal: Option<String>,
}

/// All interfaces, by name.
pub fn interfaces() -> std::io::Result<Vec<Interface>> {
    let mut found: Vec<_> = fs::read_dir(FOLDER)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // Some files lie beside the interfaces.
        .filter(|name| attribute(name, "ifindex").is_some())
        .map(describe)
        .collect();
    found.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

fn describe(name: String) -> Interface {
    let options = Options { ring_bytes: 0, ..Options::default() };
    let up = is_up(&name);
    let (link, refusal) = if !up {
        (None, Some(format!("down: `ip link set {name} up`")))
    } else if !may_capture() {
        (None, Some("no permission (CAP_NET_RAW)".to_owned()))
    } else {
        match super::activate(&name, &options) {
            Ok(capture) => (capture.get_datalink().get_name().ok(), None),
            Err(error) => (None, Some(error.to_string())),
        }
    };
    Interface {
        // Where there is no cable, or no hardware, the kernel says -1 or nothing.
        speed: attribute(&name, "speed").and_then(|text| text.parse().ok()),
        carrier: attribute(&name, "carrier").map(|text| text == "1"),
        name,
        link,
        up,
        refusal,
    }
}

/// Where the kernel describes an interface.
pub(super) fn folder(name: &str) -> PathBuf {
    // A name is one component of a path, whatever was typed.
    PathBuf::from(FOLDER).join(name.replace('/', ""))
}

/// One thing that the kernel says of an interface.
pub(super) fn attribute(name: &str, attribute: &str) -> Option<String> {
    fs::read_to_string(folder(name).join(attribute)).ok().map(|text| text.trim().to_owned())
}

/// Whether an interface is switched on.
pub(super) fn is_up(name: &str) -> bool {
    let flags = attribute(name, "flags");
    let flags = flags.as_deref().and_then(|text| text.strip_prefix("0x"));
    flags.and_then(|hex| u32::from_str_radix(hex, 16).ok()).is_some_and(|flags| flags & IFF_UP != 0)
}
