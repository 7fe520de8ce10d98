//! placeholder
/// report
#[derive(Clone, Debug)]
pub struct ChainReport {}
