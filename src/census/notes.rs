//! [`Notes`]: what is worth saying of how a source was followed: what bounds refused that nothing
//! else shows, and what a mirror port showed twice.

/// Define the counters once; all else goes over all of them.
macro_rules! notes {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// Counters of how a source was followed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Notes { $($(#[$meta])* pub $name: u64,)* }

        impl Notes {
            /// The counters by name, in this order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Set the counter of this name; false if there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }

            /// Add what is noted of another source, or by another thread.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }

            /// Take the larger of each: another state of the same source.
            pub(super) fn join(&mut self, other: &Self) {
                $(self.$name = self.$name.max(other.$name);)*
            }
        }
    };
}

notes! {
    /// Flows that were given up before TLS began, and of which what was said before was not kept.
    cleartexts_lost,
    /// Connections that said more before TLS than is kept to name the protocol.
    preambles_cut,
    /// Flows in which no TLS began within what is searched.
    searched_in_vain,
    /// Directions of flows whose beginning was not captured, and was waited for in vain.
    guessed_starts,
    /// DHCP requests whose answers were waited for no longer.
    names_unanswered,
    /// Flows of which packets were seen under two VLAN tags.
    flows_in_two_vlans,
    /// Copies of datagrams.
    copied_datagrams,
}
