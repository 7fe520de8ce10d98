//! EAP over LAN: which log-in a frame belongs to, by the stations that it is from and for.

use std::hash::BuildHasher;
use std::time::Duration;

use super::{FinishedLogin, Key, LoginTable, Slot};
use crate::clock::Timestamp;
use crate::packet::Eapol;
use crate::tls::starttls::eap::{Party, eapol};
use crate::tls::starttls::radius::Station;

/// Frames of one log-in that are told from their copies.
const FRAMES: usize = 32;

/// How late a copy may be.
const LATE: Duration = Duration::from_secs(1);

impl LoginTable {
    /// A frame of EAP over LAN. Log-ins that are over, this one or another, go to `finish`.
    pub fn push_eapol(
        &mut self,
        frame: &Eapol<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(FinishedLogin),
    ) {
        self.advance(at, finish);
        let Some(eap) = eapol(frame.payload) else { return };
        let (Some(party), Some(&id)) = (Party::of(eap), eap.get(1)) else { return };
        let mut layers = frame.layers;
        // Frames on a cable go to a group address (802.1X §11.1.1): it is nobody's.
        layers.target_mac = layers.target_mac.filter(|mac| !mac.is_group());
        let (supplicant, authenticator) = match party {
            Party::Peer => (layers.source_mac, layers.target_mac),
            Party::Server => (layers.target_mac, layers.source_mac),
        };
        let domain = frame.domain;
        let supplicant_key = supplicant.map(|mac| Key::Supplicant(domain, mac));
        let authenticator_key = authenticator.map(|mac| Key::Authenticator(domain, mac));
        let known = match (party, supplicant_key) {
            (_, Some(key)) => self.find(&key, at, finish),
            (Party::Server, None) => authenticator_key.and_then(|key| self.find(&key, at, finish)),
            (Party::Peer, None) => None,
        };
        // A response has the identifier of its request, and the next request the one after it
        // (not by the letter of RFC 3748 §4.1, but in all that is built).
        let known = known.or_else(|| {
            let of_peer = |slot: &Slot| slot.supplicant.is_none();
            let of_server = |slot: &Slot| slot.authenticator.is_none() && supplicant.is_none();
            let mut open = |id: u8, is_open: &dyn Fn(&Slot) -> bool| {
                let slot = self.find(&Key::Group(domain, id), at, finish)?;
                self.slot(slot).is_some_and(is_open).then_some(slot)
            };
            match party {
                Party::Peer => open(id, &of_peer).or_else(|| open(id.wrapping_sub(1), &of_peer)),
                Party::Server => {
                    open(id.wrapping_sub(1), &of_server).or_else(|| open(id, &of_server))
                }
            }
        });
        // A copy that comes a little late, when others came in between. The same log-in again later has
        // some of the same frames.
        let mark = self.hash.hash_one((supplicant, authenticator, eap));
        if let Some(found) = known.and_then(|slot| self.slot_mut(slot)) {
            let recent =
                |(seen, since): &(u64, Timestamp)| *seen == mark && at.since(*since) <= LATE;
            let again = found.over && found.login.begins(eap);
            if found.frames.iter().any(recent) && !again {
                self.stats.copies = self.stats.copies.saturating_add(1);
                return;
            }
        }
        let Some(slot) = self.take(known, party, eap, at, layers, finish) else { return };
        if let Some(found) = self.slot_mut(slot) {
            found.frames.truncate(FRAMES - 1);
            found.frames.push_front((mark, at));
        }
        let Some(found) = self.slot_mut(slot) else { return };
        found.supplicant = found.supplicant.or_else(|| supplicant.map(Station::Mac));
        found.authenticator = found.authenticator.or(authenticator);
        let [first, second] = &mut found.stations;
        *first = first.or(supplicant_key);
        *second = second.or(authenticator_key);
        let lonely = match party {
            Party::Peer => found.authenticator.is_none(),
            Party::Server => found.supplicant.is_none(),
        };
        for key in [supplicant_key, authenticator_key].into_iter().flatten() {
            self.index.insert(key, slot);
        }
        if lonely {
            self.bind(slot, Key::Group(domain, id));
        }
    }
}
