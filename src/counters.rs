//! [`counters!`]: numbers that are only ever added up, said once each.

/// A struct of counters, and how those of another are added to them: none is forgotten.
macro_rules! counters {
    (
        $(#[$about:meta])*
        pub struct $name:ident { $($(#[$meta:meta])* pub $counter:ident: u64,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$meta])* pub $counter: u64,)* }

        impl $name {
            /// Add what another counted.
            pub const fn add(&mut self, other: &Self) {
                $(self.$counter = self.$counter.saturating_add(other.$counter);)*
            }
        }
    };
}

pub(crate) use counters;
